"""Who may bind: the checks of a bind in their order, and patience with those who guess.

Wrong names and wrong passwords get the same answer after the same second. Who guesses wrong a few
times for a name, from an address, waits a minute; the same name from elsewhere does not suffer.
"""

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from onesixty.entrypoints.smpp.sessions import MODE_NAMES
from onesixty.kit.clock import Clock
from onesixty.kit.secrets import password_fits, token_bytes
from onesixty.messages.dispatch.rates import Bucket
from onesixty.records.esmes import EsmeRecord
from onesixty.records.snapshot import Snapshot
from onesixty.smpp.pdus import Pdu
from onesixty.smpp.server import ServerLink
from onesixty.smpp.statuses import Status

REFUSAL_SECONDS: Final = 1.0  # from the bind to its refusal, whatever the reason
GUESSES_MOST: Final = 5  # wrong passwords in a row for a name from an address
BAN_SECONDS: Final = 60.0
BINDS_PER_SECOND: Final = 50.0  # of an address
BINDS_AT_ONCE: Final = 2000  # of an address after a pause: whoever lost all sessions comes back
REMEMBERED_MOST: Final = 10_000  # passwords, guesses, addresses
HASHES_AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """The command_status of a bind_resp, 0 to accept, and why, for the operator."""

    status: int
    reason: str = ""


ACCEPTED: Final = Verdict(Status.ROK)


@dataclass(slots=True)
class _Guesses:
    count: int = 0
    banned_until: float = 0.0


class Admission:
    """Decides about binds."""

    def __init__(
        self,
        clock: Clock,
        book: Callable[[], Snapshot],
    ) -> None:
        self._clock, self._book, self.refusal_seconds = clock, book, REFUSAL_SECONDS
        self._key = token_bytes(32)  # digests of passwords are of no use outside this process
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._guesses: OrderedDict[tuple[str, str], _Guesses] = OrderedDict()
        self._paces: OrderedDict[str, Bucket] = OrderedDict()
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)

    async def check(self, link: ServerLink, pdu: Pdu) -> tuple[Verdict, EsmeRecord | None]:
        """Whether this client is one of ours; the count of its binds is for the caller to check.

        A refusal takes its time.
        """
        began = self._clock.monotonic()
        verdict, esme = await self._examine(link, pdu)
        if verdict.status:
            passed = self._clock.monotonic() - began
            await self._clock.sleep(max(0.0, self.refusal_seconds - passed))
        return verdict, esme

    async def _examine(self, link: ServerLink, pdu: Pdu) -> tuple[Verdict, EsmeRecord | None]:
        host, name = link.host, pdu.text("system_id")
        if not self._keeps_pace(host):
            return Verdict(Status.RTHROTTLED, "too many binds from this address"), None
        esme = self._book().esme_names.get(name)
        guesses = self._guesses.get((name, host))
        if guesses is not None and guesses.banned_until > self._clock.monotonic():
            return Verdict(Status.RBINDFAIL, "wrong too often, banned for a minute"), esme
        if esme is None:
            self._wrong(name, host)
            return Verdict(Status.RBINDFAIL, "no such system_id"), None
        if not esme.enabled:
            return Verdict(Status.RBINDFAIL, "it is disabled"), esme
        if not esme.admits(host):
            return Verdict(Status.RBINDFAIL, "not from this address"), esme
        if not await self._is_right(esme, pdu.text("password")):
            self._wrong(name, host)
            return Verdict(Status.RBINDFAIL, "wrong password"), esme
        self._guesses.pop((name, host), None)
        mode = MODE_NAMES[link.mode]
        if mode not in esme.settings.bind_modes:
            return Verdict(Status.RBINDFAIL, f"it may not bind as {mode}"), esme
        return ACCEPTED, esme

    async def _is_right(self, esme: EsmeRecord, password: str) -> bool:
        """Compare with the slow hash, once; then a quick digest is known to be right."""
        text = f"{esme.password_hash}\0{password}".encode()
        digest = hmac.digest(self._key, text, "sha256")
        if digest not in self._known:
            async with self._hashing:
                if not await asyncio.to_thread(password_fits, password, esme.password_hash):
                    return False
            self._known[digest] = None
            _forget_oldest(self._known)
        self._known.move_to_end(digest)
        return True

    def _wrong(self, name: str, host: str) -> None:
        guesses = self._guesses.setdefault((name, host), _Guesses())
        guesses.count += 1
        if guesses.count >= GUESSES_MOST:
            guesses.count = 0
            guesses.banned_until = self._clock.monotonic() + BAN_SECONDS
        self._guesses.move_to_end((name, host))
        _forget_oldest(self._guesses)

    def _keeps_pace(self, host: str) -> bool:
        now = self._clock.monotonic()
        bucket = self._paces.get(host)
        if bucket is None:
            bucket = self._paces[host] = Bucket(BINDS_PER_SECOND, now, BINDS_AT_ONCE)
            _forget_oldest(self._paces)
        if not bucket.available(now):
            return False
        bucket.take(1)
        return True


def _forget_oldest(known: OrderedDict[Any, Any]) -> None:
    if len(known) > REMEMBERED_MOST:
        known.popitem(last=False)
