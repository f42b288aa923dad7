"""What receipts teach: guesses that hold, readings that are learnt, counts, the alarm."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onesixty.carriers.contract import OutcomeKind, Receipt, ReceiptState, Submission
from onesixty.messages.receive import Receiver
from onesixty.messages.receive.dates import read_date
from onesixty.messages.receive.find import agrees
from onesixty.messages.receive.learning import (
    KEPT_CHARACTERS,
    KINDS_MOST,
    LEARNT_AFTER,
    UNMATCHED_LEAST,
    recent,
)
from onesixty.messages.types import Message

from .scripted import name_of
from .walk import NUMBER, Walk

DELIVERED = ReceiptState.DELIVERED
HEX = "hex_to_decimal"


async def sent(walk: Walk, to: str = NUMBER) -> tuple[Message, Submission]:
    """A message that its carrier has accepted."""
    before = len(walk.carrier.taken)
    message = await walk.send(to=to)
    one = (await walk.carrier.took(before + 1))[before]
    walk.carrier.accept(one)
    await walk.settled()
    return message, one


def other(walk: Walk, one: Submission, *readings: str, **more: Any) -> Receipt:
    """A receipt whose id is not that of the answer, but for these readings of it."""
    made = walk.carrier.made_receipt(one, DELIVERED, "written otherwise")
    name = name_of(one)
    return replace(made, guesses=lambda: [(how, name) for how in readings], **more)


async def learned(walk: Walk) -> dict[str, Any]:
    """What is kept of the carrier."""
    await walk.receiver.learner.run_once()
    row: dict[str, Any] = await walk.ask(
        "SELECT learned FROM carrier_learning WHERE carrier_id = $1", walk.carrier.number
    )
    return row


async def test_a_guess_whose_addresses_agree(walk: Walk) -> None:
    """An id in another form finds its message, which is stored under the key that it was found by.

    One for another number, or without any, is parked.
    """
    (message, one), (lost, two) = await sent(walk), await sent(walk)
    walk.carrier.bring(
        other(walk, one, HEX, sender="447700900000"),
        other(walk, two, HEX, sender="447700900001"),
        other(walk, two, HEX, sender="", recipient=""),
    )
    await walk.received()
    assert [await walk.status(each) for each in (message, lost)] == ["delivered", "sent"]
    key = await walk.ask("SELECT match_key FROM receipts WHERE message_id = $1", message.id)
    assert key == name_of(one)
    assert await walk.ask("SELECT count(*) FROM receipts WHERE message_id IS NULL") == 2


async def test_guesses_that_contradict_each_other(walk: Walk) -> None:
    """When two readings lead to two messages for the same number, none of them counts."""
    (message, one), (another, two) = await sent(walk), await sent(walk)
    names = [("as_is", name_of(one)), (HEX, name_of(two))]
    made = walk.carrier.made_receipt(one, DELIVERED, "written otherwise")
    walk.carrier.bring(replace(made, guesses=lambda: names))
    await walk.received()
    assert [await walk.status(each) for each in (message, another)] == ["sent", "sent"]


async def test_a_reading_is_learnt(walk: Walk) -> None:
    """After enough receipts in a row one reading comes first, needs no addresses, and is shared."""
    for _ in range(LEARNT_AFTER):
        assert walk.receiver.learner.learnt == {}
        _, one = await sent(walk)
        walk.carrier.bring(other(walk, one, HEX, word="DELIVRD", error="000"))
        await walk.received()
    assert walk.receiver.learner.learnt == {walk.carrier.number: HEX}
    message, one = await sent(walk)
    walk.carrier.bring(other(walk, one, HEX, sender="", recipient="", word="DELIVRD"))
    await walk.received()
    assert await walk.status(message) == "delivered"
    kept = await learned(walk)
    count = LEARNT_AFTER + 1
    assert (kept["id_form"], kept["forms"]) == (HEX, {HEX: count})
    assert (kept["words"], kept["codes"]) == ({"DELIVRD": count}, {"000": LEARNT_AFTER})
    another = Receiver(walk.database, walk.clock, walk.settler.gatherer.caught_up)
    await another.learner.run_once()
    assert another.learner.learnt == walk.receiver.learner.learnt


async def test_what_was_learnt_can_be_unlearnt(walk: Walk) -> None:
    """When as many receipts in a row are found as configured again, that comes first again."""
    learner = walk.receiver.learner
    for reading in (HEX, "configured"):
        for _ in range(LEARNT_AFTER):
            _, one = await sent(walk)
            made = other(walk, one, HEX)
            if reading == "configured":
                made = walk.carrier.made_receipt(one, DELIVERED, name_of(one))
            walk.carrier.bring(made)
            await walk.received()
        await learner.run_once()
        assert learner.learnt == ({walk.carrier.number: HEX} if reading == HEX else {})
    assert (await learned(walk))["id_form"] is None


async def test_the_alarm(walk: Walk) -> None:
    """Too many receipts that match nothing are told once an hour; those matched later are none."""
    _, one = await sent(walk)
    for told in (False, True, True):
        walk.carrier.bring(*(other(walk, one) for _ in range(UNMATCHED_LEAST)))
        await walk.received()
        if not told:
            walk.receiver.learner.rematched({walk.carrier.number: 1})
        kept = await learned(walk)
        assert await walk.ask("SELECT count(*) FROM events WHERE type = 42") == told
    assert recent(kept, walk.clock.now()) == (3 * UNMATCHED_LEAST, 3 * UNMATCHED_LEAST - 1)
    data = await walk.ask("SELECT data FROM events WHERE type = 42")
    assert (data["receipts"], data["unmatched"]) == (2 * UNMATCHED_LEAST, 2 * UNMATCHED_LEAST - 1)
    await walk.clock.advance(3601)
    assert recent(kept, walk.clock.now()) == (0, 0)


async def test_odd_words_do_not_pile_up(walk: Walk) -> None:
    """Of words without end only so many are kept, each cut; the rest is counted together."""
    _, one = await sent(walk)
    made = other(walk, one)
    walk.carrier.bring(*(replace(made, word=f"{n:03}" + "x" * 99) for n in range(KINDS_MOST + 50)))
    await walk.received()
    words = (await learned(walk))["words"]
    assert (len(words), words["other"]) == (KINDS_MOST + 1, 50)
    assert {len(word) for word in words if word != "other"} == {KEPT_CHARACTERS}


async def test_nothing_is_lost_while_the_database_is_away(walk: Walk) -> None:
    """What could not be written is written with the next."""
    _, one = await sent(walk)
    learner = walk.receiver.learner
    walk.carrier.bring(other(walk, one, word="A"))
    await walk.received()
    database, learner._database = learner._database, None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        await learner.run_once()
    learner._database = database
    walk.carrier.bring(other(walk, one, word="A"))
    await walk.received()
    assert (await learned(walk))["words"] == {"A": 2}


async def test_parts_without_an_id_go_the_way_of_the_others(walk: Walk) -> None:
    """Where receipts come for the last part only, its receipt is that of the message."""
    message = await walk.send("x" * 400)
    (one,) = await walk.carrier.took(1)
    walk.carrier.answer(one, OutcomeKind.ACCEPTED, keyless=(1, 2))
    await walk.settled()
    walk.carrier.receipt(one, part=3)
    await walk.received()
    assert await walk.status(message) == "delivered"


@pytest.mark.parametrize(
    ("sender", "recipient", "does"),
    [
        ("447700900000", "", True),
        ("", "+447700900000", True),
        ("07700900000", "", True),
        ("00447700900000", "ACME", True),
        ("447700900001", "ACME", False),
        ("900000", "", False),
        ("", "", False),
    ],
)
def test_addresses_that_agree(sender: str, recipient: str, does: bool) -> None:
    """National, international and swapped forms agree; another number or a few digits do not."""
    made = Receipt(
        1, "", (), DELIVERED, "", sender, recipient, "", "", datetime.now(UTC), lambda stored: None
    )
    assert agrees(made, NUMBER) is does


@pytest.mark.parametrize(
    ("text", "form", "offset"),
    [
        ("2607011400", "YYMMDDhhmm", 120),
        ("260701140010", "YYMMDDhhmmss", 120),
        ("202607011200", "YYYYMMDDhhmm", 0),
        ("20260701173000", "YYYYMMDDhhmmss", 330),
        ("2026-07-01 07:01:00", "YYYY-MM-DD hh:mm:ss", -300),
        ("2606301400", "YYMMDDhhmm", None),
        ("2607011207", "YYMMDDhhmm", None),
    ],
)
def test_dates(text: str, form: str, offset: int | None) -> None:
    """The form of a date is read, and how far its clock is ahead, when it was written just now."""
    read = read_date(text, datetime(2026, 7, 1, 12, 0, 30, tzinfo=UTC))
    assert read is not None
    assert (read.form, read.offset_minutes) == (form, offset)


@pytest.mark.parametrize("text", ["", "yesterday", "2613991400", "1" * 40, "26-07"])
def test_what_is_no_date(text: str) -> None:
    """What cannot be read teaches nothing."""
    assert read_date(text, datetime.now(UTC) + timedelta()) is None
