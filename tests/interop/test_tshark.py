"""Whatever we write is read by Wireshark's dissector as we meant it: each field, at its place."""

import asyncio
import contextlib
import random
from collections.abc import Iterator
from typing import Any, Final

import pytest

from conformance.behaviours import SOMEBODY, Behaviour
from conformance.bench import opened, submission
from conformance.peers import SmppPeer
from entrypoints.smpp import customer
from entrypoints.smpp.test_inbound import say
from onesixty.carriers.contract import Submission
from onesixty.carriers.smpp.carrier import SmppCarrier
from onesixty.smpp.codec import decode, encode
from onesixty.smpp.pdus import (
    BODIES,
    RESPONSE_BIT,
    Command,
    Destination,
    FieldKind,
    FieldSpec,
    FieldValue,
    Pdu,
    Unsuccess,
)
from onesixty.smpp.tlvs import TLVS, Tag, Tlv, TlvKind
from onesixty.smpp.trace.capture import Capture, Kind
from simulator.esme import Esme
from smpp.test_golden import GOLDEN

from . import tshark
from .corpus import is_gsm, mixed

pytestmark = pytest.mark.skipif(
    tshark.PROGRAM is None, reason="tshark is missing: tests/interop/install.sh installs it"
)

OF_EACH_COMMAND: Final = 12
# Where its name for a field is not that of the specification.
_NAMES: Final = {
    "esm_class": "esm.submit.msg_mode",
    "registered_delivery": "regdel.receipt",
    "short_message": "message",
}
_TIMES: Final = ("", "000002060000000R", "261122153000008+", "261122133000000+", "991231235959948-")


def test_golden_pdus() -> None:
    """The golden PDUs, which others have written."""
    frames = [golden.octets for golden in GOLDEN]
    for frame, seen in zip(frames, tshark.dissect(frames), strict=True):
        _check(frame, seen)


def test_every_command_with_every_tlv() -> None:
    """Random PDUs of every command, filled with any values that may stand there."""
    chance = random.Random(5)
    pdus = [_any(command, chance) for command in BODIES for _ in range(OF_EACH_COMMAND)]
    frames = [encode(pdu) for pdu in pdus]
    for frame, seen in zip(frames, tshark.dissect(frames), strict=True):
        _check(frame, seen)


async def test_a_session_with_a_carrier() -> None:
    """All that the walk submits, in every alphabet and length, and what the simulator delivers."""
    async with opened("smpp", Behaviour.GOOD, random.Random(1), response_seconds=10.0) as bench:
        assert isinstance(bench.peer, SmppPeer)
        assert isinstance(bench.carrier, SmppCarrier)
        texts = mixed(24)
        bench.submit(*[_submission(text) for text in texts])
        for text in texts:
            bench.peer.smsc.receive_from("+447700900123", "+447700900111", text)
        await bench.until(bench.is_idle)
        await bench.until(lambda: len(bench.inbounds) >= len(texts))
        await bench.until(lambda: len(bench.receipts) >= len(texts))
        (tap,) = bench.carrier.wiretaps()
        _check_all(tap.capture)


async def test_a_session_with_a_customer(url: str) -> None:
    """Answers, receipts and messages that a customer is given."""
    async with customer.office(url) as desk:
        await desk.esme()
        client = await desk.bound(version=0x50)
        (link,) = desk.app.door.sessions.by_link
        for octets in (b"hello", b"x" * 254):
            await client.ask(customer.submit_sm(octets, registered_delivery=1))
        await client.ask(customer.submit_sm(destination_addr="nobody"))
        for text in mixed(12):
            await say(desk, text)
        reading = asyncio.create_task(_read_on(client))
        await desk.waiting(0)
        reading.cancel()
        _check_all(link.session.capture)


async def _read_on(client: Esme) -> None:
    while True:  # until cancelled; what is read is answered
        with contextlib.suppress(TimeoutError):
            await client.read()


def _submission(text: str) -> Submission:
    return submission(SOMEBODY, text, encoding="gsm7" if is_gsm(text) else "ucs2")


def _check_all(capture: Capture) -> None:
    whole = [
        entry.octets
        for entry in capture.entries()
        if entry.kind in (Kind.IN, Kind.OUT)
        and int.from_bytes(entry.octets[:4], "big") == len(entry.octets)
    ]
    assert len(whole) > 40
    for frame, seen in zip(whole, tshark.dissect(whole), strict=True):
        _check(frame, seen)


