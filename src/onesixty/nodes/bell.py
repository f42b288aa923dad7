"""NOTIFY between processes: it wakes, and never carries the truth.

Every loop that is woken also looks by itself.
"""

from collections.abc import Callable
from typing import Final

import asyncpg
import structlog

from onesixty.kit.clock import Clock
from onesixty.kit.loops import Loop
from onesixty.storage.database import OUTAGES

RECORDS: Final = "onesixty_records"  # the records on file have changed (rung by their triggers)
QUEUE: Final = "onesixty_queue"  # messages wait for a carrier, whose number is the word
WEBHOOKS: Final = "onesixty_webhooks"  # the outbox has new rows
ESMES: Final = "onesixty_esmes"  # it may have some for customers bound over SMPP
NODES: Final = "onesixty_nodes"  # a process came or went, or let go of sessions
PARKED: Final = "onesixty_parked"  # a receipt came that belongs to no message yet
QUESTIONS: Final = "onesixty_questions"  # a question was asked, or answered
PACE_SECONDS: Final = 0.02  # what is rung meanwhile goes together: NOTIFY takes a lock of its own
_log = structlog.get_logger()


class Bell:
    """Hears and rings the channels on a connection of its own, made again when it is lost."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url, self._clock = url, clock
        self._heard: dict[str, Callable[[str], None]] = {}
        self._rung: set[tuple[str, str]] = set()
        self._connection: asyncpg.Connection | None = None
        self.loop = Loop("bell", self.run_once, clock, idle_seconds=1)

    def on(self, channel: str, heard: Callable[[str], None]) -> None:
        """Call `heard` with every word that another process rings there.

        The empty word means that anything may have been missed.
        """
        self._heard[channel] = heard

    def ring(self, channel: str, word: str = "") -> None:
        """Tell the other processes, soon."""
        self._rung.add((channel, word))
        self.loop.wake()

    async def run_once(self) -> bool:
        """Be connected and tell what is to be told; always False: there is nothing more to do."""
        try:
            connection = await self._connected()
            if self._rung:
                rung, self._rung = sorted(self._rung), set()
                await connection.execute(
                    "SELECT pg_notify(channel, word)"
                    " FROM unnest($1::text[], $2::text[]) AS rung(channel, word)",
                    [channel for channel, _ in rung],
                    [word for _, word in rung],
                )
                await self._clock.sleep(PACE_SECONDS)
        except OUTAGES as error:  # the others look by themselves meanwhile
            _log.debug("bell.silent", error=repr(error))
            await self._close()
        return False

    async def stop(self) -> None:
        """Hear and ring no more."""
        await self.loop.stop()
        await self._close()

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            connection = await asyncpg.connect(
                self._url,
                timeout=5,
                command_timeout=5,
                server_settings={"synchronous_commit": "off", "application_name": "onesixty bell"},
            )
            self._connection = connection
            for channel in self._heard:
                await connection.add_listener(channel, self._on_notify)
            for heard in self._heard.values():
                heard("")
        return self._connection

    def _on_notify(self, connection: object, pid: int, channel: str, word: object) -> None:
        own = self._connection
        if own is None or pid != own.get_server_pid():
            self._heard[channel](str(word))

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            connection.terminate()
