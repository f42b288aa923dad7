"""Receipts to customers over SMPP: what they say, to whom they go, and that none is lost."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chaos import invariants
from onesixty.smpp.pdus import Command, Pdu, Tag
from onesixty.smpp.receipts import Receipt, parse_receipt
from onesixty.smpp.statuses import Status
from onesixty.smpp.tlvs import Tlv
from simulator.esme import Esme

from .customer import RECIPIENT, Office, office, submit_sm

FAILURES, SUCCESSES, BOTH = 2, 3, 1
INTERMEDIATE = 0x10
UNKNOWN, REFUSED = "15005550104", "15005550117"  # numbers of the sandbox, see simulator/numbers.py


async def sent(client: Esme, to: str = RECIPIENT, registered: int = BOTH, **more: Any) -> str:
    """Submit a message; its id."""
    pdu = submit_sm(destination_addr=to, registered_delivery=registered, **more)
    answer = await client.ask(pdu)
    assert answer.status == 0, answer
    return answer.text("message_id")


async def told(client: Esme) -> tuple[Pdu, Receipt]:
    """The next PDU, which must be a receipt."""
    pdu = await client.read()
    assert pdu.command == Command.DELIVER_SM, pdu
    return pdu, parse_receipt(pdu)


async def test_a_delivered_message(desk: Office) -> None:
    """The receipt has the id of the answer, the addresses as given, and says it twice over."""
    await desk.esme()
    client = await desk.bound()
    source: dict[str, Any] = {
        "source_addr_ton": 0,
        "source_addr_npi": 1,
        "source_addr": "00447700900001",
    }
    name = await sent(client, text=b"Hello world, and more of it", **source, service_type="WAP")
    pdu, receipt = await told(client)
    assert (receipt.id, receipt.stat, receipt.error) == (name, "DELIVRD", "000")
    assert (receipt.ids, receipt.final, receipt.text) == ((name,), True, "Hello world, and mor")
    assert (pdu.number("esm_class"), pdu.number("data_coding")) == (0x04, 0)
    assert (pdu.text("source_addr"), pdu.number("source_addr_ton")) == (RECIPIENT, 1)
    assert (pdu.text("destination_addr"), pdu.number("dest_addr_ton")) == ("00447700900001", 0)
    assert (pdu.number("dest_addr_npi"), pdu.text("service_type")) == (1, "WAP")
    assert pdu.tlv_text(Tag.RECEIPTED_MESSAGE_ID) == name
    assert (pdu.tlv_integer(Tag.MESSAGE_STATE), pdu.tlv(Tag.NETWORK_ERROR_CODE)) == (2, None)
    now = f"{datetime.now(UTC):%y%m%d%H}"
    assert receipt.submit_date.startswith(now)
    assert receipt.done_date.startswith(now)


@pytest.mark.parametrize(
    ("to", "stat", "error", "network"),
    [(UNKNOWN, "UNDELIV", "005", b"\x03\x00\x05"), (REFUSED, "REJECTD", "011", b"\x07\x00\x0b")],
)
async def test_a_failure(desk: Office, to: str, stat: str, error: str, network: bytes) -> None:
    """It says why: with the error of the network, or with the status of the carrier's refusal."""
    await desk.esme()
    client = await desk.bound()
    name = await sent(client, to, FAILURES)
    pdu, receipt = await told(client)
    assert (receipt.id, receipt.stat, receipt.error) == (name, stat, error)
    assert pdu.tlv(Tag.NETWORK_ERROR_CODE) == network


async def test_what_was_asked_for(desk: Office, url: str) -> None:
    """registered_delivery chooses: no end, every one, failures, successes; and when it was sent."""
    await desk.esme()
    client = await desk.bound(command=Command.BIND_RECEIVER)
    wanted = {
        (RECIPIENT, 0): [],
        (RECIPIENT, BOTH): ["DELIVRD"],
        (RECIPIENT, FAILURES): [],
        (RECIPIENT, SUCCESSES): ["DELIVRD"],
        (RECIPIENT, INTERMEDIATE): ["ENROUTE"],
        (RECIPIENT, INTERMEDIATE | BOTH): ["ENROUTE", "DELIVRD"],
        (REFUSED, 0): [],
        (REFUSED, SUCCESSES): [],
        (REFUSED, INTERMEDIATE | FAILURES): ["REJECTD"],
    }
    transmitter = await desk.bound(command=Command.BIND_TRANSMITTER)
    names = {await sent(transmitter, *case): case for case in wanted}
    found: dict[Any, list[str]] = {case: [] for case in wanted}
    for _ in range(sum(map(len, wanted.values()))):
        pdu, receipt = await told(client)
        found[names[receipt.id]].append(receipt.stat)
        assert pdu.number("esm_class") == (0x20 if receipt.stat == "ENROUTE" else 0x04)
    assert found == wanted
    assert await client.quiet() == []
    await desk.waiting(0)
    await invariants.check(url)


async def test_a_cancelled_message(desk: Office) -> None:
    """What the customer cancels is reported as deleted."""
    await desk.esme()
    client = await desk.bound()
    name = await sent(client, schedule_delivery_time="000001000000000R")
    cancel = Pdu(Command.CANCEL_SM, fields={"message_id": name})
    sequence = client.send(cancel)
    answers = [await client.read(), await client.read()]
    (receipt,) = [parse_receipt(one) for one in answers if one.command == Command.DELIVER_SM]
    assert any(one.sequence == sequence and one.status == 0 for one in answers if one.is_response)
    assert (receipt.id, receipt.stat) == (name, "DELETED")


