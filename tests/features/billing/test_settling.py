"""Holds become charges or releases, once each, by what their messages become."""

from datetime import timedelta
from typing import Any

import pytest

from messages.walk import Walk
from onesixty.carriers.contract import ReceiptState
from onesixty.messages.types import Refusal, SendRequest
from onesixty.records.billing.checking import check

from .priced import EURO, Priced

TENTH = EURO // 10


async def send(walk: Walk, *bodies: str) -> list[Any]:
    """Have messages taken, one request each; refusals are given too."""
    return [
        await walk.acceptor.accept(SendRequest("+447700900000", body), walk.caller())
        for body in bodies
    ]


async def agrees(walk: Walk) -> None:
    """The ledger adds up."""
    async with walk.database.write() as tx:
        assert await check(tx) == []


async def test_what_is_held_is_charged_once_it_is_submitted(walk: Walk) -> None:
    """The price is held at acceptance, and charged when the carrier took the message."""
    priced = await Priced.open(walk)
    (message,) = await send(walk, "x" * 161)
    assert message.price_micros == 2 * TENTH
    assert (await walk.row(message))["price_micros"] == 2 * TENTH
    assert await priced.books() == (EURO - 2 * TENTH, 2 * TENTH, 0)
    await priced.settle()
    assert await priced.books() == (EURO - 2 * TENTH, 2 * TENTH, 0)
    walk.carrier.accept(walk.carrier.taken[0])
    await priced.settle(10)
    assert await priced.books() == (EURO - 2 * TENTH, 0, 2 * TENTH)
    assert await walk.count("holds") == 1
    await agrees(walk)


async def test_the_use_is_counted_when_the_message_has_ended(walk: Walk) -> None:
    """A delivered message leaves no hold, and a line that says so."""
    priced = await Priced.open(walk)
    await priced.deck("prefix,price\n44,0.04", carrier_id=walk.carrier.number, currency="USD")
    await send(walk, "x" * 161)
    one = walk.carrier.taken[0]
    walk.carrier.accept(one)
    await walk.settled()
    for part in (1, 2):
        walk.carrier.receipt(one, ReceiptState.DELIVERED, part=part)
    await priced.settle()
    assert await walk.count("holds") == 0
    (row,) = await priced.usage()
    assert (row["country"], row["carrier_id"], row["channel"]) == ("GB", walk.carrier.number, 0)
    assert (row["messages"], row["segments"], row["delivered"]) == (1, 2, 1)
    assert (row["charged"], row["currency"]) == (2 * TENTH, "EUR")
    assert (row["cost"], row["cost_currency"]) == (80_000, "USD")
    await agrees(walk)


async def test_what_fails_comes_back(walk: Walk) -> None:
    """Refused by the carrier: nothing is charged, all is available again."""
    priced = await Priced.open(walk)
    await send(walk, "hello")
    walk.carrier.refuse(walk.carrier.taken[0])
    await priced.settle()
    assert await priced.books() == (EURO, 0, 0)
    (row,) = await priced.usage()
    assert (row["messages"], row["delivered"], row["charged"], row["cost"]) == (1, 0, 0, 0)
    await agrees(walk)


@pytest.mark.parametrize(
    ("charge", "state", "charged"),
    [
        ("accepted", None, TENTH),
        ("submitted", ReceiptState.UNDELIVERABLE, TENTH),
        ("delivered", ReceiptState.UNDELIVERABLE, 0),
        ("delivered", ReceiptState.DELIVERED, TENTH),
    ],
)
async def test_the_policy_says_when(
    walk: Walk, charge: str, state: ReceiptState | None, charged: int
) -> None:
    """Charged when accepted whatever happens, when submitted, or when delivered only."""
    priced = await Priced.open(walk, charge=charge)
    await send(walk, "hello")
    if state is None:
        walk.carrier.refuse(walk.carrier.taken[0])
    else:
        walk.carrier.accept(walk.carrier.taken[0])
        await walk.settled()
        walk.carrier.receipt(walk.carrier.taken[0], state)
    await priced.settle()
    assert await priced.books() == (EURO - charged, 0, charged)
    await agrees(walk)


async def test_messages_are_refused_when_the_balance_is_used_up(walk: Walk) -> None:
    """As many as fit are taken, in their order; the others are refused and leave nothing."""
    priced = await Priced.open(walk)
    found = await walk.acceptor.accept_batch(
        [SendRequest("+447700900000", "x" * (161 if n == 8 else 1)) for n in range(11)],
        walk.caller(),
        (await send(walk, "first"))[0].id,
    )
    assert isinstance(found, list)
    refused = [n for n, one in enumerate(found) if isinstance(one, Refusal)]
    # The ninth takes two segments and does not fit, the tenth does.
    assert refused == [8, 10]
    assert {one.code for one in found if isinstance(one, Refusal)} == {"insufficient_balance"}
    assert await priced.books() == (0, EURO, 0)
    assert await walk.count("messages") == await walk.count("holds") == 10
    assert walk.carrier.least_room == 100 - 10
    await agrees(walk)