def _check(frame: bytes, seen: tshark.Dissection) -> None:
    """It found nothing to complain of, and every field and TLV where we wrote it."""
    assert seen.complaints == (), frame.hex()
    pdu, fields = decode(frame), set(seen.fields)
    for name, at, octets in _laid_out(pdu):
        same = {f"{name}", f"{name}_r", _NAMES.get(name, name)}
        assert any((one, at, octets) in fields for one in same), (name, frame.hex(), seen.fields)
    tags = [octets for name, _, octets in seen.fields if name == "opt_param_tag"]
    lengths = [octets for name, _, octets in seen.fields if name == "opt_param_len"]
    assert tags == [tlv.tag.to_bytes(2, "big") for tlv in pdu.tlvs], frame.hex()
    assert lengths == [len(tlv.value).to_bytes(2, "big") for tlv in pdu.tlvs], frame.hex()


def _laid_out(pdu: Pdu) -> Iterator[tuple[str, int, bytes]]:
    """Name, offset and octets of the fields of a PDU, lists left out."""
    yield "command_id", 4, pdu.command.to_bytes(4, "big")
    yield "sequence_number", 12, pdu.sequence.to_bytes(4, "big")
    at = 16
    for spec in BODIES[pdu.command] if pdu.fields else ():
        value: Any = pdu.fields.get(spec.name)
        match spec.kind:
            case FieldKind.INTEGER:
                octets = bytes((value,))
            case FieldKind.OCTETS:
                at += 1
                octets = value
            case FieldKind.TEXT | FieldKind.TIME:
                octets = value.encode("latin-1") + b"\0"
            case _:
                at += 1 + sum(_size(entry) for entry in value)
                continue
        if octets.strip(b"\0") or spec.kind is FieldKind.INTEGER:  # it passes over what is empty
            yield spec.name, at, octets
        at += len(octets)


def _size(entry: Destination | Unsuccess) -> int:
    return len(entry.address) + 3 + (1 if isinstance(entry, Destination) else 4)


def _any(command: int, chance: random.Random) -> Pdu:
    fields = {spec.name: _value(spec, chance) for spec in BODIES[command]}
    if fields.get("esm_class"):
        fields["esm_class"] = chance.choice((0, 3, 4, 0x20, 0x80))  # a header would have to be one
    tags = chance.sample(_TAGS, 6) if command in _WITH_TLVS else []
    tlvs = [_tlv(tag, chance) for tag in tags]
    status = chance.choice((0, 0x58)) if command & RESPONSE_BIT and not fields else 0
    return Pdu(command, status, chance.randrange(1, 0x7FFFFFFF), fields, tlvs)


def _value(spec: FieldSpec, chance: random.Random) -> FieldValue:
    match spec.kind:
        case FieldKind.INTEGER:
            return chance.randrange(256)
        case FieldKind.TEXT:
            return "".join(
                chance.choice("abcXYZ0189+-") for _ in range(chance.randrange(spec.size))
            )
        case FieldKind.TIME:
            return chance.choice(_TIMES)
        case FieldKind.OCTETS:
            return chance.randbytes(chance.choice((0, 1, 140, 254)))
        case FieldKind.DESTINATIONS:
            return [Destination(1, 1, f"4917{number}") for number in range(chance.randrange(1, 9))]
        case FieldKind.UNSUCCESSES:
            return [Unsuccess(1, 1, f"4917{number}", 0x0B) for number in range(chance.randrange(4))]


_WITH_TLVS: Final = {
    Command.SUBMIT_SM, Command.SUBMIT_SM_RESP, Command.DELIVER_SM, Command.SUBMIT_MULTI,
    Command.DATA_SM, Command.DATA_SM_RESP, Command.BIND_TRANSCEIVER_RESP,
    Command.ALERT_NOTIFICATION,
}  # fmt: skip
# Those of cell broadcast, which we do not send, are where it knows less than the specification.
_TAGS: Final = [tag for tag in TLVS if tag != Tag.MESSAGE_PAYLOAD and not 0x600 <= tag <= 0x60A]
_ONE_OCTET_TO_IT: Final = (Tag.MS_VALIDITY, Tag.MORE_MESSAGES_TO_SEND)


def _tlv(tag: int, chance: random.Random) -> Tlv:
    spec = TLVS[tag]
    size = 1 if tag in _ONE_OCTET_TO_IT else chance.randint(spec.least, min(spec.most, 40))
    if spec.kind is TlvKind.TEXT:
        return Tlv(tag, b"1" * (size - 1) + b"\0")
    return Tlv(tag, chance.randbytes(size))
