"""How carriers stand, told between processes."""

from onesixty.nodes import standing
from onesixty.nodes.node import Node
from onesixty.storage.database import Database


async def test_it_is_told_and_heard(url: str, database: Database) -> None:
    """What one process told last, another hears, as long as the first one lives."""
    one = await Node.register(url, "one")
    await standing.tell(database, one.number, {7: {"status": "down"}, 8: {"status": "up"}})
    await standing.tell(database, one.number, {7: {"status": "up"}})
    assert await standing.hear(database, [one.number]) == {7: [{"status": "up"}]}
    assert await standing.hear(database, []) == {}
    await one.leave()
    assert await standing.hear(database, [one.number]) == {}


def test_the_best_word_counts() -> None:
    """A carrier is up when any process can send by it; binds are all shown, counts are summed."""
    down = {"status": "down", "detail": "no route", "binds": [1], "waiting_in_memory": 2}
    up = {"status": "up", "binds": [2], "waiting_in_memory": 3, "throttled": True}
    merged = standing.merge([{**down, "throttled": False}, up])
    assert (merged["status"], merged["binds"], merged["waiting_in_memory"]) == ("up", [1, 2], 5)
    assert (merged["throttled"], "detail" in merged) == (True, False)


def test_one_word_stands_as_it_is() -> None:
    """A carrier that one process has is shown as that says."""
    assert standing.merge([{"status": "odd", "window": 5}]) == {"status": "odd", "window": 5}
