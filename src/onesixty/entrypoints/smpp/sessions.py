"""The sessions of customers (ESMEs) bound to this process, and which of them to deliver on.

For those who deliver:

- `Sessions.receiving()` are the numbers of all ESMEs that have a session to receive here.
- `Sessions.on_receiver(callback)` calls back with the number of an ESME whenever such a session was
  bound, after its bind_resp was written.
- `session.settings` are the ESME's settings as they are now; `session.link.version` is the version.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from onesixty.messages.render import timestamp
from onesixty.messages.types import Caller
from onesixty.records.esmes import EsmeRecord, EsmeSettings
from onesixty.smpp.server import BindMode, ServerLink


@dataclass(slots=True, eq=False)
class EsmeSession:
    """One accepted bind, from its acceptance to its end."""

    link: ServerLink
    esme: EsmeRecord  # as it is now
    bound_at: datetime
    tls: bool
    caller: Caller  # as whom its messages are accepted
    submits: int = 0  # requests with a message
    accepted: int = 0
    deliveries: int = 0  # deliver_sm that it took with status 0

    @property
    def settings(self) -> EsmeSettings:
        """The settings of its ESME as they are now."""
        return self.esme.settings

    def shown(self) -> dict[str, Any]:
        """What people see of it."""
        link = self.link
        return {
            "peer": link.peer,
            "mode": MODE_NAMES[link.mode],
            "version": f"{link.version >> 4}.{link.version & 0xF}",
            "tls": self.tls,
            "bound_at": timestamp(self.bound_at),
            "unanswered_submits": link.session.owed,
            "unanswered_deliveries": link.session.in_flight + link.waiting,
            "submits": self.submits,
            "accepted": self.accepted,
            "deliveries": self.deliveries,
        }


MODE_NAMES = {
    BindMode.TRANSMITTER: "transmitter",
    BindMode.RECEIVER: "receiver",
    BindMode.TRANSCEIVER: "transceiver",
}


class Sessions:
    """All sessions of this process, by ESME."""

    def __init__(self) -> None:
        self.by_link: dict[ServerLink, EsmeSession] = {}
        self._by_esme: dict[int, list[EsmeSession]] = {}
        self._on_receiver: list[Callable[[int], None]] = []
        self._refusals: dict[int, dict[str, str | None]] = {}

    def of(self, esme_id: int) -> list[EsmeSession]:
        """The sessions of an ESME here, in the order of their binds."""
        return self._by_esme.get(esme_id, [])

    def shown(self) -> dict[int, dict[str, Any]]:
        """What people see of each ESME that is bound here, or was refused here."""
        return {
            esme_id: {
                "sessions": [session.shown() for session in self.of(esme_id)],
                "last_refusal": self._refusals.get(esme_id),
            }
            for esme_id in self._by_esme.keys() | self._refusals.keys()
        }

    def receiving(self) -> list[int]:
        """The numbers of the ESMEs that have a session here which can receive."""
        return [
            esme_id
            for esme_id, sessions in self._by_esme.items()
            if any(session.link.can_receive for session in sessions)
        ]

    def on_receiver(self, callback: Callable[[int], None]) -> None:
        """Call back with the number of an ESME after a session of it was bound to receive."""
        self._on_receiver.append(callback)

    def add(self, session: EsmeSession) -> None:
        """A bind is being accepted: its answer is written in the turn of the loop after this."""
        self.by_link[session.link] = session
        self._by_esme.setdefault(session.esme.id, []).append(session)
        if session.link.mode is not BindMode.TRANSMITTER:
            loop = asyncio.get_running_loop()
            for callback in self._on_receiver:
                loop.call_soon(loop.call_soon, callback, session.esme.id)

    def remove(self, link: ServerLink) -> EsmeSession | None:
        """A bind is over."""
        session = self.by_link.pop(link, None)
        if session is not None:
            sessions = self._by_esme[session.esme.id]
            sessions.remove(session)
            if not sessions:
                del self._by_esme[session.esme.id]
        return session

    def refused(self, esme_id: int, peer: str, reason: str, now: datetime) -> None:
        """A bind of an ESME on file was refused."""
        self._refusals[esme_id] = {"at": timestamp(now), "peer": peer, "reason": reason}
