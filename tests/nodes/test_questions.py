"""Questions between processes: who answers, and who is known to be silent."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from onesixty.kit.clock import SystemClock
from onesixty.nodes import questions
from onesixty.nodes.bell import Bell
from onesixty.nodes.node import Node
from onesixty.nodes.questions import Questions
from onesixty.storage.database import Database


class Process:
    """A process that answers with its name and what it was asked."""

    def __init__(self, url: str, database: Database, node: Node, name: str) -> None:
        self.name, self.node, self.bell = name, node, Bell(url, SystemClock())
        self.questions = Questions(database, node, self.bell, SystemClock())
        self.questions.answer = self._answer

    async def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        return {"name": self.name, "asked": question["what"]}


@pytest.fixture
async def processes(url: str, database: Database) -> AsyncIterator[list[Process]]:
    """Two processes that hear each other and know of each other."""
    nodes = [await Node.register(url, name) for name in ("one", "two")]
    found = [
        Process(url, database, node, name) for node, name in zip(nodes, ("one", "two"), strict=True)
    ]
    for process in found:
        await process.node.look()
        await process.bell.run_once()
        process.bell.loop.start()
    yield found
    for process in found:
        await process.questions.loop.stop()
        await process.bell.stop()
        await process.node.leave()


async def test_every_process_answers(processes: list[Process], database: Database) -> None:
    """One asks, both answer, each for itself; nothing of it stays in the database."""
    one, two = processes
    two.questions.loop.start()
    answers = await one.questions.ask({"what": "time"})
    assert answers.told == {
        one.node.number: {"name": "one", "asked": "time"},
        two.node.number: {"name": "two", "asked": "time"},
    }
    assert answers.silent == ()
    assert await database.fetch("SELECT FROM questions") == []


async def test_who_is_silent_is_known(
    processes: list[Process], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that does not answer in time is named, and its answer later goes nowhere."""
    monkeypatch.setattr(questions, "WAIT_SECONDS", 0.05)
    one, two = processes
    answers = await one.questions.ask({"what": "time"})
    assert (list(answers.told), answers.silent) == ([one.node.number], (two.node.number,))
    await two.questions.run_once()
    assert await database.fetch("SELECT FROM questions") == []


async def test_alone_nobody_is_asked(url: str, database: Database) -> None:
    """A single process answers itself without the database."""
    node = await Node.register(url, "one")
    process = Process(url, database, node, "one")
    async with asyncio.timeout(1):
        answers = await process.questions.ask({"what": "time"})
    assert answers.told == {node.number: {"name": "one", "asked": "time"}}
    await node.leave()
