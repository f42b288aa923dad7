"""Requests that take more than being stored: query_sm, cancel_sm, replace_sm, submit_multi.

A message of another account is not found; nor is one whose sender is not the source address that
the request gives. An empty source address is let pass: many clients never fill it in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from onesixty.entrypoints.smpp import addresses, message_ids, statuses, submits
from onesixty.entrypoints.smpp.sessions import EsmeSession
from onesixty.entrypoints.smpp.submits import Objection
from onesixty.kit import ids
from onesixty.kit.clock import Clock
from onesixty.messages.accept import Acceptor
from onesixty.messages.dispatch import changes, ends
from onesixty.messages.states import FINAL
from onesixty.messages.types import Message, Refusal, SendRequest
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.smpp.pdus import Destination, FieldValue, Pdu, Unsuccess
from onesixty.smpp.statuses import Status
from onesixty.smpp.times import TimeFieldError, delivery_times, encode_absolute
from onesixty.storage.database import Connection, Database, Rows

Answer = tuple[int, Mapping[str, FieldValue] | None]
_MULTI_TAKES_MOST: Final = timedelta(minutes=1)  # to decide about 255 messages
_OLD: Final = timedelta(days=3650)
_ERROR_MOST: Final = 255


@dataclass(frozen=True, slots=True)
class Requests:
    """Answers them; raises Problem, or one of OUTAGES."""

    database: Database
    keeper: SnapshotKeeper
    clock: Clock
    acceptor: Acceptor
    wake_webhooks: Callable[[], None]
    short_ids: message_ids.ShortIds

    async def query(self, session: EsmeSession, pdus: Sequence[Pdu]) -> list[Answer]:
        """query_sm, all of one read together."""
        form = session.settings.id_form
        wanted = {pdu.text("message_id") for pdu in pdus}
        named = {name: one for name in wanted if (one := message_ids.read(name, form))}
        account = session.esme.account_id
        async with self.database.read() as connection:
            rows = await changes.find(connection, account, list(named.values()))
            by_id = {row["id"]: row for row in rows}
            answers = []
            for pdu in pdus:
                name = pdu.text("message_id")
                row = by_id.get(named.get(name))
                found = [row] if row else await self._named(connection, session, name)
                answers.append(self._state(session, pdu, _owned(session, pdu, found)))
        return answers

    async def cancel(self, session: EsmeSession, pdu: Pdu) -> Answer:
        """cancel_sm: one message, or all that wait between two addresses."""
        account = session.esme.account_id
        async with self.database.write() as tx:
            if name := pdu.text("message_id"):
                rows = await self._found(tx, session, name)
                chosen = [row["id"] for row in _owned(session, pdu, rows)]
            else:
                chosen = await self._between(tx, session, pdu)
            gone, hooked = await ends.cancel(tx, account, chosen, self.clock.now())
        if hooked:
            self.wake_webhooks()
        return (Status.ROK if gone else Status.RCANCELFAIL), None

    async def replace(self, session: EsmeSession, pdu: Pdu) -> Answer:
        """replace_sm: another text for a message that no carrier has yet."""
        account = self.keeper.book.accounts[session.esme.account_id]
        now = self.clock.now()
        async with self.database.write() as tx:
            found = await self._found(tx, session, pdu.text("message_id"))
            owned = _owned(session, pdu, found)
            if len(owned) != 1:
                return Status.RREPLACEFAIL, None
            new = self._replacement(session, pdu, owned[0])
            if isinstance(new, Objection):
                return new.status, None
            done = await changes.replace(tx, account, owned[0], new, now)
        if isinstance(done, Refusal):
            return statuses.of_problem(done.code), None
        return (Status.ROK if done else Status.RREPLACEFAIL), None

    async def multi(self, session: EsmeSession, pdu: Pdu) -> Answer:
        """submit_multi: a message for each destination, with one id for all."""
        common = submits.read_common(pdu, session.esme, self.clock.now())
        if isinstance(common, Objection):
            return common.status, None
        batch_id = ids.uuid7()
        name = self.short_id(session) or message_ids.shown(batch_id, session.settings.id_form)
        requests, failed = _split(common, pdu, session, name)
        taken: list[Message | Refusal] = []
        if requests:
            found = await self.acceptor.accept_batch(
                [request for request, _ in requests], session.caller, batch_id
            )
            assert isinstance(found, list)  # without an Idempotency-Key
            taken = found
        for outcome, (_, to) in zip(taken, requests, strict=True):
            if isinstance(outcome, Refusal):
                failed.append(Unsuccess(*to, statuses.of_problem(outcome.code)))
        accepted = sum(isinstance(outcome, Message) for outcome in taken)
        session.accepted += accepted
        if not accepted:
            return (failed[0].status if failed else Status.RINVNUMDESTS), None
        return Status.ROK, {"message_id": name, "unsuccess_sme": failed}

    async def submit_instead(self, session: EsmeSession, pdu: Pdu) -> Answer:
        """submit_sm with replace_if_present: what waits between the same addresses goes.

        The new message is stored first: at no moment is there none.
        """
        request = submits.read(pdu, session.esme, self.clock.now())
        if isinstance(request, Objection):
            return request.status, None
        self.name(session, request)
        outcome = await self.acceptor.accept(request, session.caller)
        if not isinstance(outcome, Message):
            assert isinstance(outcome, Refusal)
            return statuses.of_problem(outcome.code), None
        session.accepted += 1
        between, service = (outcome.sender or "", outcome.recipient), pdu.text("service_type")
        async with self.database.write() as tx:
            older = await changes.pending(
                tx, outcome.account_id, between, service or None, before=outcome.id
            )
            _, hooked = await ends.cancel(tx, outcome.account_id, older, self.clock.now())
        if hooked:
            self.wake_webhooks()
        shown = message_ids.shown(outcome.id, session.settings.id_form, outcome.origin)
        return Status.ROK, {"message_id": shown}

    def name(self, session: EsmeSession, request: SendRequest) -> None:
        """Give a message the id that a client of SMPP 3.3 can take."""
        if (short := self.short_id(session)) and request.origin is not None:
            request.origin["id"] = short

    def short_id(self, session: EsmeSession) -> str | None:
        """The next id for a client whose version knows only short ones; None for all others."""
        if session.link.version >= message_ids.FIRST_VERSION_WITH_LONG:
            return None
        return self.short_ids.take(self.clock.now())

    async def _found(self, connection: Connection, session: EsmeSession, name: str) -> Rows:
        identifier = message_ids.read(name, session.settings.id_form)
        if identifier is not None:
            rows = await changes.find(connection, session.esme.account_id, [identifier])
            if rows:
                return rows
        return await self._named(connection, session, name)

    async def _named(self, connection: Connection, session: EsmeSession, name: str) -> Rows:
        """Messages that have an id of their own: of a submit_multi, or of SMPP 3.3."""
        identifier = message_ids.read(name, session.settings.id_form)
        if identifier is not None:
            at = ids.time_of(identifier)
            if abs(self.clock.now() - at) > _OLD:  # no id of ours
                return []
            until = at + _MULTI_TAKES_MOST
        else:
            short = message_ids.time_of_short(name, self.clock.now())
            if short is None:
                return []
            at = until = short
        return await changes.find_named(connection, session.esme.account_id, name, at, until)

    async def _between(self, tx: Connection, session: EsmeSession, pdu: Pdu) -> list[Any]:
        country = session.settings.country
        sender = addresses.source(pdu.number("source_addr_ton"), pdu.text("source_addr"), country)
        recipient = addresses.recipient(
            pdu.number("dest_addr_ton"), pdu.text("destination_addr"), country
        )
        account = self.keeper.book.accounts[session.esme.account_id]
        between = (sender or account.default_sender or "", recipient)
        service = pdu.text("service_type") or None
        found: list[Any] = await changes.pending(tx, account.id, between, service)
        return found

    def _state(self, session: EsmeSession, pdu: Pdu, rows: Sequence[Any]) -> Answer:
        if not rows:
            return Status.RQUERYFAIL, None
        # Of several the one that is open, or else went wrong, speaks for all.
        row = min(rows, key=lambda one: (one["status"] in FINAL, one["error_code"] is None))
        final = row["final_at"] if row["status"] in FINAL else None
        code = row["carrier_code"] or ""
        return Status.ROK, {
            "message_id": pdu.text("message_id"),
            "final_date": encode_absolute(final) if final else "",
            "message_state": statuses.message_state(row["status"], session.link.version),
            "error_code": min(int(code), _ERROR_MOST) if code.isdecimal() else 0,
        }

    def _replacement(
        self, session: EsmeSession, pdu: Pdu, row: Any
    ) -> changes.Replacement | Objection:
        """What replace_sm wants: the data_coding of the message stays, as it has none."""
        now, origin = self.clock.now(), dict(row["origin"] or {})
        meaning, coding = session.settings.data_coding_0, origin.get("data_coding", 0)
        text = submits.text_of(pdu.user_data(), coding, meaning)
        if text is None or row["form"]:
            return Objection(Status.RREPLACEFAIL, "only plain text can be replaced")
        try:
            times = delivery_times(
                pdu.text("schedule_delivery_time"), pdu.text("validity_period"), now, lenient=True
            )
        except TimeFieldError as error:
            return Objection(error.status, str(error))
        if origin:
            origin["registered"] = pdu.number("registered_delivery")
        request = SendRequest(to="", body=text)
        return changes.Replacement(request, times.deliver_at, times.expire_at, origin or None)


def _owned(session: EsmeSession, pdu: Pdu, rows: Iterable[Any]) -> list[Any]:
    """Those whose sender is the source address of the request."""
    sender = addresses.source(
        pdu.number("source_addr_ton"), pdu.text("source_addr"), session.settings.country
    )
    return [row for row in rows if sender is None or row["sender"] == sender]


def _split(
    common: SendRequest, pdu: Pdu, session: EsmeSession, name: str
) -> tuple[list[tuple[SendRequest, submits.Addressed]], list[Unsuccess]]:
    """A request for each number of a submit_multi; there are no distribution lists here."""
    requests: list[tuple[SendRequest, submits.Addressed]] = []
    failed: list[Unsuccess] = []
    destinations = pdu.fields["dest_address"]
    assert isinstance(destinations, Sequence)
    for one in destinations:
        if isinstance(one, Destination):
            to = (one.ton, one.npi, one.address)
            mine = replace(common, origin=(common.origin or {}) | {"id": name})
            requests.append((submits.addressed(mine, to, session.esme), to))
        else:
            failed.append(Unsuccess(0, 0, getattr(one, "name", ""), Status.RINVDLNAME))
    return requests, failed
