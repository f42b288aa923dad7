"""Reading octets in every way there is: only the errors of the contract may come out of it."""

import json
import random
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from onesixty.carriers import registry
from onesixty.carriers.smpp import pdus as smpp_pdus
from onesixty.carriers.smpp.explain import explain, pieces
from onesixty.smpp.codec import DecodeError, EncodeError, decode, encode
from onesixty.smpp.data_coding import decode_text, describe
from onesixty.smpp.framing import CAP_BEFORE_BIND, CAP_BOUND, Framer, FramingError
from onesixty.smpp.message_ids import IdForm, match_key
from onesixty.smpp.pdus import Command, Pdu
from onesixty.smpp.receipts import ReceiptOptions, is_receipt, parse_receipt
from onesixty.smpp.times import TimeFieldError, decode_time, delivery_times
from onesixty.smpp.trace.dissect import dissect
from onesixty.smpp.trace.masking import masked
from onesixty.sms.reassembly import assemble

from .octets import chunks

_ANY_RECEIPT: Final = ReceiptOptions(by_text=True, text_state_wins=False)
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_SETTINGS: Final[Mapping[str, Any]] = {
    one.name: one.default for one in registry.SPECS["smpp"].fields
}
_BUILDER: Final = smpp_pdus.PduBuilder(1, _SETTINGS, random.Random(1))


def read_frame(octets: bytes) -> None:
    """Read these octets as one PDU, and whatever is inside."""
    for lenient in (False, True):
        with suppress(DecodeError):
            pdu = decode(octets, lenient=lenient)
            _read_inside(pdu)
            if not lenient and not pdu.is_response and not pdu.flaws:
                _write_again(pdu)


def take_apart(octets: bytes, chance: random.Random) -> None:
    """Show these octets as people see them: each piece where it stands, covered or not."""
    found, show_text = dissect(octets), chance.random() < 0.5
    for piece in found.pieces:
        end = piece.offset + len(piece.octets)
        assert octets[piece.offset : end] == piece.octets
    assert len(masked(found, show_text=show_text)) == len(octets)
    json.dumps([explain(octets, show_text=show_text), pieces(octets)])


def read_stream(octets: bytes, chance: random.Random) -> None:
    """Cut a stream into PDUs: the same ones however it comes, and no more kept than one of them."""
    cap = chance.choice((CAP_BEFORE_BIND, CAP_BOUND))
    whole, at_once = _cut(Framer(cap), [octets])
    framer = Framer(cap)
    pieces = list(chunks(octets, chance))
    cut, in_pieces = _cut(framer, pieces)
    assert cut == whole
    assert at_once == in_pieces
    longest = max((len(piece) for piece in pieces), default=0)
    assert len(framer._pending) <= cap + longest


def _cut(framer: Framer, pieces: list[bytes]) -> tuple[list[bytes], bool]:
    """The frames, and whether the stream ended in one that cannot be."""
    frames: list[bytes] = []
    for piece in pieces:
        try:
            frames += framer.feed(piece)
        except FramingError as error:
            return frames + error.frames, True
    return frames, False


def _read_inside(pdu: Pdu) -> None:
    is_receipt(pdu, _ANY_RECEIPT)
    for form in IdForm:
        for candidate in parse_receipt(pdu).ids:
            match_key(candidate, form)
    decode_text(describe(pdu.number("data_coding")).alphabet, pdu.user_data())
    schedule, validity = pdu.text("schedule_delivery_time"), pdu.text("validity_period")
    for text in (schedule, validity, pdu.text("final_date")):
        with suppress(TimeFieldError):
            decode_time(text, lenient=True)
    with suppress(TimeFieldError):
        delivery_times(schedule, validity, _NOW, lenient=True)
    for tlv in pdu.tlvs:
        pdu.tlv_integer(tlv.tag)
        pdu.tlv_text(tlv.tag)
    if pdu.command in (Command.DELIVER_SM, Command.DATA_SM):
        _read_as_a_carrier_does(pdu)


def _read_as_a_carrier_does(pdu: Pdu) -> None:
    """Whatever is delivered to us becomes a receipt or a message, never an error."""
    if _BUILDER.is_receipt(pdu):
        _BUILDER.receipt(pdu, _NOW, _ignore)
    else:
        assemble([_BUILDER.inbound(pdu, _NOW, _ignore).fragment])


def _ignore(pdu: Pdu, status: int) -> None:
    """No answer is needed here."""


def _write_again(pdu: Pdu) -> None:
    """A request that was read without complaint is written as it was, if it may be written."""
    try:
        octets = encode(pdu)
    except EncodeError:
        # Only 5.0 has messages of 255 octets; we read them but never write them.
        assert len(pdu.octets("short_message")) == 255
    else:
        assert decode(octets) == pdu
