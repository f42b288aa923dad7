"""From outcomes and receipts to standings: through the real rooms and the real table."""

from dataclasses import replace
from datetime import timedelta

import pytest

from messages.scripted import name_of
from messages.walk import Walk
from on_file import OnFile
from onesixty.carriers.contract import (
    ErrorClass,
    Outcome,
    OutcomeKind,
    PartAnswer,
    Receipt,
    ReceiptState,
    Submission,
    ignored,
)
from onesixty.kit import ids
from onesixty.kit.manual_clock import ManualClock
from onesixty.messages.quality import Options, QualityKeeper
from onesixty.messages.quality.counting import country_of
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.storage.database import Database

RECIPIENT = "+447700900123"


class Bench:
    """A keeper with two carriers on file."""

    def __init__(self, quality: QualityKeeper, clock: ManualClock, good: int, bad: int) -> None:
        self.quality, self.clock, self.good, self.bad = quality, clock, good, bad

    def hand_over(self, carrier_id: int, count: int, failed: int = 0) -> None:
        """So many parts are taken; so many more are not, for the carrier's own reasons."""
        outcomes = [
            self._outcome(carrier_id, OutcomeKind.ACCEPTED if n < count else OutcomeKind.DEFERRED)
            for n in range(count + failed)
        ]
        self.quality.counter.outcomes(outcomes)

    def receive(self, carrier_id: int, state: ReceiptState, count: int, seconds: float = 5) -> None:
        """So many receipts come, so long after the submit."""
        at = self.clock.now()
        row = {
            "account_id": 1, "message_id": ids.uuid7(), "carrier_id": carrier_id,
            "receipt_state": ReceiptState.NONE, "answered_at": at,
        }  # fmt: skip
        receipt = Receipt(
            carrier_id, "1", ("1",), state, "", RECIPIENT[1:], "", "", "",
            at + timedelta(seconds=seconds), ignored,
        )  # fmt: skip
        self.quality.counter.receipts([(row, receipt)] * count)

    def _outcome(self, carrier_id: int, kind: OutcomeKind) -> Outcome:
        one = Submission(
            1, ids.uuid7(), carrier_id, 1, 2, "ACME", RECIPIENT, "hi", "gsm7", 1,
            self.clock.now() + timedelta(hours=1), ids.uuid7(),
        )  # fmt: skip
        accepted = kind is OutcomeKind.ACCEPTED
        return Outcome(
            one, kind, self.clock.now(), self.clock.now(), [PartAnswer(1, kind)],
            error_class=None if accepted else ErrorClass.CARRIER,
        )  # fmt: skip


@pytest.fixture
async def bench(database: Database, clock: ManualClock, on_file: OnFile) -> Bench:
    """Two carriers that are real, as far as judging goes."""
    account = await on_file.account("acme")
    good = await on_file.carrier(account, name="good")
    bad = await on_file.carrier(account, name="bad")
    async with database.write() as tx:
        await tx.execute("UPDATE carriers SET kind = 'smpp' WHERE id = ANY($1)", [good, bad])
    records = await SnapshotKeeper.start(database, clock)
    return Bench(QualityKeeper(database, clock, records, Options()), clock, good, bad)


async def names(database: Database) -> list[str]:
    """Events of quality that were told."""
    rows = await database.fetch("SELECT type, data FROM events ORDER BY id")
    return [f"{row['type']} {row['data']['carrier']} {row['data']['country']}" for row in rows]


async def test_the_worse_one_is_degraded_and_comes_back(bench: Bench, database: Database) -> None:
    """Told once by an event, known to the router, and over when it delivers again."""
    bench.hand_over(bench.good, 100)
    bench.hand_over(bench.bad, 100)
    bench.receive(bench.good, ReceiptState.DELIVERED, 97)
    bench.receive(bench.bad, ReceiptState.DELIVERED, 60)
    bench.receive(bench.bad, ReceiptState.UNDELIVERABLE, 40)
    await bench.quality.run_once()
    assert bench.quality.of(bench.bad, "GB") is None, "its receipts may be still to come"
    await bench.clock.advance(180)
    await bench.quality.run_once()
    known = bench.quality.of(bench.bad, "GB")
    assert known is not None
    assert (known.level, known.delivered_rate, known.sample) == ("degraded", 0.6, 100)
    assert known.why == "it delivers 60%, another carrier 97%"
    good = bench.quality.of(bench.good, "GB")
    assert good is not None
    assert (good.level, good.coverage) == ("good", 0.97)
    await bench.clock.advance(900)
    for carrier in (bench.good, bench.bad):
        bench.hand_over(carrier, 100)
        bench.receive(carrier, ReceiptState.DELIVERED, 96)
    await bench.clock.advance(180)
    await bench.quality.run_once()
    back = bench.quality.of(bench.bad, "GB")
    assert back is not None
    assert back.level == "good"
    assert await names(database) == ["43 bad GB", "45 bad GB"]


