"""A message centre that nobody pays for: takes every message, delivers none, and tells of its fate.

Without faults it is a perfect SMSC. Destinations of the number table play their scenarios; every
other one is delivered. One heap holds all that is yet to happen, so waiting messages cost no task.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import partial

from onesixty.kit.clock import Clock
from onesixty.simulator.agenda import Agenda
from onesixty.simulator.answers import Answers, Fields
from onesixty.simulator.fates import TABLE_DIGITS, Fates, e164
from onesixty.simulator.faults import Faults
from onesixty.simulator.inbound import PartOrder, address, inbound_pdus
from onesixty.simulator.mailbox import Mailbox
from onesixty.simulator.numbers import (
    DEFAULT,
    Answer,
    FirstAttempts,
    ReceiptStep,
    Scenario,
    scenario_for,
)
from onesixty.simulator.receipts import Receipts
from onesixty.simulator.statistics import Statistics
from onesixty.simulator.store import Message, MessageIds, Store, message_of
from onesixty.simulator.submissions import Record, read_fragment, text_of
from onesixty.smpp.pdus import Command, Destination, FieldValue, Pdu, Unsuccess
from onesixty.smpp.server import Server, ServerLink
from onesixty.smpp.states import Timers
from onesixty.smpp.statuses import Status
from onesixty.sms.segments import Concatenation

PERFECT = Faults()
_DESTINATION = ("dest_addr_ton", "dest_addr_npi", "destination_addr")
_FIRST_VERSION_WITH_LONG_IDS = 0x34
_ADDRESS_CHARACTERS_MOST = 20  # data_sm carries up to 64, but a deliver_sm could not bring it back
_SUBMIT_SM, _DATA_SM = int(Command.SUBMIT_SM), int(Command.DATA_SM)


@dataclass(slots=True, eq=False)
class _Account:
    """What all links of one system_id share."""

    name: str
    mailbox: Mailbox
    second_began: float = float("-inf")
    submits_in_second: int = 0

    def is_beyond(self, per_second: int, now: float) -> bool:
        """Count one submit; whether it is more than the account may send in this second."""
        if now - self.second_began >= 1.0:
            self.second_began, self.submits_in_second = now, 0
        self.submits_in_second += 1
        return self.submits_in_second > per_second


@dataclass(slots=True, eq=False)
class _Peer:
    """What is known of one link."""

    account: _Account
    submits: int = 0
    broken: bool = False


class Smsc:
    """The simulated SMSC. `accounts` maps system_id to password; None takes everybody.

    `window`: receipts and messages to each link that may be unanswered; a client that has twice as
    many submits open is not read until answers went out. `record` keeps every accepted submit.
    """

    def __init__(
        self,
        faults: Faults = PERFECT,
        *,
        clock: Clock,
        chance: random.Random,
        accounts: Mapping[str, str] | None = None,
        window: int = 100,
        record: bool = False,
    ) -> None:
        self.port = 0
        """Where it listens, once it was started."""
        self.statistics = Statistics()
        self.record = Record() if record else None
        self._clock, self._chance, self._passwords = clock, chance, accounts
        self._server = Server(clock=clock, events=self, timers=Timers(), window=window)
        self._agenda = Agenda(clock)
        self._fates = Fates(clock, chance, self._agenda, self.statistics)
        self._ids = MessageIds(clock.now(), chance)
        self._store = Store()
        self._attempts = FirstAttempts()
        self._accounts: dict[str, _Account] = {}
        self._peers: dict[ServerLink, _Peer] = {}
        self._last_bound = ""
        self.faults = faults

    @property
    def faults(self) -> Faults:
        """What goes wrong; new faults hold from the next PDU on, on all links."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        """Take new faults; counters such as those of `every:n` begin anew."""
        self._faults = faults
        self._refuses = faults.refuse.draws(self._chance)
        self._answers = Answers(faults, self._agenda, self._chance, self.statistics)
        self._fates.receipts = Receipts(faults, self._chance)
        for link in self._server.links:
            link.session.answers_enquire_link = not faults.ignore_enquire_link

    async def start(self, host: str = "127.0.0.1", port: int = 2775) -> int:
        """Listen; the port, which the system chooses where 0 is given."""
        self.port = await self._server.start(host, port)
        return self.port

    async def stop(self) -> None:
        """Unbind every link, close, and forget what was yet to happen."""
        await self._agenda.stop()
        await self._server.stop()

    def break_links(self) -> None:
        """Lose every connection at once, without a word. New ones are taken as before."""
        for link in list(self._server.links):
            link.abort()

    def receive_from(
        self,
        source: str,
        destination: str,
        text: str,
        *,
        account: str | None = None,
        long: Concatenation = Concatenation.UDH8,
        order: PartOrder = PartOrder.IN_ORDER,
    ) -> None:
        """A handset sends a message to an account (None: the one that bound last).

        It waits until the account is bound to receive. LookupError when nobody ever bound.
        """
        if account is None and not self._last_bound:
            raise LookupError("nobody has bound yet, so an account must be named")
        self._fates.bring(
            self._account(account or self._last_bound).mailbox,
            inbound_pdus(
                address(source),
                address(destination),
                text,
                long=long,
                order=order,
                chance=self._chance,
            ),
        )

    # -- what the server asks

    async def on_bind(self, link: ServerLink, pdu: Pdu) -> int:
        """Called by the server: may this client bind?"""
        if wait := self._faults.bind_delay_seconds.draw(self._chance):
            await self._clock.sleep(wait)
        status = self._faults.bind_status or self._credentials(pdu)
        if status:
            self.statistics.binds_refused += 1
            return status
        self.statistics.binds += 1
        link.session.answers_enquire_link = not self._faults.ignore_enquire_link
        account = self._account(link.system_id)
        self._last_bound = link.system_id
        self._peers[link] = _Peer(account)
        account.mailbox.links.append(link)
        # The bind is answered in the turn of the loop after this one returned.
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, account.mailbox.release)
        if self._faults.unbind_after_seconds:
            unbind = partial(link.retire, 0.0, "the simulator unbinds")
            self._agenda.after(self._faults.unbind_after_seconds, unbind)
        return 0

    def on_unbound(self, link: ServerLink) -> None:
        """Called by the server: this bind is over."""
        self._peers.pop(link).account.mailbox.links.remove(link)

    def on_requests(self, link: ServerLink, pdus: list[Pdu]) -> None:
        """Called by the server: the requests of one read."""
        peer = self._peers[link]
        for pdu in pdus:
            if peer.broken:
                return
            command = pdu.command
            if command in (_SUBMIT_SM, _DATA_SM):
                self._submit(peer, link, pdu)
            elif command == Command.SUBMIT_MULTI:
                self._submit_multi(peer, link, pdu)
            elif command == Command.QUERY_SM:
                link.respond(pdu, *self._store.query(link.system_id, pdu))
            elif command == Command.CANCEL_SM:
                link.respond(pdu, self._store.cancel(link.system_id, pdu, self._fates.cancel))
            else:
                link.respond(pdu, self._store.replace(link.system_id, pdu))

    # -- binds

    def _credentials(self, pdu: Pdu) -> int:
        if self._passwords is None:
            return Status.ROK
        right = self._passwords.get(pdu.text("system_id")) == pdu.text("password")
        return Status.ROK if right else Status.RBINDFAIL

    def _account(self, name: str) -> _Account:
        account = self._accounts.get(name)
        if account is None:
            account = _Account(name, Mailbox(self._agenda, self.statistics))
            self._accounts[name] = account
        return account

    # -- submits

    def _submit(self, peer: _Peer, link: ServerLink, pdu: Pdu) -> None:
        scenario = _scenario(pdu)
        status = self._verdict(peer.account, pdu, scenario)
        if status:
            self._answer(peer, link, pdu, status, None)
            return
        message = self._accept(peer.account, link, pdu, self._take_ids(link))
        steps = self._steps(scenario, pdu)
        overtaking = scenario is DEFAULT and self._fates.receipts.overtakes()
        if overtaking:
            for step in steps:
                self._fates.tell(message, step)
            link.flush()  # an answer given now would still leave before the receipts
        if scenario.answer is Answer.DROP:
            self._answers.withhold(link, pdu)
            wait: float | None = None
        else:
            wait = self._answer(peer, link, pdu, 0, {"message_id": message.message_id})
        if not overtaking:
            self._fates.schedule(message, steps, wait or 0.0)

    def _submit_multi(self, peer: _Peer, link: ServerLink, pdu: Pdu) -> None:
        """One answer and one id for all destinations; each plays its own scenario after it."""
        ids = self._take_ids(link)
        accepted: list[tuple[Message, tuple[ReceiptStep, ...]]] = []
        singles, failed = _split(pdu)
        for single in singles:
            scenario = _scenario(single)
            status = self._verdict(peer.account, single, scenario)
            if status:
                ton, npi = single.number("dest_addr_ton"), single.number("dest_addr_npi")
                failed.append(Unsuccess(ton, npi, single.text("destination_addr"), status))
            else:
                message = self._accept(peer.account, link, single, ids)
                accepted.append((message, self._steps(scenario, single)))
        if not accepted:
            self._answer(peer, link, pdu, failed[0].status, None)
            return
        fields: dict[str, FieldValue] = {"message_id": ids[0], "unsuccess_sme": failed}
        wait = self._answer(peer, link, pdu, 0, fields)
        for message, steps in accepted:
            self._fates.schedule(message, steps, wait or 0.0)

    def _verdict(self, account: _Account, pdu: Pdu, scenario: Scenario) -> int:
        """The command_status of the answer: 0 when the message is taken."""
        statistics = self.statistics
        statistics.submits += 1
        status = self._objection(account, pdu, scenario)
        if status:
            statistics.refused += 1
            statistics.throttled += status == Status.RTHROTTLED
        else:
            statistics.accepted += 1
        return status

    def _objection(self, account: _Account, pdu: Pdu, scenario: Scenario) -> int:
        destination, limit = pdu.text("destination_addr"), self._faults.throttle_above_per_second
        if not 0 < len(destination) <= _ADDRESS_CHARACTERS_MOST:
            return Status.RINVDSTADR
        if len(pdu.text("source_addr")) > _ADDRESS_CHARACTERS_MOST:
            return Status.RINVSRCADR
        if limit and account.is_beyond(limit, self._clock.monotonic()):
            return Status.RTHROTTLED
        if self._refuses and self._refuses():
            return self._faults.refuse_status
        if scenario.answer is Answer.REFUSE:
            return scenario.status
        if scenario.answer is Answer.THROTTLE:
            text, now = read_fragment(pdu).octets, self._clock.monotonic()
            if self._attempts.throttles(scenario, destination, text, now):
                return scenario.status
        return 0

    def _accept(
        self, account: _Account, link: ServerLink, pdu: Pdu, ids: tuple[str, str]
    ) -> Message:
        message = message_of(pdu, account.mailbox, link, ids, self._clock.now())
        self._store.add(message)
        if self.record is not None:
            self.record.add(message.message_id, account.name, pdu)
        if message.destination[2].startswith(TABLE_DIGITS):
            self._fates.reach_handset(message, pdu)
        return message

    def _answer(
        self, peer: _Peer, link: ServerLink, pdu: Pdu, status: int, fields: Fields | None
    ) -> float | None:
        """Answer as the faults want; how many seconds later that happens, None for never."""
        peer.submits += 1
        if peer.submits == self._faults.drop_link_after:
            peer.broken = True
            self._answers.break_link(link, pdu, status, fields)
            return None
        return self._answers.give(link, pdu, status, fields)

    def _steps(self, scenario: Scenario, pdu: Pdu) -> tuple[ReceiptStep, ...]:
        part = 1 if scenario is DEFAULT else read_fragment(pdu).sequence
        return self._fates.receipts.steps(scenario, part)

    def _take_ids(self, link: ServerLink) -> tuple[str, str]:
        if link.version < _FIRST_VERSION_WITH_LONG_IDS:
            return self._ids.take_short()
        return self._ids.take(self._faults.id_form)


def _scenario(pdu: Pdu) -> Scenario:
    destination = pdu.text("destination_addr")
    if not destination.startswith(TABLE_DIGITS):
        return DEFAULT
    return scenario_for(e164(destination), text_of(read_fragment(pdu)))


def _split(pdu: Pdu) -> tuple[list[Pdu], list[Unsuccess]]:
    """A submit_multi as one submit_sm for each number; no distribution list exists here."""
    shared = {name: value for name, value in pdu.fields.items() if name != "dest_address"}
    singles: list[Pdu] = []
    failed: list[Unsuccess] = []
    destinations = pdu.fields["dest_address"]
    assert isinstance(destinations, list)
    for each in destinations:
        if isinstance(each, Destination):
            fields = {**shared, **dict(zip(_DESTINATION, astuple(each), strict=True))}
            singles.append(Pdu(Command.SUBMIT_SM, fields=fields, tlvs=pdu.tlvs))
        else:
            failed.append(Unsuccess(0, 0, each.name, Status.RINVDLNAME))
    return singles, failed
