"""How messages from handsets and odd receipts are written as deliver_sm."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from onesixty.entrypoints.smpp import deliver_pdus
from onesixty.features.esme_delivery.notices import InboundNotice, ReceiptNotice
from onesixty.messages.states import Status
from onesixty.records.esmes import EsmeSettings
from onesixty.smpp.codec import decode, encode
from onesixty.smpp.data_coding import Alphabet, decode_text, describe
from onesixty.smpp.pdus import Pdu, Tag
from onesixty.smpp.receipts import is_receipt, parse_receipt
from onesixty.sms import udh
from onesixty.sms.alphabet import GSM7, Encoding
from onesixty.sms.form import Form, for_ports
from onesixty.sms.reassembly import assemble, fragment

MESSAGE = UUID("01937b1e-5c00-7abc-8def-0123456789ab")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LONG = "Wir fahren nach Köln, und danach {weiter} für 10 €. " * 8
SHORT_CODE = "12345"


def heard(text: str = "", form: Form | None = None, **more: Any) -> InboundNotice:
    """A message from a handset."""
    given = {"sender": "+447700900123", "recipient": "+447700900111", **more}
    return InboundNotice(1, MESSAGE, given["sender"], given["recipient"], text, form)


def written(notice: InboundNotice, version: int = 0x34, **settings: Any) -> list[Pdu]:
    """The PDUs of a notice, as they are read on the other side."""
    pdus = deliver_pdus.inbound(notice, EsmeSettings(**settings), version)
    return [decode(encode(replace(pdu, sequence=1))) for pdu in pdus]


def read(pdus: list[Pdu], meaning: Encoding = Encoding.GSM7) -> str:
    """The text of all parts, as a client reads it to which data_coding 0 means that."""
    encodings = {0: meaning, 8: Encoding.UCS2}
    pieces = [
        fragment(
            pdu.user_data(),
            encodings[pdu.number("data_coding")],
            udhi=bool(pdu.number("esm_class") & 0x40),
        )
        for pdu in pdus
    ]
    assert {piece.total for piece in pieces} == {len(pieces)}
    assert len({piece.key for piece in pieces}) == 1
    return assemble(pieces).text


@pytest.mark.parametrize("text", ["", "Hi @ 10 €", "Привет", "x" * 160, LONG, "👋" * 100])
@pytest.mark.parametrize("meaning", ["gsm7", "latin1", "ascii"])
@pytest.mark.parametrize("long", ["udh", "payload"])
def test_any_text_arrives(text: str, meaning: str, long: str) -> None:
    """Whatever its characters and length, whatever data_coding 0 means, it is read as it was."""
    pdus = written(heard(text), data_coding_0=meaning, long_inbound=long)
    as_meant = Encoding.GSM7 if meaning == "gsm7" else Encoding.LATIN1
    assert read(pdus, as_meant) == text
    assert not any(is_receipt(pdu) for pdu in pdus)
    if len(text) == 160:
        assert len(pdus) == (1 if meaning == "gsm7" or long == "payload" else 2)
    if long == "payload":
        assert len(pdus) == 1


def test_old_clients_get_parts() -> None:
    """SMPP 3.3 knows no message_payload."""
    pdus = written(heard(LONG), version=0x33, long_inbound="payload")
    assert len(pdus) > 1
    assert read(pdus) == LONG


@pytest.mark.parametrize(
    ("address", "written_as"),
    [
        ("+447700900123", (1, 1, "447700900123")),
        (SHORT_CODE, (3, 0, SHORT_CODE)),
        ("ACME", (5, 0, "ACME")),
        ("", (0, 0, "")),
    ],
)
def test_addresses(address: str, written_as: tuple[int, int, str]) -> None:
    """Numbers go without +, with the type that they are of."""
    (pdu,) = written(heard("x", sender=address, recipient=address))
    source = pdu.number("source_addr_ton"), pdu.number("source_addr_npi"), pdu.text("source_addr")
    goal = pdu.number("dest_addr_ton"), pdu.number("dest_addr_npi"), pdu.text("destination_addr")
    assert source == goal == written_as


def test_binary_data_stays_as_it_is() -> None:
    """Data, header and coding of a message that is no text are those that came."""
    header, data = for_ports(2948, 9200), bytes(range(100))
    (pdu,) = written(heard(form=Form(udh=header, data=data, data_coding=0xF5)))
    assert (pdu.number("esm_class"), pdu.number("data_coding")) == (0x40, 0xF5)
    assert pdu.octets("short_message") == header + data
    pdus = written(heard(form=Form(udh=header, data=data * 3)))
    pieces = [fragment(pdu.user_data(), Encoding.BINARY, udhi=True) for pdu in pdus]
    assert assemble(pieces).octets == data * 3
    assert {piece.ports for piece in pieces} == {udh.Ports(2948, 9200)}
    (whole,) = written(heard(form=Form(udh=header, data=data * 3)), long_inbound="payload")
    assert whole.tlv(Tag.MESSAGE_PAYLOAD) == header + data * 3


def test_flash_and_silent() -> None:
    """Class and protocol go along."""
    (pdu,) = written(heard("Hi", Form(message_class=0, protocol_id=64)))
    assert (pdu.number("data_coding"), pdu.number("protocol_id")) == (0x10, 64)
    (pdu,) = written(heard("Привет", Form(message_class=0)))
    coding = describe(pdu.number("data_coding"))
    assert coding.alphabet is Alphabet.UCS2
    assert decode_text(Alphabet.UCS2, pdu.user_data()) == ("Привет", True)
    assert GSM7.encode("Привет") is None


def told(status: Status, **more: Any) -> Pdu:
    """The receipt of a message."""
    origin = {"source": [5, 0, "Shop"], "destination": [1, 1, "447700900123"]} | more.pop(
        "origin", {}
    )
    notice = ReceiptNotice(
        1,
        MESSAGE,
        status,
        origin,
        "Hello",
        more.get("error_code"),
        more.get("carrier_code"),
        AT,
        AT,
    )
    pdu = deliver_pdus.receipt(notice, EsmeSettings(), 0x34)
    return decode(encode(replace(pdu, sequence=1)))


@pytest.mark.parametrize(
    ("status", "error_code", "carrier_code", "stat", "error", "network"),
    [
        (Status.DELIVERED, None, None, "DELIVRD", "000", None),
        (Status.READ, None, None, "DELIVRD", "000", None),
        (Status.SENT, None, None, "ENROUTE", "000", None),
        (Status.UNDELIVERED, "undelivered", "1:22", "UNDELIV", "022", b"\x01\x00\x16"),
        (Status.UNDELIVERED, "undelivered", "ABSENT", "UNDELIV", "ABSENT", None),
        (Status.UNDELIVERED, "rejected_at_carrier", "4", "REJECTD", "004", b"\x03\x00\x04"),
        (Status.UNDELIVERED, "deleted_at_carrier", None, "DELETED", "000", None),
        (Status.EXPIRED, "expired", None, "EXPIRED", "000", None),
        (Status.FAILED, "x", "0x00000400", "REJECTD", "1024", b"\x07\x04\x00"),
        (Status.FAILED, "x", "never left", "REJECTD", "neverleft", None),
        (Status.CANCELED, None, None, "DELETED", "000", None),
    ],
)
def test_every_end_has_its_words(
    status: Status,
    error_code: str | None,
    carrier_code: str | None,
    stat: str,
    error: str,
    network: bytes | None,
) -> None:
    """Each status has the word of SMPP that says most of it, with the carrier's own error."""
    pdu = told(status, error_code=error_code, carrier_code=carrier_code)
    receipt = parse_receipt(pdu)
    assert (receipt.stat, receipt.error, receipt.id) == (stat, error, MESSAGE.hex)
    assert pdu.tlv(Tag.NETWORK_ERROR_CODE) == network
    assert receipt.intermediate == (status is Status.SENT)


def test_an_id_of_its_own() -> None:
    """Where the answer to the submit had an id of 8 characters the receipt has it too."""
    assert parse_receipt(told(Status.DELIVERED, origin={"id": "0a1b2c3d"})).id == "0a1b2c3d"
