"""A carrier over SMPP: one or more binds to one SMSC, windowed, receipts on any of them."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import structlog

from onesixty.carriers.contract import (
    CarrierConfig,
    CarrierEvents,
    CarrierSpec,
    ErrorClass,
    Outcome,
    OutcomeKind,
    PartAnswer,
    Question,
    Report,
    Submission,
)
from onesixty.carriers.smpp.binds import binds, timers
from onesixty.carriers.smpp.pdus import PduBuilder
from onesixty.carriers.smpp.receipts import rereader
from onesixty.carriers.smpp.rules import status_rules
from onesixty.carriers.smpp.settings import FIELDS
from onesixty.kit.http import is_public
from onesixty.smpp.client import Answer, AnswerKind, Client, Outbinds
from onesixty.smpp.codec import EncodeError
from onesixty.smpp.link import Link
from onesixty.smpp.pdus import Pdu, Tag
from onesixty.smpp.statuses import Status, StatusClass, StatusRule, name_of, remark_on, rule_for
from onesixty.smpp.trace.capture import Wiretap
from onesixty.sms.segments import SegmentationError

_log = structlog.get_logger()
NOT_BOUND_RETRY_SECONDS: Final = 1.0
_RECIPIENT: Final = frozenset({Status.RINVDSTADR, Status.RINVDSTTON, Status.RINVDSTNPI})
_CONTENT: Final = frozenset(
    {Status.RINVMSGLEN, Status.RINVSRCADR, Status.RINVEXPIRY, Status.RINVSCHED}
)


class SmppCarrier:
    """Turns submissions into submit_sm and answers into outcomes."""

    def __init__(self, config: CarrierConfig) -> None:
        """Raises ValueError when a setting has no place in a bind PDU."""
        self._config, self._clock, s = config, config.clock, config.settings
        self._pdus = PduBuilder(config.id, s, config.chance)
        self._events: CarrierEvents | None = None
        self._was_up = False
        self._statuses = status_rules(s)
        # Others' carriers reach nothing inside the network that this runs in, and open no port.
        self._permits = is_public if config.public_only else None
        if config.is_guest and s["outbind_port"]:
            raise ValueError("outbind_port: only carriers of the account at the top open a port")
        try:
            self._client = Client(
                binds(s, self._permits),
                window=s["window"],
                timers=timers(s),
                clock=config.clock,
                chance=config.chance,
                events=self,
            )
        except EncodeError as error:
            raise ValueError(str(error)) from error
        self._client.statuses = self._statuses
        self._outbinds = Outbinds(self._client, binds(s, self._permits)[0])

    async def start(self, events: CarrierEvents) -> None:
        """Begin to bind."""
        self._events = events
        await self._client.start()
        if port := self._config.settings["outbind_port"]:
            try:
                await self._outbinds.listen(port)
            except OSError as error:  # what we bind ourselves goes on without
                _log.error("carrier.no_outbinds", carrier=self._config.name, error=str(error))

    async def stop(self, drain_seconds: float) -> None:
        """Finish the window, unbind, close."""
        self._outbinds.close()
        await self._client.stop(drain_seconds)

    async def resize(self, sessions: int, drain_seconds: float) -> None:
        """Add or end binds; those that end finish their window first, within that time."""
        wanted = binds({**self._config.settings, "binds": sessions}, self._permits)
        await self._client.resize(wanted, drain_seconds)

    def is_up(self) -> bool:
        """Whether a bind takes submits."""
        return self._client.bound_for_submit

    def room(self) -> int:
        """Free window slots of all binds."""
        return max(0, self._client.room())

    def submit(self, batch: Sequence[Submission], report: Report) -> None:
        """Hand every part to the client; it writes once for all of them."""
        now = self._clock.now()
        for one in batch:
            try:
                self._send(one, report, now)
            except (EncodeError, SegmentationError) as error:
                report(_not_encodable(one, now, str(error)))

    async def probe(self) -> bool:
        """Whether the SMSC answers an enquire_link."""
        return await self._client.probe()

    def wiretaps(self) -> list[Wiretap]:
        """What went over each bind lately."""
        return self._client.wiretaps()

    def _send(self, one: Submission, report: Report, now: datetime) -> None:
        pdus = self._pdus.submits(one, now)
        if pdus:
            flight = _Flight(one, list(pdus), self, report, now)
            self._client.submit(list(pdus.values()), flight.on_answer)
        else:  # the carrier has every part already
            report(Outcome(one, OutcomeKind.ACCEPTED, now, now))

    def ask(self, questions: Sequence[Question]) -> None:
        """Ask by query_sm, one request for each part."""
        for one in questions:
            # One call each: a refusal of one must not keep back the others.
            self._client.submit([self._pdus.query(one)], partial(self._told, one))

    def _told(self, question: Question, _: int, answer: Answer) -> None:
        if answer.pdu is None or answer.status or self._events is None:
            return
        self._events.on_receipts([self._pdus.told(question, answer.pdu, self._clock.now())])

    def state(self) -> dict[str, Any]:
        """Every bind, and whether any is up."""
        lines = self._client.state()
        return {
            "status": "up" if self.is_up() else "down",
            "window": self._config.settings["window"],
            "binds": [
                {
                    "host": f"{line.host}:{line.port}",
                    "mode": line.mode.name.lower(),
                    "phase": line.phase,
                    "smsc": line.smsc_id,
                    "version": line.version or None,
                    "in_flight": line.in_flight,
                    "waiting": line.waiting,
                    "detail": line.detail,
                    "refusal": name_of(line.refusal) if line.refusal else None,
                }
                for line in lines
            ],
        }

    def on_deliver(self, link: Link, pdus: list[Pdu]) -> None:
        """Sort what the SMSC brings into receipts and messages; each is answered once stored."""
        assert self._events is not None
        now = self._clock.now()
        receipts, inbounds = [], []
        for pdu in pdus:
            if self._pdus.is_receipt(pdu):
                receipts.append(self._pdus.receipt(pdu, now, link.respond))
            else:
                inbounds.append(self._pdus.inbound(pdu, now, link.respond))
        if receipts:
            self._events.on_receipts(receipts)
        if inbounds:
            self._events.on_inbound(inbounds)

    def on_change(self) -> None:
        """One log line for each change of the whole carrier."""
        up = self.is_up()
        if up != self._was_up:
            self._was_up = up
            details = [line.detail for line in self._client.state() if line.detail]
            _log.info(
                "carrier.up" if up else "carrier.down",
                carrier=self._config.name,
                detail=details[:1],
            )
        if self._events:
            self._events.on_room()

    def on_room(self) -> None:
        """Pass on."""
        if self._events:
            self._events.on_room()

    def outcome(self, flight: "_Flight", now: datetime) -> Outcome:
        """What the answers to all parts of one submission come to."""
        one, answers = flight.submission, flight.answers
        total = one.parts_accepted + len(answers)
        parts = [
            self._part(number, total, answer)
            for number, answer in zip(flight.numbers, answers, strict=True)
            if answer
        ]
        outcome = Outcome(one, OutcomeKind.ACCEPTED, flight.at, now, parts, total)
        if any(part.kind is OutcomeKind.UNKNOWN for part in parts):
            outcome.kind, outcome.error_code, outcome.error_class = (
                OutcomeKind.UNKNOWN,
                "no_answer",
                ErrorClass.CARRIER,
            )
            outcome.detail = "the carrier never answered; it may have been sent"
            outcome.lost = any(answer.lost for answer in answers if answer)
        elif refused := next(
            (a for a in answers if a and a.kind is AnswerKind.ANSWERED and a.status), None
        ):
            _refused(outcome, refused, self._rule(refused))
        elif any(a and a.kind is AnswerKind.NOT_SENT for a in answers):
            outcome.kind, outcome.error_code, outcome.error_class = (
                OutcomeKind.DEFERRED,
                "not_connected",
                ErrorClass.CARRIER,
            )
            outcome.detail, outcome.retry_after_seconds = (
                "the carrier is not connected",
                NOT_BOUND_RETRY_SECONDS,
            )
            outcome.counts_as_attempt = False
        outcome.parts = [part for part in parts if part.code != _NEVER_LEFT]
        return outcome

    def _part(self, number: int, total: int, answer: Answer) -> PartAnswer:
        if answer.kind is AnswerKind.UNANSWERED:
            return PartAnswer(number, OutcomeKind.UNKNOWN)
        if answer.kind is AnswerKind.NOT_SENT:
            return PartAnswer(number, OutcomeKind.DEFERRED, code=_NEVER_LEFT)
        if answer.status == 0:
            key = ""
            if answer.message_id:
                key = self._pdus.key(answer.message_id, is_last=number == total)
            return PartAnswer(number, OutcomeKind.ACCEPTED, answer.message_id, key)
        kind = _KINDS[self._rule(answer).status_class]
        return PartAnswer(number, kind, code=name_of(answer.status))

    def _rule(self, answer: Answer) -> StatusRule:
        reason = answer.pdu.tlv_integer(Tag.DELIVERY_FAILURE_REASON) if answer.pdu else None
        return rule_for(answer.status, overrides=self._statuses, delivery_failure_reason=reason)


_NEVER_LEFT: Final = "not_sent"
_KINDS: Final = {
    StatusClass.OK: OutcomeKind.ACCEPTED,
    StatusClass.PERMANENT: OutcomeKind.REFUSED,
    StatusClass.CONFIG: OutcomeKind.REFUSED,
    StatusClass.THROTTLE: OutcomeKind.DEFERRED,
    StatusClass.TRANSIENT: OutcomeKind.DEFERRED,
    StatusClass.SESSION: OutcomeKind.DEFERRED,
}


class _Flight:
    """One submission in the air: collects the answers to its parts."""

    __slots__ = (
        "_carrier", "_left", "_report", "_unknown", "answers", "at", "numbers", "submission",
    )  # fmt: skip

    def __init__(
        self,
        submission: Submission,
        numbers: list[int],
        carrier: SmppCarrier,
        report: Report,
        at: datetime,
    ) -> None:
        self.submission, self.at = submission, at
        self.numbers = numbers  # of the parts that are in the air
        self.answers: list[Answer | None] = [None] * len(numbers)
        self._carrier, self._report, self._left = carrier, report, len(numbers)
        self._unknown = False

    def on_answer(self, index: int, answer: Answer) -> None:
        """One part was answered, or is known not to be; the last one makes the outcome."""
        self.answers[index] = answer
        if not answer.late:
            self._left -= 1
        if self._left:
            return
        outcome = self._carrier.outcome(self, self._carrier._clock.now())
        if self._unknown and outcome.kind is OutcomeKind.UNKNOWN:
            return  # a late answer to one part, while others are still in doubt
        outcome.late, self._unknown = self._unknown, outcome.kind is OutcomeKind.UNKNOWN
        self._report(outcome)


def _not_encodable(one: Submission, now: datetime, detail: str) -> Outcome:
    return Outcome(
        one,
        OutcomeKind.REFUSED,
        now,
        now,
        error_code="not_encodable",
        error_class=ErrorClass.CONTENT,
        detail=detail,
    )


def _refused(outcome: Outcome, answer: Answer, rule: StatusRule) -> None:
    """Fill in what a command_status means."""
    status = answer.status
    outcome.code = name_of(status)
    outcome.detail = answer.detail or remark_on(status) or f"the carrier answered {outcome.code}"
    outcome.kind = _KINDS[rule.status_class]
    outcome.error_class = ErrorClass.CARRIER
    if rule.status_class is StatusClass.THROTTLE:
        outcome.error_code, outcome.error_class = "carrier_throttled", ErrorClass.THROTTLE
        outcome.counts_as_attempt, outcome.retry_after_seconds = False, 1.0
    elif status in _RECIPIENT:
        outcome.error_code, outcome.error_class = "recipient_refused", ErrorClass.RECIPIENT
    elif status in _CONTENT:
        outcome.error_code, outcome.error_class = "content_refused", ErrorClass.CONTENT
    elif rule.status_class is StatusClass.CONFIG:
        outcome.error_code, outcome.error_class = "carrier_refused", ErrorClass.CONFIG
    else:
        outcome.error_code = "carrier_refused"
    if rule.max_retries is not None and outcome.submission.tries > rule.max_retries:
        outcome.kind = OutcomeKind.REFUSED


SPEC: Final = CarrierSpec(
    kind="smpp",
    title="SMPP 3.3, 3.4 or 5.0 to a message centre",
    fields=FIELDS,
    build=SmppCarrier,
    receives=("receipts", "inbound"),
    splits=True,
    account=("host", "system_id"),
    sessions="binds",
    rereader=rereader,
)
