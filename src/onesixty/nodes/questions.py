"""Questions to every process: each answers for itself, and who is silent is known.

For what only the process that holds something can tell, and nobody asks often. Questions and
answers are rows; NOTIFY only wakes.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from onesixty.kit import ids
from onesixty.kit.clock import Clock
from onesixty.kit.loops import Loop
from onesixty.nodes import bell
from onesixty.nodes.bell import Bell
from onesixty.nodes.node import Node
from onesixty.storage.database import Database

WAIT_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.25
_IDLE_SECONDS: Final = 30.0

_ASK: Final = """
INSERT INTO questions (id, node_id, asked) SELECT $1, node, $3::jsonb FROM unnest($2::int[]) node
"""
_OPEN: Final = "SELECT id, asked FROM questions WHERE node_id = $1 AND answer IS NULL"
_ANSWER: Final = "UPDATE questions SET answer = $3::jsonb WHERE id = $1 AND node_id = $2"
_COUNT: Final = "SELECT count(*) FROM questions WHERE id = $1 AND answer IS NULL"
# What a process that died left behind goes too: answers may hold what people wrote.
_TAKE: Final = """
DELETE FROM questions WHERE id = $1 OR at < now() - interval '1 minute'
RETURNING id, node_id, answer
"""

Answerer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Answers:
    """What the processes said, by their numbers, and which of them said nothing in time."""

    told: dict[int, dict[str, Any]]
    silent: tuple[int, ...] = ()


class Questions:
    """This process asks the others, and answers them."""

    def __init__(self, database: Database, node: Node, ring: Bell, clock: Clock) -> None:
        self._database, self._node, self._ring, self._clock = database, node, ring, clock
        self.answer: Answerer = _nothing
        """What this process says to a question; set by who wires it."""
        self._stirred = asyncio.Event()
        self.loop = Loop("questions", self.run_once, clock, idle_seconds=_IDLE_SECONDS)
        ring.on(bell.QUESTIONS, self._heard)

    async def ask(self, question: dict[str, Any]) -> Answers:
        """The answers of all processes. Raises one of OUTAGES when there are others."""
        own, number = await self.answer(question), self._node.number
        others = [one for one in self._node.roll.all if one != number]
        if not others:
            return Answers({number: own})
        asked = ids.uuid7()
        await self._database.fetch(_ASK, asked, others, question)
        self._ring.ring(bell.QUESTIONS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                await self._all_answered(asked)
        rows = await self._database.fetch(_TAKE, asked)
        told = {
            row["node_id"]: row["answer"]
            for row in rows
            if row["id"] == asked and row["answer"] is not None
        }
        return Answers({number: own, **told}, _missing(others, told))

    async def run_once(self) -> bool:
        """Answer what others asked; always False, for the loop: nothing more to do now."""
        rows = await self._database.fetch(_OPEN, self._node.number)
        for row in rows:
            answer = await self.answer(row["asked"])
            await self._database.fetch(_ANSWER, row["id"], self._node.number, answer)
        if rows:
            self._ring.ring(bell.QUESTIONS)
        return False

    def _heard(self, _: str) -> None:
        self._stirred.set()
        self.loop.wake()

    async def _all_answered(self, asked: UUID) -> None:
        while True:
            self._stirred.clear()
            (row,) = await self._database.fetch(_COUNT, asked)
            if not row["count"]:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._stirred.wait()


async def nobody(question: dict[str, Any]) -> Answers:
    """What is answered where no process is."""
    return Answers({})


async def _nothing(question: dict[str, Any]) -> dict[str, Any]:
    return {}


def _missing(others: Sequence[int], told: dict[int, dict[str, Any]]) -> tuple[int, ...]:
    return tuple(one for one in others if one not in told)
