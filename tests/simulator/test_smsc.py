"""Binding to the simulator, its links, and what it accepts."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from onesixty.kit.chance import Chance
from onesixty.kit.clock import SystemClock
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.faults import Faults, parse_faults
from onesixty.simulator.smsc import Smsc
from onesixty.smpp.client import Answer, AnswerKind, Bind, Client
from onesixty.smpp.link import Link
from onesixty.smpp.pdus import (
    Command,
    Destination,
    DistributionList,
    FieldValue,
    Pdu,
    Tag,
    Tlv,
    Unsuccess,
)
from onesixty.smpp.receipts import parse_receipt
from onesixty.smpp.states import Timers
from onesixty.smpp.statuses import Status

from .conftest import Start
from .esme import RECIPIENT, Esme, submit_sm

Connect = Callable[[int], Awaitable[Esme]]
NOBODY = "15005550117"


@pytest.fixture
async def listening(
    stack: AsyncExitStack, clock: ManualClock, chance: Chance
) -> Callable[..., Awaitable[tuple[Smsc, int]]]:
    """Starts a simulator that nobody is bound to; it and its port."""

    async def one(*words: str, accounts: dict[str, str] | None = None) -> tuple[Smsc, int]:
        smsc = Smsc(parse_faults(words), clock=clock, chance=chance, accounts=accounts)
        stack.push_async_callback(smsc.stop)
        return smsc, await smsc.start(port=0)

    return one


Listening = Callable[..., Awaitable[tuple[Smsc, int]]]


async def test_anybody_may_bind(listening: Listening, connect: Connect) -> None:
    """Without accounts every name and mode is accepted, with the version in the answer."""
    smsc, port = await listening()
    for name, command in (
        ("one", Command.BIND_TRANSMITTER),
        ("two", Command.BIND_RECEIVER),
        ("three", Command.BIND_TRANSCEIVER),
    ):
        answer = await (await connect(port)).bind(command, name=name)
        assert answer.status == 0
        assert answer.tlv(Tag.SC_INTERFACE_VERSION) == b"\x34"
    assert smsc.statistics.binds == 3


async def test_accounts_have_passwords(listening: Listening, connect: Connect) -> None:
    """With accounts a wrong name and a wrong password are refused alike."""
    smsc, port = await listening(accounts={"esme": "secret", "other": "else"})
    statuses = [
        (await (await connect(port)).bind(name=name)).status for name in ("esme", "other", "none")
    ]
    assert statuses == [Status.ROK, Status.RBINDFAIL, Status.RBINDFAIL]
    assert smsc.statistics.binds_refused == 2


async def test_binds_can_be_refused(listening: Listening, connect: Connect) -> None:
    """The status is the one asked for."""
    _, port = await listening("bind_status=ESME_RALYBND")
    assert (await (await connect(port)).bind()).status == Status.RALYBND


async def test_binds_can_be_answered_late(
    listening: Listening, connect: Connect, clock: ManualClock
) -> None:
    """The answer to the bind comes when its time has come."""
    _, port = await listening("bind_delay_seconds=3")
    esme = await connect(port)
    esme.send(bind := Pdu(Command.BIND_TRANSCEIVER, fields={"system_id": "esme"}))
    assert await esme.quiet() == []
    await clock.advance(3)
    (answer,) = await esme.quiet()
    assert answer.command == bind.command | 0x80000000


async def test_a_link_can_break_before_the_answer(start: Start) -> None:
    """The third submit is taken, and the link is gone without an answer to it."""
    smsc, esme = await start("drop_link_after=3", "drop_link_when=before_answer")
    for _ in range(5):
        esme.submit()
    await esme.ended()
    assert smsc.record is not None
    assert len(smsc.record.submissions) == 3
    assert smsc.statistics.links_broken == 1


async def test_a_link_can_break_behind_the_answer(start: Start) -> None:
    """The second submit is answered, and then the link is gone."""
    _, esme = await start("drop_link_after=2", "drop_link_when=after_answer")
    for _ in range(3):
        esme.submit(registered_delivery=0)
    answers = [await esme.read(), await esme.read()]
    assert [pdu.command for pdu in answers] == [Command.SUBMIT_SM_RESP] * 2
    assert await esme.ended() == b""


async def test_a_link_can_break_within_the_answer(start: Start) -> None:
    """Half the octets of the answer arrive, and then the link is gone."""
    _, esme = await start("drop_link_after=1", "drop_link_when=half_answer")
    esme.submit(registered_delivery=0)
    assert len(await esme.ended()) == 16


async def test_a_link_can_be_unbound_after_a_time(start: Start, clock: ManualClock) -> None:
    """The simulator unbinds when the time is over, and not before."""
    _, esme = await start("unbind_after_seconds=25")
    assert await esme.pass_time(clock, 24) == []
    await clock.advance(1)
    unbind = await esme.read()
    assert unbind.command == Command.UNBIND
    esme.respond(unbind)
    await esme.ended()


async def test_enquiries_can_go_unanswered(start: Start) -> None:
    """enquire_link is ignored while submits are answered; and answered again without the fault."""
    smsc, esme = await start("ignore_enquire_link")
    esme.send(Pdu(Command.ENQUIRE_LINK))
    assert (await esme.ask(submit_sm(registered_delivery=0))).status == 0
    smsc.faults = Faults()
    answer = await esme.ask(Pdu(Command.ENQUIRE_LINK))
    assert answer.command == Command.ENQUIRE_LINK_RESP


async def test_faults_can_change_while_it_runs(start: Start) -> None:
    """New faults hold from the next PDU on."""
    smsc, esme = await start()
    assert (await esme.ask(submit_sm(registered_delivery=0))).status == 0
    smsc.faults = parse_faults(["refuse=1", "refuse_status=0x14"])
    assert (await esme.ask(submit_sm(registered_delivery=0))).status == 0x14


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"destination_addr": ""}, Status.RINVDSTADR),
        ({"destination_addr": "1" * 40}, Status.RINVDSTADR),
        ({"source_addr": "1" * 40}, Status.RINVSRCADR),
    ],
)
async def test_impossible_addresses_are_refused(
    start: Start, fields: dict[str, str], status: Status
) -> None:
    """An address that no receipt could name is refused at the submit."""
    _, esme = await start()
    addresses = {"source_addr": "1", "destination_addr": "2"} | fields
    assert (await esme.ask(Pdu(Command.DATA_SM, fields=dict(addresses)))).status == status


async def test_data_sm_is_a_submit(start: Start) -> None:
    """A message in a data_sm is accepted, recorded and told of."""
    smsc, esme = await start()
    fields: dict[str, FieldValue] = {
        "source_addr": "4915",
        "destination_addr": RECIPIENT,
        "registered_delivery": 1,
    }
    payload = Tlv(Tag.MESSAGE_PAYLOAD, b"in a data PDU")
    esme.send(Pdu(Command.DATA_SM, fields=fields, tlvs=[payload]))
    answer, receipt = await esme.quiet()
    assert answer.command == Command.DATA_SM_RESP
    assert parse_receipt(receipt).id == answer.text("message_id")
    assert smsc.record is not None
    assert [message.text for message in smsc.record.messages()] == ["in a data PDU"]


async def test_submit_multi_goes_to_each_destination(start: Start) -> None:
    """One answer with one id names those that failed; the others have a receipt each."""
    smsc, esme = await start()
    wanted: list[Destination | DistributionList] = [
        Destination(1, 1, RECIPIENT),
        Destination(1, 1, NOBODY),
        DistributionList("all"),
    ]
    fields: dict[str, FieldValue] = {**submit_sm().fields, "dest_address": wanted}
    for name in ("dest_addr_ton", "dest_addr_npi", "destination_addr"):
        del fields[name]
    pdu = Pdu(Command.SUBMIT_MULTI, fields=fields)
    esme.send(pdu)
    answer, receipt = await esme.quiet()
    assert answer.fields["unsuccess_sme"] == [
        Unsuccess(0, 0, "all", Status.RINVDLNAME),
        Unsuccess(1, 1, NOBODY, Status.RINVDSTADR),
    ]
    assert parse_receipt(receipt).id == answer.text("message_id")
    assert receipt.text("source_addr") == RECIPIENT
    assert (smsc.statistics.submits, smsc.statistics.accepted) == (2, 1)
    pdu.fields["dest_address"] = [DistributionList("all")]
    assert (await esme.ask(pdu)).status == Status.RINVDLNAME


async def test_old_clients_get_short_ids_and_no_tlvs(
    listening: Listening, connect: Connect
) -> None:
    """To SMPP 3.3 ids have at most 8 characters, and receipts are text alone."""
    _, port = await listening()
    esme = await connect(port)
    await esme.bind(version=0x33)
    esme.submit()
    answer, receipt = await esme.quiet()
    assert len(answer.text("message_id")) == 8
    assert receipt.tlvs == []
    assert parse_receipt(receipt).id == answer.text("message_id")


async def test_stopping_unbinds(start: Start) -> None:
    """A stop says goodbye to everybody and takes nobody new."""
    smsc, esme = await start()
    stop = asyncio.create_task(smsc.stop())
    unbind = await esme.read()
    esme.respond(unbind)
    await esme.ended()
    await stop


async def test_the_client_and_the_simulator_get_along(
    stack: AsyncExitStack, chance: Chance
) -> None:
    """A hundred messages through our own client: each answered, each told of, none twice."""
    smsc = Smsc(clock=SystemClock(), chance=chance, record=True)
    stack.push_async_callback(smsc.stop)
    bind = Bind(host="127.0.0.1", port=await smsc.start(port=0), system_id="a", password="b")
    events = _Events()
    client = Client(
        [bind], window=10, timers=Timers(), clock=SystemClock(), chance=chance, events=events
    )
    await client.start()
    stack.push_async_callback(client.stop, 0.0)
    async with asyncio.timeout(10):
        await events.bound.wait()
        answers: dict[int, Answer] = {}
        pdus = [submit_sm(text=f"number {number}".encode()) for number in range(100)]
        client.submit(pdus, answers.__setitem__)
        await events.has(100)
    assert {answer.kind for answer in answers.values()} == {AnswerKind.ANSWERED}
    told = {parse_receipt(pdu).id for pdu in events.delivered}
    assert told == {answer.message_id for answer in answers.values()}
    assert smsc.record is not None
    assert len(smsc.record.messages()) == 100
    assert smsc.record.duplicates() == {}


class _Events:
    """Keeps what is delivered, and answers it."""

    def __init__(self) -> None:
        self.bound = asyncio.Event()
        self.delivered: list[Pdu] = []
        self._wanted = 0
        self._enough = asyncio.Event()

    async def has(self, number: int) -> None:
        """Wait for that many deliveries."""
        self._wanted = number
        self._look()
        await self._enough.wait()

    def on_deliver(self, link: Link, pdus: list[Pdu]) -> None:
        """Take them."""
        self.delivered += pdus
        for pdu in pdus:
            link.respond(pdu)
        self._look()

    def on_change(self) -> None:
        """The line is bound, as nothing else happens here."""
        self.bound.set()

    def on_room(self) -> None:
        """Nothing waits here."""

    def _look(self) -> None:
        if self._wanted and len(self.delivered) >= self._wanted:
            self._enough.set()
