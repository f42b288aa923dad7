"""A PDU as JSON that people understand: fields, TLVs, the text by its alphabet, what is wrong."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from onesixty.smpp import data_coding
from onesixty.smpp.data_coding import Alphabet
from onesixty.smpp.pdus import Command, Pdu, command_name
from onesixty.smpp.receipts import UDHI, is_receipt, parse_receipt
from onesixty.smpp.statuses import name_of, remark_on
from onesixty.smpp.trace.dissect import Dissection, Piece, dissect
from onesixty.smpp.trace.masking import masked
from onesixty.smpp.trace.meanings import meaning
from onesixty.sms import decoding, national, udh
from onesixty.sms.alphabet import Encoding

_ENCODINGS: Final = {
    Alphabet.SMSC_DEFAULT: Encoding.GSM7,
    Alphabet.GSM7: Encoding.GSM7,
    Alphabet.ASCII: Encoding.ASCII,
    Alphabet.LATIN1: Encoding.LATIN1,
    Alphabet.BINARY: Encoding.BINARY,
    Alphabet.UCS2: Encoding.UCS2,
}
_CARRYING: Final = frozenset(
    {
        Command.SUBMIT_SM,
        Command.SUBMIT_MULTI,
        Command.DELIVER_SM,
        Command.DATA_SM,
        Command.REPLACE_SM,
    }
)
_ELEMENTS: Final = {
    0x00: "concatenation",
    0x01: "special message indication",
    0x04: "ports of 8 bits",
    0x05: "ports of 16 bits",
    0x06: "SMSC control",
    0x07: "source of the header",
    0x08: "concatenation of 16 bits",
    0x09: "wireless control",
    0x20: "RFC 822 address",
    0x24: "national single shift",
    0x25: "national locking shift",
}


def explain(octets: bytes, *, show_text: bool = False) -> dict[str, Any]:
    """One PDU, its secrets covered: passwords always, texts and numbers unless `show_text`.

    The octets may be cut, broken or no PDU at all: `faults` says what is wrong, and at which octet.
    """
    whole = dissect(octets)
    shown = dissect(masked(whole, show_text=show_text))
    told: dict[str, Any] = {
        "command": command_name(whole.command) if whole.is_smpp else None,
        "status": name_of(whole.status) if whole.is_smpp else None,
        "sequence": whole.sequence if whole.is_smpp else None,
        "length": whole.length if whole.is_smpp else len(octets),
        "fields": _fields(shown.pieces),
        "tlvs": [_tlv(one) for one in shown.pieces if one.tag is not None],
        "message": None,
        "receipt": None,
        "faults": [{"offset": one.offset, "text": one.text} for one in whole.faults],
        "hex": shown.octets.hex(),
    }
    if whole.command in _CARRYING and whole.is_smpp:
        told["message"] = _message(whole, show_text=show_text)
        told["receipt"] = _receipt(whole.pdu(), show_text=show_text)
    return told


def pieces(octets: bytes) -> list[dict[str, Any]]:
    """Every field and TLV of a PDU where it stands, and its meaning; mere octets have no value."""
    return [
        {
            "offset": one.offset,
            "name": one.name,
            "tag": f"0x{one.tag:04X}" if one.tag is not None else None,
            "value": None if isinstance(one.value, bytes) else one.value,
            "meaning": meaning(one),
            "hex": one.octets.hex(),
        }
        for one in dissect(octets).pieces
    ]


def status_hint(status: int) -> str:
    """What an operator should know about a command_status; "" for success."""
    return remark_on(status) if status else ""


def plain(value: int | str | bytes) -> int | str:
    """A value for JSON: octets as hexadecimal digits."""
    return value.hex() if isinstance(value, bytes) else value


def _fields(found: Sequence[Piece]) -> dict[str, int | str]:
    """Values by name; of the entries of a list the second has `.2` behind its names, and so on."""
    fields: dict[str, int | str] = {}
    times: Counter[str] = Counter()
    for one in found:
        if one.tag is None:
            times[one.name] += 1
            number = times[one.name]
            fields[one.name if number == 1 else f"{one.name}.{number}"] = plain(one.value)
    return fields


def _tlv(piece: Piece) -> dict[str, Any]:
    return {
        "tag": f"0x{piece.tag:04X}",
        "name": piece.name,
        "value": plain(piece.value),
        "meaning": meaning(piece),
    }


def _message(found: Dissection, *, show_text: bool) -> dict[str, Any] | None:
    pdu = found.pdu()
    octets = pdu.user_data()
    if not octets:
        return None
    coding = data_coding.describe(pdu.number("data_coding"))
    header, flaws = None, []
    if pdu.number("esm_class") & UDHI:
        parsed = udh.parse(octets)
        if parsed is None:
            flaws.append("malformed_header")
        else:
            header, octets = parsed
    text, wrong = _text(octets, coding.alphabet, header)
    told: dict[str, Any] = {
        "alphabet": coding.alphabet.value,
        "octets": len(octets),
        "characters": len(text) if text is not None else None,
        "header": _elements(header.elements) if header is not None else None,
        "flaws": [*flaws, *wrong],
    }
    if show_text:
        told["text"] = text
    return told


def _text(
    octets: bytes, alphabet: Alphabet, header: udh.Header | None
) -> tuple[str | None, list[str]]:
    """The text, None for binary data, and what is wrong with it."""
    encoding = _ENCODINGS.get(alphabet)
    if encoding is Encoding.BINARY:
        return None, []
    if encoding is None:
        text, is_whole = data_coding.decode_text(alphabet, octets) or ("", False)
        return text, [] if is_whole else ["undecodable"]
    letters = national.alphabet(header.locking, header.single) if header else national.alphabet()
    read = decoding.decode(octets, encoding, letters)
    return read.text, [one.value for one in read.flaws]


def _elements(elements: Sequence[tuple[int, bytes]]) -> list[dict[str, str]]:
    return [
        {
            "id": f"0x{identifier:02X}",
            "name": _ELEMENTS.get(identifier, "unknown"),
            "value": data.hex(),
            "meaning": _element(identifier, data),
        }
        for identifier, data in elements
    ]


def _element(identifier: int, data: bytes) -> str:
    match identifier, len(data):
        case (0x00, 3) | (0x08, 4):
            reference = int.from_bytes(data[:-2], "big")
            return f"part {data[-1]} of {data[-2]}, reference {reference}"
        case (0x04, 2) | (0x05, 4):
            half = len(data) // 2
            to, of = int.from_bytes(data[:half], "big"), int.from_bytes(data[half:], "big")
            return f"to port {to}, from port {of}"
        case ((0x24 | 0x25), 1):
            return f"language {data[0]}"
    return ""


def _receipt(pdu: Pdu, *, show_text: bool) -> dict[str, Any] | None:
    if pdu.command not in (Command.DELIVER_SM, Command.DATA_SM) or not is_receipt(pdu):
        return None
    read = parse_receipt(pdu)
    told: dict[str, Any] = {
        "id": read.id,
        "state": read.state.name.lower(),
        "stat": read.stat,
        "final": read.final,
        "error": read.error,
        "submit_date": read.submit_date,
        "done_date": read.done_date,
    }
    if show_text:
        told["text"] = read.text
    return told
