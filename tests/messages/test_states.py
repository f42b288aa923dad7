"""The one table of what may become of a message, and its twin inside PostgreSQL."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.carriers.contract import ReceiptState
from onesixty.messages.states import (
    FINAL,
    RECEIPT_CAUSES,
    RECEIPT_FINAL,
    SHOWN_AS,
    STEPPED,
    TRANSITIONS,
    UNTOLD,
    Cause,
    Status,
    advance,
    later_receipt,
    part_state,
    roll_up,
    sql_next,
    sql_overrules,
)
from onesixty.records.events import TYPES
from onesixty.storage.database import Database

# A handset that got it is right, whatever was said before. "Expired" may be our own word.
OUT_OF_FINAL = {
    (Status.UNDELIVERED, Cause.DELIVERED): Status.DELIVERED,
    (Status.EXPIRED, Cause.DELIVERED): Status.DELIVERED,
    (Status.EXPIRED, Cause.UNDELIVERED): Status.UNDELIVERED,
    (Status.EXPIRED, Cause.READ): Status.READ,
    (Status.DELIVERED, Cause.READ): Status.READ,
    # By an earlier channel than the one that failed, or was cancelled.
    (Status.UNDELIVERED, Cause.READ): Status.READ,
    (Status.FAILED, Cause.DELIVERED): Status.DELIVERED,
    (Status.FAILED, Cause.READ): Status.READ,
    (Status.CANCELED, Cause.DELIVERED): Status.DELIVERED,
    (Status.CANCELED, Cause.READ): Status.READ,
}
STATES = st.sampled_from(ReceiptState)
ARRIVED = (ReceiptState.DELIVERED, ReceiptState.READ)


def test_final_is_final_but_for_what_the_handset_shows() -> None:
    """Only what the carrier or the handset says at last leaves a final status."""
    leaving = {key: after for key, after in TRANSITIONS.items() if key[0] in FINAL}
    assert leaving == OUT_OF_FINAL


@given(st.lists(st.sampled_from(Cause), max_size=12), st.sampled_from(Status))
def test_no_history_leaves_a_final_status_again(causes: list[Cause], status: Status) -> None:
    """However causes follow each other, a message that was final stays final."""
    for cause in causes:
        after = advance(status, cause)
        if status in FINAL:
            assert after is None or OUT_OF_FINAL[status, cause] is after
        status = after or status


@pytest.mark.parametrize("status", sorted(set(Status) - FINAL))
def test_every_open_status_can_end(status: Status) -> None:
    """From each status that is not final some history leads to a final one."""
    reached = {status}
    while new := {TRANSITIONS[key] for key in TRANSITIONS if key[0] in reached} - reached:
        reached |= new
    assert reached & FINAL


def test_each_status_that_is_told_has_its_event() -> None:
    """Every status that a change leads to, but for the untold, is the number of an event."""
    assert {int(status) for status in set(TRANSITIONS.values()) - UNTOLD} <= set(TYPES)
    assert {int(status) for status in SHOWN_AS.values()} <= set(TYPES)


def test_a_message_with_steps_fails_only_after_its_last() -> None:
    """Where a message would fail it goes on instead; in all else the tables agree."""
    for key, after in TRANSITIONS.items():
        stepped = STEPPED[key]
        if stepped is not after:
            assert stepped is Status.FALLING_BACK
            assert after in {Status.FAILED, Status.UNDELIVERED, Status.EXPIRED}
            assert key[1] in {Cause.REFUSED, Cause.UNDELIVERED, Cause.EXPIRED_AT_CARRIER}
        elif key[0] not in FINAL and after in FINAL:
            assert key[1] not in {Cause.REFUSED, Cause.UNDELIVERED, Cause.EXPIRED_AT_CARRIER}


async def test_sql_agrees_with_advance(database: Database) -> None:
    """PostgreSQL looks up the same next status as `advance`, for every status and cause."""
    pairs = list(product(Status, Cause))
    rows = await database.fetch(
        f"SELECT {sql_next('p.status', 'p.cause')} AS next,"
        f" {sql_next('p.status', 'p.cause', 'NULL')} AS last,"
        f" {sql_next('p.status', 'p.cause', '1')} AS stepped"
        " FROM unnest($1::smallint[], $2::smallint[]) WITH ORDINALITY AS p(status, cause, n)"
        " ORDER BY p.n",
        [int(status) for status, _ in pairs],
        [int(cause) for _, cause in pairs],
    )
    plain = [int(advance(*pair) or 0) for pair in pairs]
    assert [row["next"] for row in rows] == [row["last"] for row in rows] == plain
    stepped = [int(advance(*pair, has_steps=True) or 0) for pair in pairs]
    assert [row["stepped"] for row in rows] == stepped


async def test_sql_agrees_with_later_receipt(database: Database) -> None:
    """PostgreSQL takes a receipt for news when `later_receipt` does."""
    pairs = list(product(ReceiptState, ReceiptState))
    rows = await database.fetch(
        f"SELECT {sql_overrules('p.now', 'p.later')} AS news"
        " FROM unnest($1::smallint[], $2::smallint[]) WITH ORDINALITY AS p(now, later, n)"
        " ORDER BY p.n",
        [int(now) for now, _ in pairs],
        [int(then) for _, then in pairs],
    )
    assert [row["news"] for row in rows] == [
        later_receipt(now, then) is not now for now, then in pairs
    ]


@given(STATES, STATES)
def test_a_repeated_receipt_changes_nothing(now: ReceiptState, then: ReceiptState) -> None:
    """The second of two equal receipts leaves the state as the first one made it."""
    after = later_receipt(now, then)
    assert later_receipt(after, then) is after


@given(STATES, st.lists(STATES))
def test_a_final_receipt_only_gives_way_to_an_arrival(
    now: ReceiptState, others: list[ReceiptState]
) -> None:
    """A part that was final stays as it was unless it arrived after all; what arrived stays so."""
    after = now
    for then in others:
        after = later_receipt(after, then)
    if now in RECEIPT_FINAL:
        assert after is now or after in ARRIVED
    if now in ARRIVED:
        assert after in ARRIVED


@given(st.lists(STATES, min_size=1))
def test_an_arrival_counts_wherever_it_comes(receipts: list[ReceiptState]) -> None:
    """A part with a receipt of its arrival has arrived, before or after any other receipt."""
    state = ReceiptState.NONE
    for receipt in receipts:
        state = later_receipt(state, receipt)
    assert (state in ARRIVED) is any(receipt in ARRIVED for receipt in receipts)
    assert (state in RECEIPT_FINAL) is any(receipt in RECEIPT_FINAL for receipt in receipts)


@pytest.mark.parametrize(
    ("tries", "state"),
    [
        ([(True, ReceiptState.NONE)], ReceiptState.NONE),
        ([(True, ReceiptState.ENROUTE)], ReceiptState.NONE),
        ([(True, ReceiptState.UNDELIVERABLE)], ReceiptState.UNDELIVERABLE),
        ([(False, ReceiptState.NONE), (True, ReceiptState.DELIVERED)], ReceiptState.DELIVERED),
        ([(False, ReceiptState.DELIVERED), (True, ReceiptState.NONE)], ReceiptState.DELIVERED),
        ([(False, ReceiptState.EXPIRED), (True, ReceiptState.NONE)], ReceiptState.NONE),
        ([(False, ReceiptState.NONE), (True, ReceiptState.EXPIRED)], ReceiptState.EXPIRED),
        ([(True, ReceiptState.DELIVERED), (True, ReceiptState.READ)], ReceiptState.READ),
    ],
)
def test_a_part_is_the_best_of_its_tries(
    tries: list[tuple[bool, ReceiptState]], state: ReceiptState
) -> None:
    """A part arrived when one try did, and failed when no accepted try is open."""
    assert part_state(tries) is state


@pytest.mark.parametrize(
    ("parts", "total", "cause"),
    [
        ([ReceiptState.DELIVERED] * 3, 3, Cause.DELIVERED),
        ([ReceiptState.DELIVERED] * 2, 3, None),
        ([ReceiptState.DELIVERED, ReceiptState.NONE], 2, None),
        ([ReceiptState.UNDELIVERABLE, ReceiptState.NONE], 2, None),
        ([ReceiptState.UNDELIVERABLE, ReceiptState.DELIVERED], 2, Cause.UNDELIVERED),
        ([ReceiptState.EXPIRED, ReceiptState.DELIVERED], 2, Cause.UNDELIVERED),
        ([ReceiptState.EXPIRED, ReceiptState.EXPIRED], 2, Cause.EXPIRED_AT_CARRIER),
        ([ReceiptState.EXPIRED, ReceiptState.REJECTED], 2, Cause.UNDELIVERED),
        ([ReceiptState.READ, ReceiptState.READ], 2, Cause.READ),
        ([ReceiptState.READ, ReceiptState.DELIVERED], 2, Cause.DELIVERED),
    ],
)
def test_a_message_is_the_sum_of_its_parts(
    parts: list[ReceiptState], total: int, cause: Cause | None
) -> None:
    """Delivered when all parts are, failed when none is open and one failed, else not known."""
    assert roll_up(parts, total)[0] is cause


@given(st.lists(STATES, min_size=1, max_size=6), st.integers(1, 6))
def test_a_message_ends_only_with_its_last_part(parts: list[ReceiptState], total: int) -> None:
    """No cause follows while a part is open; arrivals alone make a delivery."""
    cause, shown = roll_up(parts, total)
    open_parts = len(parts) < total or any(state not in RECEIPT_FINAL for state in parts)
    assert (cause is None) is open_parts
    if cause is not None:
        assert cause is RECEIPT_CAUSES[shown]
        all_arrived = all(state in ARRIVED for state in parts)
        assert (cause in (Cause.DELIVERED, Cause.READ)) is all_arrived