@pytest.mark.parametrize(
    ("settings", "version"),
    [
        ({"receipt_form": "text", "id_form": "uuid"}, 0x34),
        ({"receipt_form": "tlv", "id_form": "decimal"}, 0x50),
        ({"receipt_form": "tlv"}, 0x33),
    ],
    ids=["text, uuid", "TLVs, decimal", "3.3"],
)
async def test_forms(desk: Office, settings: dict[str, Any], version: int) -> None:
    """As text or TLVs alone, ids in the form of the answer; SMPP 3.3 knows no TLVs."""
    await desk.esme(**settings)
    client = await desk.bound(version=version)
    tlvs = [] if version == 0x33 else [Tlv(Tag.USER_MESSAGE_REFERENCE, b"\x01\x02")]
    name = await sent(client, tlvs=tlvs)
    pdu, receipt = await told(client)
    assert (receipt.id, receipt.state) == (name, 2)
    as_text = settings["receipt_form"] == "text" or version == 0x33
    assert bool(pdu.octets("short_message")) == as_text
    assert bool(pdu.tlvs) != as_text
    assert pdu.tlv_integer(Tag.USER_MESSAGE_REFERENCE) == (None if as_text else 0x102)
    assert len(name) == {0x34: 36, 0x50: 38, 0x33: 8}[version] or version == 0x50


async def test_they_go_to_who_can_receive(desk: Office) -> None:
    """A customer with a transmitter and two receivers has its receipts on the receivers in turn."""
    await desk.esme()
    transmitter = await desk.bound(command=Command.BIND_TRANSMITTER)
    receivers = [await desk.bound(command=Command.BIND_RECEIVER) for _ in range(2)]
    names = {await sent(transmitter) for _ in range(2)}
    assert {(await told(one))[1].id for one in receivers} == names


async def test_they_go_where_the_submit_came_from(desk: Office) -> None:
    """Of several transceivers the one that submitted a message has its receipt."""
    await desk.esme()
    clients = [await desk.bound() for _ in range(3)]
    for client in (*clients, *reversed(clients)):
        name = await sent(client)
        assert (await told(client))[1].id == name


async def test_what_was_missed_comes_with_the_next_bind(desk: Office) -> None:
    """Receipts wait while nobody is bound, and again when the session breaks before its answers."""
    await desk.esme()
    transmitter = await desk.bound(command=Command.BIND_TRANSMITTER)
    names = {await sent(transmitter) for _ in range(5)}
    await desk.waiting(5)
    broken = await desk.bound(command=Command.BIND_RECEIVER)
    broken.answers = None
    assert {(await told(broken))[1].id for _ in range(5)} == names
    await broken.close()
    healthy = await desk.bound(command=Command.BIND_RECEIVER)
    assert {(await told(healthy))[1].id for _ in range(5)} == names
    await desk.waiting(0)


async def test_the_window(desk: Office) -> None:
    """No more are unanswered than the customer's window has room for."""
    await desk.esme(window=2)
    transmitter = await desk.bound(command=Command.BIND_TRANSMITTER)
    names = {await sent(transmitter) for _ in range(5)}
    await desk.waiting(5)
    client = await desk.bound(command=Command.BIND_RECEIVER)
    client.answers = None
    given = [(await told(client))[0] for _ in range(2)]
    assert await client.quiet() == []
    for pdu in given:
        client.respond(pdu)
        given += [(await told(client))[0]] if len(given) < 5 else []
    assert {parse_receipt(pdu).id for pdu in given} == names
    await desk.waiting(0)


async def test_a_customer_that_cannot_now(desk: Office) -> None:
    """A temporary refusal brings it again; a permanent one ends it, with an entry in the log."""
    number = await desk.esme()
    client = await desk.bound()
    client.answers = Status.RX_T_APPN
    name = await sent(client)
    assert (await told(client))[1].id == name
    await desk.logged(1)
    client.answers = Status.RX_R_APPN
    await desk.hurry()
    assert (await told(client))[1].id == name
    log = await desk.logged(2)
    assert [entry["status_code"] for entry in log] == [0x64, 0x66]
    assert {entry["endpoint_id"] for entry in log} == {-number}
    await desk.waiting(0)


async def test_another_process_finishes(desk: Office, url: str) -> None:
    """What one process had in hand when it died is delivered by the next."""
    await desk.esme()
    client = await desk.bound()
    client.answers = None
    name = await sent(client)
    assert (await told(client))[1].id == name
    await desk.app.esme_deliverer.loop.stop()
    async with office(url) as second:
        await desk.hurry()  # as if its lease had ended
        other = await second.bound()
        assert (await told(other))[1].id == name


async def test_sessions_in_two_processes(desk: Office, url: str) -> None:
    """A receipt goes to the process in which its customer is bound."""
    await desk.esme()
    async with office(url) as second:
        transmitter = await desk.bound(command=Command.BIND_TRANSMITTER)
        receiver = await second.bound(command=Command.BIND_RECEIVER)
        name = await sent(transmitter)
        assert (await told(receiver))[1].id == name
