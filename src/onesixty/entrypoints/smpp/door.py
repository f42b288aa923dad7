"""The door itself: lets customers bind, takes what they submit, and ends their sessions in order.

The PDUs of one read are decided one after the other and stored with whatever else is gathered; an
answer is written when its message is committed, in any order. No task for a submit.
"""

import asyncio
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from onesixty.entrypoints.smpp import message_ids, statuses, submits
from onesixty.entrypoints.smpp.admission import Admission, Verdict
from onesixty.entrypoints.smpp.headcount import Headcount
from onesixty.entrypoints.smpp.requests import Answer, Requests
from onesixty.entrypoints.smpp.sessions import MODE_NAMES, EsmeSession, Sessions
from onesixty.entrypoints.smpp.submits import Objection
from onesixty.entrypoints.smpp.taps import Taps
from onesixty.kit import metrics
from onesixty.kit.clock import Clock
from onesixty.kit.problems import Problem
from onesixty.messages.accept import Acceptor
from onesixty.messages.types import Caller, Message, Refusal
from onesixty.records.esmes import EsmeRecord
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.smpp.pdus import Command, Pdu, command_name
from onesixty.smpp.server import BindMode, Server, ServerLink
from onesixty.smpp.statuses import Status, name_of
from onesixty.storage.database import OUTAGES

CHANGED_SECONDS: Final = 5.0  # open answers have that long when an ESME is disabled or changed
_SINGLE: Final = frozenset({Command.SUBMIT_SM, Command.DATA_SM})
_SUBMITS: Final = _SINGLE | {Command.SUBMIT_MULTI}
_TAKEN: Final[dict[int, Any]] = {
    command: metrics.esme_requests.labels(command_name(command), "ESME_ROK") for command in _SINGLE
}
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Parts:
    """What the door needs of the platform, wired by `app.py`."""

    keeper: SnapshotKeeper
    clock: Clock
    acceptor: Acceptor
    requests: Requests
    headcount: Headcount
    admission: Admission