async def test_on_credit_the_balance_may_be_negative_to_a_limit(walk: Walk) -> None:
    """A postpaid account needs no money at hand, down to its limit."""
    priced = await Priced.open(walk, euros=0, mode="postpaid", credit=2 * TENTH)
    answers = await send(walk, "1", "2", "3")
    assert [isinstance(one, Refusal) for one in answers] == [False, False, True]
    assert await priced.books() == (-2 * TENTH, 2 * TENTH, 0)


async def test_a_destination_without_a_price_is_refused(walk: Walk) -> None:
    """What no row of the price list takes is not sent for nothing."""
    await Priced.open(walk)
    answer = await walk.acceptor.accept(SendRequest("+33612345678", "hello"), walk.caller())
    assert isinstance(answer, Refusal)
    assert answer.code == "no_price"


async def test_accounts_below_are_paid_for_from_above(walk: Walk, on_file: Any) -> None:
    """A child without terms of its own uses the balance and prices of its parent."""
    priced = await Priced.open(walk)
    child = await on_file.account("child", parent=walk.account)
    await walk.keeper.follow()
    caller = walk.caller(account=child)
    await walk.acceptor.accept(SendRequest("+447700900000", "hello"), caller)
    assert await priced.books() == (EURO - TENTH, TENTH, 0)
    walk.carrier.accept(walk.carrier.taken[0])
    await walk.settled()
    walk.carrier.receipt(walk.carrier.taken[0])
    await priced.settle()
    (row,) = await priced.usage()
    assert (row["account_id"], row["charged"]) == (child, TENTH)
    await agrees(walk)


async def test_test_keys_cost_nothing(walk: Walk) -> None:
    """Messages of the sandbox have no price."""
    priced = await Priced.open(walk)
    await walk.lane(walk.sandbox)
    message = await walk.acceptor.accept(
        SendRequest("+447700900000", "hello"), walk.caller(test=True)
    )
    assert not isinstance(message, Refusal)
    assert await priced.books() == (EURO, 0, 0)


async def test_a_cap_refuses_and_gives_back(walk: Walk) -> None:
    """A hard cap holds for the day, tells at 50, 80 and 100 %, and forgets what failed."""
    priced = await Priced.open(walk)
    await priced.cap(2 * TENTH)
    answers = await send(walk, "1", "2", "3")
    assert [getattr(one, "code", None) for one in answers] == [None, None, "spend_cap_reached"]
    told = await walk.ask("SELECT array_agg(data->'percent' ORDER BY id) FROM events WHERE type=51")
    assert told == [50, 100]
    walk.carrier.refuse(walk.carrier.taken[0])
    await priced.settle()
    again = await send(walk, "4", "5")
    assert [isinstance(one, Refusal) for one in again] == [False, True]


async def test_a_soft_cap_only_tells(walk: Walk) -> None:
    """What is over a soft cap is sent."""
    priced = await Priced.open(walk)
    await priced.cap(TENTH, hard=False)
    answers = await send(walk, "1", "2")
    assert not any(isinstance(one, Refusal) for one in answers)
    assert await walk.ask("SELECT count(*) FROM events WHERE type = 51") == 1


async def test_caps_of_a_country_or_a_key_count_theirs_only(walk: Walk) -> None:
    """Another country, and another key, are not touched."""
    priced = await Priced.open(walk)
    key = walk.caller()
    await priced.cap(1, kind="country", value="FR")
    await priced.cap(TENTH, kind="key", value=str(key.key_id))
    assert not isinstance((await send(walk, "of another key"))[0], Refusal)
    one = await walk.acceptor.accept(SendRequest("+447700900000", "1"), key)
    two = await walk.acceptor.accept(SendRequest("+447700900000", "2"), key)
    assert [isinstance(answer, Refusal) for answer in (one, two)] == [False, True]


async def test_a_low_balance_is_told_once(walk: Walk) -> None:
    """Below the threshold one event is told, until there is enough again."""
    await Priced.open(walk, low=EURO - TENTH)
    await send(walk, "1")
    assert await walk.ask("SELECT count(*) FROM events WHERE type = 50") == 0
    await send(walk, "2", "3")
    assert await walk.ask("SELECT count(*) FROM events WHERE type = 50") == 1


async def test_a_carrier_without_receipts_ends_with_its_answer(walk: Walk) -> None:
    """Nothing more will be known: the use is counted at once."""
    priced = await Priced.open(walk)
    async with walk.database.write() as tx:
        await tx.execute("UPDATE carriers SET settings = settings || '{\"receipts\": false}'")
    await walk.keeper.follow()
    await send(walk, "hello")
    walk.carrier.accept(walk.carrier.taken[0])
    await priced.settle()
    assert await walk.count("holds") == 0
    assert len(await priced.usage()) == 1


async def test_a_receipt_that_never_comes_is_not_waited_for(walk: Walk) -> None:
    """A day after its validity the message counts as it stands."""
    priced = await Priced.open(walk, charge="delivered")
    await send(walk, "hello")
    walk.carrier.accept(walk.carrier.taken[0])
    await priced.settle(10)
    assert await walk.count("holds") == 1
    await priced.settle(timedelta(days=2, hours=6).total_seconds())
    assert await walk.count("holds") == 0
    assert await priced.books() == (EURO, 0, 0)
