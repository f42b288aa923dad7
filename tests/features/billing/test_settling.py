"""Holds become charges or releases, once each, by what their messages become."""

from datetime import timedelta
from typing import Any

from messages.walk import Walk
from onesixty.carriers.contract import ReceiptState
from onesixty.messages.dispatch import ends
from onesixty.messages.types import Channel, Refusal, SendRequest, Step
from onesixty.records.billing.checking import check
from onesixty.records.billing.usage import add_up

from .priced import EURO, LONG_AGO, Priced

TENTH = EURO // 10
TOLD = """
SELECT array_agg(concat_ws(' ', type, data->'percent') ORDER BY id) FROM events
WHERE type IN (50, 51)
"""


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


async def test_what_is_cancelled_comes_back_at_once(walk: Walk) -> None:
    """The money of a message for next month is not held until then when it is cancelled."""
    priced = await Priced.open(walk)
    message = await walk.send("later", send_at=walk.clock.now() + timedelta(days=30))
    await priced.settle()
    assert await priced.books() == (EURO - TENTH, TENTH, 0)
    async with walk.database.write() as tx:
        await ends.cancel(tx, walk.account, [message.id], walk.clock.now())
    await priced.settle(0)
    assert await priced.books() == (EURO, 0, 0)
    assert await walk.count("holds") == 0


async def test_days_are_added_up_again(walk: Walk) -> None:
    """Usage made again from its lines is what it was; and what is spoilt is found."""
    priced = await Priced.open(walk)
    for number in range(3):
        await walk.send(f"{number}")
        one = walk.carrier.taken[number]
        walk.carrier.refuse(one) if number else walk.carrier.accept(one)
    await walk.settled()
    walk.carrier.receipt(walk.carrier.taken[0])
    await priced.settle()
    (before,) = await priced.usage()
    async with walk.database.write() as tx:
        await tx.execute("UPDATE usage SET charged = 1")
        await tx.execute(
            "UPDATE balances SET available = available + 1, held = 0, funding = funding - 1"
        )
    async with walk.database.write() as tx:
        wrong = await check(tx)
    assert [line.partition(" is ")[0] for line in wrong] == [
        "acme: funding",
        "acme: available",
        f"usage of {before['day']}",
    ]
    async with walk.database.write() as tx:
        assert await add_up(tx, before["day"]) == 1
    assert await priced.usage() == [before]


async def test_the_channel_that_was_sent_is_charged(walk: Walk) -> None:
    """With channels to fall back to the dearest is held, and the last one is charged."""
    priced = await Priced.open(walk)
    async with walk.database.write() as tx:
        await tx.execute(
            "INSERT INTO deck_rows (deck_id, channel, network, prefix, micros, valid_from)"
            " SELECT id, 2, '', '44', 20000, $1 FROM decks",
            LONG_AGO,
        )
        await tx.execute("UPDATE decks SET revision = revision + 1")
    await walk.keeper.follow()
    steps = (Step(Channel.WHATSAPP, 60), Step(Channel.SMS))
    message = await walk.send("x" * 161, steps=steps)
    assert message.price_micros == 20_000
    assert await priced.books() == (EURO - 2 * TENTH, 2 * TENTH, 0)
    walk.carrier.refuse(walk.carrier.taken[0])
    await priced.settle()
    await walk.fallbacks.run_once()
    await walk.claim()
    (_, one) = await walk.carrier.took(2)
    walk.carrier.accept(one)
    await priced.settle(10)
    assert (await walk.row(message))["price_micros"] == 2 * TENTH
    assert await priced.books() == (EURO - 2 * TENTH, 0, 2 * TENTH)
    await agrees(walk)


async def test_charged_when_delivered(walk: Walk) -> None:
    """By that policy what did not arrive costs nothing, though the carrier took it."""
    priced = await Priced.open(walk, charge="delivered")
    await send(walk, "one", "two")
    walk.carrier.accept(*walk.carrier.taken)
    await walk.settled()
    walk.carrier.receipt(walk.carrier.taken[0])
    walk.carrier.receipt(walk.carrier.taken[1], ReceiptState.UNDELIVERABLE)
    await priced.settle()
    assert await priced.books() == (EURO - TENTH, 0, TENTH)
    await agrees(walk)


async def test_what_has_no_price(walk: Walk) -> None:
    """A destination that no row takes is refused; messages of test keys cost nothing."""
    priced = await Priced.open(walk)
    await walk.lane(walk.sandbox)
    abroad = SendRequest("+33612345678", "hello")
    answer = await walk.acceptor.accept(abroad, walk.caller())
    assert isinstance(answer, Refusal)
    assert answer.code == "no_price"
    tried = await walk.acceptor.accept(abroad, walk.caller(test=True))
    assert not isinstance(tried, Refusal)
    assert await priced.books() == (EURO, 0, 0)


async def test_a_cap_refuses_and_gives_back(walk: Walk) -> None:
    """A hard cap holds for the day, and forgets what failed; 50, 80 and 100 % are told of, once.

    So is a balance that became low.
    """
    priced = await Priced.open(walk, low=EURO - TENTH)
    await priced.cap(2 * TENTH)
    (one,) = await send(walk, "1")
    assert await walk.ask(TOLD) == ["51 50"]
    two, three = await send(walk, "2", "3")
    assert [getattr(answer, "code", None) for answer in (one, two, three)] == [
        None, None, "spend_cap_reached",
    ]  # fmt: skip
    told = ["51 50", "50", "51 100"]
    assert await walk.ask(TOLD) == told
    walk.carrier.refuse(walk.carrier.taken[0])
    await priced.settle()
    again = await send(walk, "4", "5")
    assert [isinstance(answer, Refusal) for answer in again] == [False, True]
    assert await walk.ask(TOLD) == told
    await walk.clock.advance(86_400)
    assert not isinstance((await send(walk, "on another day"))[0], Refusal)


async def test_caps_count_theirs_only(walk: Walk) -> None:
    """Another country and another key are not touched; a soft cap only tells."""
    priced = await Priced.open(walk)
    key = walk.caller()
    await priced.cap(1, kind="country", value="FR")
    await priced.cap(TENTH, kind="key", value=str(key.key_id))
    await priced.cap(1, period="month", hard=False)
    assert not isinstance((await send(walk, "of another key"))[0], Refusal)
    one = await walk.acceptor.accept(SendRequest("+447700900000", "1"), key)
    two = await walk.acceptor.accept(SendRequest("+447700900000", "2"), key)
    assert [isinstance(answer, Refusal) for answer in (one, two)] == [False, True]
    assert await walk.ask(TOLD) == ["51 100", "51 100"]