async def test_instant_receipts_are_suspected_within_500(bench: Bench, database: Database) -> None:
    """All delivered in the moment of the submit: an alarm, and the last place in every route."""
    bench.hand_over(bench.bad, 300)
    bench.receive(bench.bad, ReceiptState.DELIVERED, 300, seconds=0.1)
    await bench.clock.advance(180)
    await bench.quality.run_once()
    known = bench.quality.of(bench.bad, "GB")
    assert known is not None
    assert known.level == "suspect"
    assert await names(database) == ["44 bad GB"]


async def test_two_processes_add_up(bench: Bench, database: Database, clock: ManualClock) -> None:
    """Counts of each reach the other; only one of them judges a moment."""
    records = await SnapshotKeeper.start(database, clock)
    other = QualityKeeper(database, clock, records, Options())
    bench.hand_over(bench.good, 30, failed=10)
    await bench.quality.run_once()
    other.counter = bench.quality.counter
    bench.hand_over(bench.good, 30, failed=10)
    await clock.advance(180)
    await other.run_once()
    await bench.quality.run_once()
    found = bench.quality.of(bench.good, "GB")
    assert found is not None
    assert (found.level, found.sample) == ("degraded", 60)
    assert found.why == "it fails 25% of what it is given"


async def test_counts_are_not_lost_with_the_database(bench: Bench, database: Database) -> None:
    """What could not be written is written with the next."""
    bench.hand_over(bench.good, 60)
    async with database.write() as tx:
        await tx.execute("ALTER TABLE carrier_quality RENAME TO elsewhere")
    with pytest.raises(Exception, match="carrier_quality"):
        await bench.quality.run_once()
    async with database.write() as tx:
        await tx.execute("ALTER TABLE elsewhere RENAME TO carrier_quality")
    await bench.quality.run_once()
    (row,) = await database.fetch("SELECT sum(sent) AS sent FROM carrier_quality")
    assert row["sent"] == 60


async def test_the_walk_is_counted(walk: Walk, clock: ManualClock) -> None:
    """Settled outcomes and applied receipts of the real rooms, also in a country's own form."""
    records = await SnapshotKeeper.start(walk.database, clock)
    quality = QualityKeeper(walk.database, clock, records, Options(sample=1))
    walk.settler.counted = quality.counter.outcomes
    walk.receiver.counted = quality.counter.receipts
    for number, sender in enumerate(("447700900123", "07700900123")):
        await walk.send(to=RECIPIENT)
        one = (await walk.carrier.took(number + 1))[number]
        walk.carrier.accept(one)
        await walk.settled()
        made = walk.carrier.made_receipt(one, ReceiptState.DELIVERED, name_of(one))
        walk.carrier.bring(replace(made, sender=sender))
        await walk.received()
    await quality.run_once()
    (row,) = await walk.database.fetch("SELECT * FROM carrier_quality")
    assert (row["country"], row["sent"], row["delivered"]) == ("GB", 2, 2)


async def test_receipts_before_their_answer_are_counted(walk: Walk, clock: ManualClock) -> None:
    """Once, however often they come: a carrier that is quick to tell is no worse for it."""
    records = await SnapshotKeeper.start(walk.database, clock)
    quality = QualityKeeper(walk.database, clock, records, Options(sample=1))
    walk.settler.counted = quality.counter.outcomes
    walk.receiver.counted = quality.counter.receipts
    walk.reconciler.counted = quality.counter.receipts
    await walk.send(to=RECIPIENT)
    (one,) = await walk.carrier.took(1)
    for _ in range(2):
        made = walk.carrier.made_receipt(one, ReceiptState.DELIVERED, name_of(one))
        walk.carrier.bring(replace(made, sender=RECIPIENT.removeprefix("+")))
        await walk.received()
    walk.carrier.accept(one)
    await walk.settled()
    while await walk.reconciler.run_once():
        pass
    await quality.run_once()
    (row,) = await walk.database.fetch("SELECT * FROM carrier_quality")
    assert (row["country"], row["sent"], row["delivered"]) == ("GB", 1, 1)


@pytest.mark.parametrize(
    ("number", "country"),
    [("+447700900123", "GB"), ("18765551234", "JM"), ("+441481234567", "GG"),
     ("07700900123", "001"), ("", "001"), ("ACME", "001")],
)  # fmt: skip
def test_the_first_digits_tell_the_country(number: str, country: str) -> None:
    """With and without +; what is no international number is of no country."""
    assert country_of(number) == country