class Door:
    """All customers of this process; the events of its servers come here."""

    def __init__(self, parts: Parts, sessions: Sessions) -> None:
        self.sessions = sessions
        self.taps = Taps(sessions)
        self.servers: dict[str, Server] = {}
        """By the name of the port: `smpp`, and `smpp_tls` where there is a certificate."""
        self.headcount, self.admission = parts.headcount, parts.admission
        self._keeper, self._clock = parts.keeper, parts.clock
        self._acceptor, self._requests = parts.acceptor, parts.requests
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_draining = False
        parts.keeper.on_change(self._follow_records)

    def serve(self, port: str, server: Server) -> None:
        """Be the owner of one more server, which is started by itself."""
        server.on_turned_away = self._turned_away
        self.servers[port] = server

    def stopping(self) -> None:
        """From now on take no connections, no binds, and no messages: clients come back later."""
        self._is_draining = True
        for server in self.servers.values():
            server.close()

    async def stop(self, drain_seconds: float) -> None:
        """Give the answers that are open, unbind every session, close."""
        self.stopping()
        await asyncio.gather(*(server.stop(drain_seconds) for server in self.servers.values()))
        for task in self._tasks:
            task.cancel()

    # -- what servers ask and tell

    async def on_bind(self, link: ServerLink, pdu: Pdu) -> int:
        """Called by a server: may this client bind?"""
        if self._is_draining:
            return Status.RSYSERR
        verdict, esme = await self.admission.check(link, pdu)
        if esme is not None and not verdict.status:
            try:
                verdict = await self._admit(link, esme)
            except OUTAGES as error:
                verdict = Verdict(Status.RSYSERR, f"the database does not answer: {error!r}")
        if verdict.status:
            self._refused(link, verdict, esme)
        return verdict.status

    def on_unbound(self, link: ServerLink) -> None:
        """Called by a server: a bind is over."""
        session = self.sessions.remove(link)
        if session is not None:
            self.taps.ended(session.esme.id, link)
            self.headcount.changed()
            metrics.esme_binds.labels(MODE_NAMES[link.mode]).dec()
            _log.info(
                "esme.unbound", system_id=session.esme.system_id, peer=link.peer,
                reason=link.reason or "it unbound", submits=session.submits,
                accepted=session.accepted, deliveries=session.deliveries,
            )  # fmt: skip

    def on_requests(self, link: ServerLink, pdus: list[Pdu]) -> None:
        """Called by a server: the requests of one read."""
        session: EsmeSession = link.owner
        began = self._clock.monotonic()
        queries: list[Pdu] = []
        waits_longest = True  # only the first is timed
        for pdu in pdus:
            if status := self._gate(session, pdu, began):
                self._answer(session, pdu, status)
            elif pdu.command in _SINGLE and not pdu.fields.get("replace_if_present_flag"):
                self._submit(session, pdu, began if waits_longest else None)
                waits_longest = False
            elif pdu.command == Command.QUERY_SM:
                queries.append(pdu)
            else:
                self._begin(self._attend(session, [pdu], self._one(session, pdu)))
        if queries:
            work = self._requests.query(session, queries)
            self._begin(self._attend(session, queries, work))

    # -- binds

    async def _admit(self, link: ServerLink, esme: EsmeRecord) -> Verdict:
        """Count the bind; from here to the end nothing waits, so no other comes between."""
        async with self.headcount.claiming(esme) as has_room:
            if not has_room:
                return Verdict(Status.RALYBND, f"it has its {esme.settings.max_binds} binds")
            if self._keeper.book.esmes.get(esme.id) != esme:
                return Verdict(Status.RSYSERR, "it was changed in this very moment")
            caller = Caller(esme.account_id, False, frozenset(), esme.public_id)
            session = EsmeSession(link, esme, self._clock.now(), link.tls, caller)
            link.owner = session
            link.session.grant(esme.settings.window)
            self.sessions.add(session)
        self.headcount.changed()
        metrics.esme_binds.labels(MODE_NAMES[link.mode]).inc()
        _log.info(
            "esme.bound", system_id=esme.system_id, peer=link.peer, mode=MODE_NAMES[link.mode],
            version=hex(link.version), tls=link.tls,
        )  # fmt: skip
        return Verdict(Status.ROK)

    def _refused(self, link: ServerLink, verdict: Verdict, esme: EsmeRecord | None) -> None:
        metrics.esme_binds_refused.labels(name_of(verdict.status)).inc()
        _log.warning(
            "esme.refused", system_id=link.system_id, peer=link.peer, mode=MODE_NAMES[link.mode],
            status=name_of(verdict.status), reason=verdict.reason,
        )  # fmt: skip
        if esme is not None:
            self.taps.ended(esme.id, link)
            self.sessions.refused(esme.id, link.peer, verdict.reason, self._clock.now())

    def _turned_away(self, host: str) -> None:
        metrics.esme_binds_refused.labels("too many connections").inc()
        _log.debug("esme.turned_away", peer=host)

    def _follow_records(self) -> None:
        """Let settings hold for sessions that are bound; end those that may be no longer."""
        for session in list(self.sessions.by_link.values()):
            was, now = session.esme, self._keeper.book.esmes.get(session.esme.id)
            if was is now:
                continue
            why = _ended_by(session, now)
            if why or now is None:
                session.link.retire(CHANGED_SECONDS, why)
            elif was != now:
                session.esme = now
                session.link.session.grant(now.settings.window)
                self.headcount.changed()

    # -- requests

    def _gate(self, session: EsmeSession, pdu: Pdu, now: float) -> int:
        """0 when the request may come in; it then counts against the rate of its ESME."""
        if self._is_draining or not session.link.usable:
            return Status.RMSGQFUL if session.link.session.bound else 0
        bucket = self.headcount.bucket(session.esme, now)
        if bucket is None:
            return 0
        if not bucket.available(now):
            return Status.RTHROTTLED
        destinations = pdu.fields.get("dest_address")
        bucket.take(len(destinations) if isinstance(destinations, list) else 1)
        return 0

    def _submit(self, session: EsmeSession, pdu: Pdu, began: float | None) -> None:
        session.submits += 1
        try:
            status = self._take(session, pdu, began)
        except Problem as problem:
            status = statuses.of_problem(problem.code)
        except Exception as error:  # noqa: BLE001 - the outermost handler of this door
            status = self._failed(pdu, error)
        if status:
            self._answer(session, pdu, status)

    def _take(self, session: EsmeSession, pdu: Pdu, began: float | None) -> int:
        """Have a message stored; the command_status when it is refused now, 0 when it is not."""
        request = submits.read(pdu, session.esme, self._clock.now())
        if isinstance(request, Objection):
            return request.status
        if session.link.version < message_ids.FIRST_VERSION_WITH_LONG:
            self._requests.name(session, request)
        if request.origin and request.origin["registered"] and session.link.can_receive:
            request.origin["peer"] = session.link.peer  # where its receipt is best told
        begun = self._acceptor.begin(request, session.caller)
        if isinstance(begun, Refusal):
            metrics.refused.labels(begun.code).inc()
            return statuses.of_problem(begun.code)
        begun.add_done_callback(partial(self._stored, session, pdu, began))
        return 0

    def _stored(
        self, session: EsmeSession, pdu: Pdu, began: float | None, done: "asyncio.Future[Any]"
    ) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            self._answer(session, pdu, self._failed(pdu, error))
            return
        message: Message | Refusal = done.result()[0]
        if isinstance(message, Refusal):  # its price could not be held
            metrics.refused.labels(message.code).inc()
            self._answer(session, pdu, statuses.of_problem(message.code))
            return
        session.accepted += 1
        shown = message_ids.shown(message.id, session.esme.settings.id_form, message.origin)
        session.link.accept(pdu, shown)
        _TAKEN[pdu.command].inc()
        if began is not None:
            metrics.esme_seconds.observe(self._clock.monotonic() - began)

    async def _attend(
        self, session: EsmeSession, pdus: list[Pdu], work: Awaitable[list[Answer]]
    ) -> None:
        """Answer requests that take more than being stored."""
        try:
            answers = await work
        except Problem as problem:
            answers = [(statuses.of_problem(problem.code), None)] * len(pdus)
        except Exception as error:  # noqa: BLE001 - the outermost handler of this door
            answers = [(self._failed(pdus[0], error), None)] * len(pdus)
        for pdu, answer in zip(pdus, answers, strict=True):
            self._answer(session, pdu, *answer)

    async def _one(self, session: EsmeSession, pdu: Pdu) -> list[Answer]:
        serve = {
            Command.CANCEL_SM: self._requests.cancel,
            Command.REPLACE_SM: self._requests.replace,
            Command.SUBMIT_MULTI: self._requests.multi,
        }.get(Command(pdu.command), self._requests.submit_instead)
        session.submits += pdu.command in _SUBMITS
        return [await serve(session, pdu)]

    def _answer(self, session: EsmeSession, pdu: Pdu, status: int, fields: Any = None) -> None:
        session.link.respond(pdu, status, fields)
        metrics.esme_requests.labels(command_name(pdu.command), name_of(status)).inc()

    def _failed(self, pdu: Pdu, error: BaseException) -> int:
        """The answer to an exception: an outage of the database, or a bug, which is logged."""
        if isinstance(error, OUTAGES):
            _log.warning("esme.database_unavailable", error=repr(error))
        else:
            _log.error("esme.failed", command=command_name(pdu.command), exc_info=error)
        return Status.RSYSERR

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _ended_by(session: EsmeSession, now: EsmeRecord | None) -> str:
    """Why a change of the records ends a session; empty when it goes on."""
    if now is None:
        return "its ESME was removed"
    if not now.enabled:
        return "its ESME was disabled"
    if now.password_hash != session.esme.password_hash:
        return "its password was changed"
    if not now.admits(session.link.host):
        return "its address is no longer allowed"
    mode = BindMode(session.link.mode)
    return "" if MODE_NAMES[mode] in now.settings.bind_modes else "its bind mode is not allowed"
