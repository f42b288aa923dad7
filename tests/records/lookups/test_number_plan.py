"""The own number plan: what a file says, what it changes, and that an export says it again."""

import pytest

from onesixty.kit.manual_clock import ManualClock
from onesixty.kit.problems import Problem
from onesixty.records.lookups import number_plan
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.sms.networks import Network
from onesixty.storage.database import Database

RED, BLUE = Network("23410", "Red"), Network("26201", "Blue, large")


def test_files_are_read_as_people_write_them() -> None:
    """Any order of columns, spaces, a +, codes that lost their zero, no names, a mark in front."""
    text = '\ufeffMNC, MCC ,Prefix,Name\n10,234,+44 7700,Red\n\n1,262,49151,"Blue, large"\n'
    assert number_plan.read(text) == {"447700": RED, "49151": BLUE}
    assert number_plan.read("prefix,mcc,mnc\n1,310,260\n") == {"1": Network("310260")}


@pytest.mark.parametrize(
    "line",
    [",234,10", "44,2,10", "44,134,10", "44,234,1000", "44,234,1x", "4" * 16 + ",234,10",
     f"44,234,10,{'n' * 101}", "44,234,10,a\tb"],
)  # fmt: skip
def test_lines_that_are_wrong(line: str) -> None:
    """The line is named."""
    with pytest.raises(Problem) as caught:
        number_plan.read(f"prefix,mcc,mnc,name\n33,208,10,Fine\n{line}\n")
    assert [one.pointer for one in caught.value.errors] == ["/3"]


def test_differences() -> None:
    """A file replaces all, or with `partial` only what it names."""
    old = {"1": RED, "2": RED, "3": RED}
    new = {"4": BLUE, "2": BLUE, "1": RED}
    diff = number_plan.compare(old, new, partial=False)
    assert (diff.added, diff.changed, diff.removed, diff.same) == (
        {"4": BLUE}, {"2": (RED, BLUE)}, {"3": RED}, 1,
    )  # fmt: skip
    assert number_plan.compare(old, new, partial=True).removed == {}


async def test_an_import_is_in_memory_at_the_next_look(
    database: Database, clock: ManualClock
) -> None:
    """Written, read, exported the same; an unchanged plan is taken over as it is."""
    keeper = await SnapshotKeeper.start(database, clock)
    rows = {"49151": BLUE, "447700": RED}
    async with database.write() as tx:
        await number_plan.lock(tx)
        await number_plan.apply(tx, number_plan.compare({}, rows, partial=False))
    await keeper.refresh()
    plan = keeper.book.lookups.plan
    assert plan.find("+447700900123") == ("447700", RED)
    async with database.write() as tx:
        assert number_plan.read(number_plan.write(await number_plan.rows_of(tx))) == rows
        changes = number_plan.compare(rows, {"49151": RED}, partial=False)
        await tx.execute("UPDATE accounts SET name = name")  # another record
    await keeper.refresh()
    assert keeper.book.lookups.plan is plan
    async with database.write() as tx:
        await number_plan.apply(tx, changes)
        assert (await number_plan.state(tx))["rows"] == 1
    await keeper.refresh()
    assert keeper.book.lookups.plan.find("+447700900123") is None
    assert keeper.book.lookups.plan.find("+4915112345678") == ("49151", RED)
