"""How many sessions each ESME has over all processes, and which part of its rate is for this one.

Alone, a process counts for itself and tells nobody. With others it tells its sessions every few
seconds, and asks the database before it admits one more.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from onesixty.entrypoints.smpp.sessions import Sessions
from onesixty.kit.clock import Clock
from onesixty.kit.loops import Loop
from onesixty.messages.dispatch.rates import Bucket
from onesixty.nodes import binds
from onesixty.nodes.node import Node
from onesixty.records.esmes import EsmeRecord
from onesixty.storage.database import Database

IDLE_SECONDS: Final = 2.0


@dataclass(slots=True)
class _Pace:
    """The bucket of an ESME, and the record that it was filled by; None: look again."""

    esme: EsmeRecord | None
    bucket: Bucket | None


class Headcount:
    """Counts sessions and keeps the token buckets of their ESMEs."""

    def __init__(self, database: Database, clock: Clock, node: Node, sessions: Sessions) -> None:
        self._database, self._node, self._sessions = database, node, sessions
        self._elsewhere: dict[int, int] = {}
        self._told: dict[int, dict[str, Any]] = {}
        self._paces: dict[int, _Pace] = {}
        self._claiming = asyncio.Lock()
        self.loop = Loop("esmes", self.run_once, clock, idle_seconds=IDLE_SECONDS)

    def changed(self) -> None:
        """A session came or went, or its settings changed."""
        for pace in self._paces.values():
            pace.esme = None
        if not self._node.alone():
            self.loop.wake()

    @contextlib.asynccontextmanager
    async def claiming(self, esme: EsmeRecord) -> AsyncIterator[bool]:
        """Whether one more session of an ESME may be bound; add it before the block ends."""
        async with self._claiming:
            yield await self._has_room(esme)

    async def _has_room(self, esme: EsmeRecord) -> bool:
        here, most = len(self._sessions.of(esme.id)) + 1, esme.settings.max_binds
        if here > most or self._node.alone():
            return here <= most
        async with self._database.write() as tx:
            living = self._node.roll.all
            return await binds.claim(tx, esme.id, self._node.number, here, living, most)

    def bucket(self, esme: EsmeRecord, now: float) -> Bucket | None:
        """The bucket of an ESME's rate at a monotonic time; None when it has none.

        Its rate is shared between processes as its sessions are.
        """
        pace = self._paces.get(esme.id)
        if pace is None:
            pace = self._paces[esme.id] = _Pace(None, None)
        if pace.esme is not esme:
            pace.esme, pace.bucket = esme, self._filled(esme, pace.bucket, now)
        return pace.bucket

    def _filled(self, esme: EsmeRecord, bucket: Bucket | None, now: float) -> Bucket | None:
        rate = esme.settings.rate_per_second
        if rate is None:
            return None
        here = max(1, len(self._sessions.of(esme.id)))
        share = here / (here + self._elsewhere.get(esme.id, 0))
        burst = max(1.0, (esme.settings.burst or rate) * share)
        if bucket is None:
            return Bucket(rate * share, now, burst)
        bucket.change(rate * share)
        bucket.widen(burst)
        return bucket

    async def run_once(self) -> bool:
        """Tell the other processes what has changed here, and count what they have."""
        if self._node.alone():
            self._told, self._elsewhere = {}, {}
            return False
        number, living = self._node.number, self._node.roll.all
        async with self._claiming:  # a claim that is under way counts more than is here yet
            present = self._sessions.shown()
            changed = {one: state for one, state in present.items() if state != self._told.get(one)}
            if changed or self._told.keys() - present.keys():
                await binds.tell(self._database, number, list(present), changed)
            self._told = present
        elsewhere = await binds.count(self._database, number, living)
        if elsewhere != self._elsewhere:
            self._elsewhere = elsewhere
            for pace in self._paces.values():
                pace.esme = None
        return False

    async def states(self, esme_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """The state of each of these ESMEs over all processes: `sessions` and `last_refusal`."""
        here = self._sessions.shown()
        found: dict[int, list[binds.State]] = {
            one: [here[one]] if one in here else [] for one in esme_ids
        }
        if not self._node.alone() and esme_ids:
            number, living = self._node.number, self._node.roll.all
            for esme_id, state in await binds.hear(self._database, esme_ids, number, living):
                found[esme_id].append(state)
        return {one: binds.merge(states) for one, states in found.items()}
