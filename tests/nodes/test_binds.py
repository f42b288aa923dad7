"""Sessions of customers over several processes, in the database."""

import asyncio

from on_file import OnFile
from onesixty.nodes import binds
from onesixty.nodes.node import Node
from onesixty.records import esmes
from onesixty.storage.database import Database


async def test_claims_at_once_have_their_turns(database: Database, on_file: OnFile) -> None:
    """Of many processes that ask for the last place at once one gets it; the dead do not count."""
    account = await on_file.account()
    async with database.write() as tx:
        esme = await esmes.create(tx, account, "acme", "hash", {})
    nodes = [await Node.register(database.url, f"node {number}") for number in range(4)]
    living = [node.number for node in nodes[:3]]

    async def claim(node: int, most: int) -> bool:
        async with database.write() as tx:
            return await binds.claim(tx, esme, node, 1, living, most)

    assert await claim(nodes[3].number, 9)  # it is dead by now
    for most in (1, 2, 3):
        got = await asyncio.gather(*(claim(number, most) for number in living))
        assert sum(got) == most, "who has a place may claim it again"
    assert await binds.count(database, living[0], living) == {esme: 2}
    for node in nodes:
        await node.leave()


async def test_what_is_told_is_heard(database: Database, on_file: OnFile) -> None:
    """Others hear the state of an ESME until it is no longer present, and count its sessions."""
    account = await on_file.account()
    async with database.write() as tx:
        esme = await esmes.create(tx, account, "acme", "hash", {})
    one, other = [await Node.register(database.url, f"node {number}") for number in range(2)]
    living = [one.number, other.number]
    state = {"sessions": [{"peer": "a"}, {"peer": "b"}], "last_refusal": None}
    await binds.tell(database, one.number, [esme], {esme: state})
    assert await binds.hear(database, [esme], other.number, living) == [(esme, state)]
    assert await binds.hear(database, [esme], one.number, living) == []
    assert await binds.count(database, other.number, living) == {esme: 2}
    await binds.tell(database, one.number, [], {})
    assert await binds.count(database, other.number, living) == {}
    for node in (one, other):
        await node.leave()


def test_states_are_merged() -> None:
    """The sessions of all, and the refusal that was last."""
    early, late = {"at": "2026-01-01"}, {"at": "2026-01-02"}
    states: list[binds.State] = [
        {"sessions": [1], "last_refusal": late},
        {"sessions": [2, 3], "last_refusal": early},
        {"sessions": [], "last_refusal": None},
    ]
    assert binds.merge(states) == {"sessions": [1, 2, 3], "last_refusal": late}
    assert binds.merge([]) == {"sessions": [], "last_refusal": None}
