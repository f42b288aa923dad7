"""Between messages and PDUs, as one carrier's settings want it. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from onesixty.carriers.contract import Inbound, Question, Receipt, Submission
from onesixty.carriers.smpp.receipts import Arrival, receipt, told
from onesixty.carriers.smpp.rules import Alphabets, Numbering, receipt_options, tlvs
from onesixty.kit.chance import Chance
from onesixty.smpp import data_coding, receipts, times
from onesixty.smpp.message_ids import IdForm, match_key
from onesixty.smpp.pdus import Command, Pdu, Tag, Tlv
from onesixty.sms import packing, segments, udh
from onesixty.sms.alphabet import Encoding
from onesixty.sms.form import FLASH, Form
from onesixty.sms.reassembly import Fragment, fragment

REFERENCES_MOST: Final = 65_536  # destinations whose last concatenation reference is remembered
_ENCODINGS: Final[dict[str, segments.TextEncoding]] = {
    "gsm7": Encoding.GSM7,
    "ucs2": Encoding.UCS2,
    "latin1": Encoding.LATIN1,
}
_PLAIN: Final = Form()
# data_coding of message class 0 (TS 23.038 clause 4); that of 8-bit data is the one that
# every SMSC knows, in the group of classes.
_CLASSES: Final = {Encoding.GSM7: 0x10, Encoding.UCS2: 0x18, Encoding.BINARY: 0xF4}
_CLASSES_F0: Final = _CLASSES | {Encoding.GSM7: 0xF0}
_ON_DISPLAY: Final = Tlv(Tag.DEST_ADDR_SUBUNIT, b"\x01")
_PROGRESS: Final = 0x10  # of registered_delivery: intermediate notifications too
_BY_TLVS: Final = (segments.Concatenation.SAR, segments.Concatenation.PAYLOAD)
_UDHI: Final = 0x40


class PduBuilder:
    """Writes submit_sm PDUs and reads deliver_sm PDUs for one carrier."""

    def __init__(self, carrier_id: int, settings: Mapping[str, Any], chance: Chance) -> None:
        self._carrier_id, self._s = carrier_id, settings
        self._concatenation = segments.Concatenation(settings["concatenation"])
        if settings["interface_version"] == "3.3" and self._concatenation in _BY_TLVS:
            raise ValueError("SMPP 3.3 has no TLVs: choose udh8 or udh16 as concatenation")
        self._answer_form = IdForm(settings["answer_id_form"])
        self._receipt_form = IdForm(settings["receipt_id_form"])
        self._registered = 1 if settings["receipts"] else 0
        if settings["intermediate_receipts"]:
            self._registered |= _PROGRESS
        self._last_only = settings["receipts_of"] == "last_part"
        self._options = receipt_options(settings)
        self._numbering, self._alphabets = Numbering(settings), Alphabets(settings)
        self._tlvs, self._flash = tlvs(settings), settings["flash"]
        self._classes = _CLASSES_F0 if self._flash == "data_coding_f0" else _CLASSES
        self._first_reference = chance.randrange(65_536)
        self._references: dict[tuple[str, str], int] = {}
        self._by_message: dict[UUID, int] = {}

    def submits(self, one: Submission, now: datetime) -> dict[int, Pdu]:
        """One submit_sm for each part that the carrier does not have yet, by its number."""
        plan = self._plan(one)
        fields = self._fields(one, plan.encoding, now)
        total = len(plan.pieces)
        as_is = self._alphabets.is_usual or plan.encoding is not Encoding.GSM7 or _is_data(one)
        if total == 1 and not plan.elements:
            piece = plan.pieces[0]
            data = piece if as_is else self._alphabets.octets(one, b"", piece)
            return {1: self._pdu(fields, data, self._own_tlvs(one), 0)}
        reference = self._next_reference(one) if total > 1 else 0
        pdus = {}
        for part in segments.parts(plan, reference):
            if part.sequence in one.accepted:
                continue
            if self._last_only:
                fields["registered_delivery"] = self._registered * (part.sequence == total)
            tlvs = self._own_tlvs(one)
            if plan.concatenation is segments.Concatenation.SAR and total > 1:
                tlvs += (
                    Tlv(Tag.SAR_MSG_REF_NUM, (reference & 0xFFFF).to_bytes(2, "big")),
                    Tlv(Tag.SAR_TOTAL_SEGMENTS, bytes((total,))),
                    Tlv(Tag.SAR_SEGMENT_SEQNUM, bytes((part.sequence,))),
                )
            udhi = _UDHI if part.udh else 0
            data = part.data if as_is else self._alphabets.octets(one, part.udh, part.data)
            pdus[part.sequence] = self._pdu(fields, part.udh + data, tlvs, udhi)
        return pdus

    def key(self, message_id: str, *, is_last: bool = True) -> str:
        """The normal form of an id from a submit_sm_resp; "" where no receipt was asked for."""
        if self._last_only and not is_last:
            return ""
        return match_key(message_id, self._answer_form)

    def is_receipt(self, pdu: Pdu) -> bool:
        """Whether a deliver_sm or data_sm tells of a message of ours."""
        return receipts.is_receipt(pdu, self._options)

    def receipt(self, pdu: Pdu, now: datetime, respond: Callable[[Pdu, int], None]) -> Receipt:
        """A receipt as the walk knows it."""
        parsed = receipts.parse_receipt(pdu, self._options)
        sender, recipient = pdu.text("source_addr"), pdu.text("destination_addr")
        arrival = Arrival(now, sender, recipient, partial(_acknowledge, respond, pdu))
        return receipt(self._carrier_id, parsed, self._receipt_form, arrival)

    def query(self, question: Question) -> Pdu:
        """A query_sm; the SMSC compares the source address with that of the submit (4.8.1)."""
        source = self._numbering.source(question.sender)
        return Pdu(Command.QUERY_SM, fields={"message_id": question.carrier_message_id, **source})

    def told(self, question: Question, pdu: Pdu, now: datetime) -> Receipt:
        """What a query_sm_resp says, as a receipt; nobody waits for its acknowledgement."""
        return told(self._carrier_id, question, pdu, now)

    def inbound(self, pdu: Pdu, now: datetime, respond: Callable[[Pdu, int], None]) -> Inbound:
        """A message from a handset, or one part of it."""
        coding = data_coding.describe(pdu.number("data_coding"))
        encoding = self._received(coding)
        reference = pdu.tlv_integer(Tag.SAR_MSG_REF_NUM)
        total, sequence = (
            pdu.tlv_integer(Tag.SAR_TOTAL_SEGMENTS),
            pdu.tlv_integer(Tag.SAR_SEGMENT_SEQNUM),
        )
        sar = (reference, total, sequence) if reference is not None and total and sequence else None
        udhi = bool(pdu.number("esm_class") & _UDHI)
        octets = pdu.user_data()
        part = fragment(octets, encoding, udhi=udhi, sar=sar)
        if self._s["gsm7_packed"] and encoding is Encoding.GSM7:
            fill = packing.fill_bits(len(octets) - len(part.octets))
            part = replace(part, octets=packing.unpack(part.octets, fill))
        return Inbound(
            carrier_id=self._carrier_id,
            sender=international(pdu.text("source_addr"), pdu.number("source_addr_ton")),
            recipient=international(pdu.text("destination_addr"), pdu.number("dest_addr_ton")),
            fragment=part,
            received_at=now,
            acknowledge=partial(_acknowledge, respond, pdu),
            form=_form(pdu, coding, part),
        )

    def _received(self, coding: data_coding.DataCoding) -> Encoding:
        if coding.compressed:
            return Encoding.BINARY
        if coding.alphabet is data_coding.Alphabet.SMSC_DEFAULT:
            return Encoding(self._s["default_alphabet"])
        return _RECEIVED[coding.alphabet]

    def _plan(self, one: Submission) -> segments.Plan:
        if one.form:
            encoding = Encoding(self._alphabets.encoding(one))
            return one.form.plan(one.body, encoding, concatenation=self._concatenation)
        return segments.plan(
            one.body,
            encoding=_ENCODINGS[self._alphabets.encoding(one)],
            concatenation=self._concatenation,
            max_segments=255,
        )

    def _fields(self, one: Submission, encoding: Encoding, now: datetime) -> dict[str, Any]:
        s, form = self._s, one.form or _PLAIN
        return {
            "service_type": s["service_type"],
            **self._numbering.source(one.sender),
            **self._numbering.destination(one.recipient),
            "protocol_id": form.protocol_id,
            "validity_period": self._validity(one.expires_at, now),
            "registered_delivery": self._registered,
            "data_coding": self._data_coding(form, encoding),
        }

    def _data_coding(self, form: Form, encoding: Encoding) -> int:
        if form.data_coding is not None:
            return form.data_coding
        kind = form.message_class
        if kind is not None and encoding in self._classes and not self._shows_by_tlv(form):
            return self._classes[encoding] | kind
        return self._alphabets.codings.get(encoding, encoding.data_coding)

    def _shows_by_tlv(self, form: Form) -> bool:
        return form.message_class == FLASH and self._flash == "dest_addr_subunit"

    def _own_tlvs(self, one: Submission) -> tuple[Tlv, ...]:
        if one.form and self._shows_by_tlv(one.form):
            return (*self._tlvs, _ON_DISPLAY)
        return self._tlvs

    def _pdu(
        self, fields: dict[str, Any], user_data: bytes, tlvs: tuple[Tlv, ...], esm_class: int
    ) -> Pdu:
        # What has a header of its own is cut here, also for a carrier that cuts plain text.
        whole = self._concatenation is segments.Concatenation.PAYLOAD and not esm_class
        if whole or len(user_data) > 254:
            payload = Tlv(Tag.MESSAGE_PAYLOAD, user_data)
            return Pdu(
                Command.SUBMIT_SM, fields={**fields, "esm_class": esm_class}, tlvs=[payload, *tlvs]
            )
        return Pdu(
            Command.SUBMIT_SM,
            fields={**fields, "esm_class": esm_class, "short_message": user_data},
            tlvs=list(tlvs),
        )

    def _validity(self, expires_at: datetime, now: datetime) -> str:
        form = self._s["validity"]
        if form == "none":
            return ""
        if form == "absolute":
            return times.encode_absolute(expires_at)
        return _relative(max(1, int((expires_at - now).total_seconds())))

    def _next_reference(self, one: Submission) -> int:
        # Parts of two messages to one handset must not share a reference, so it counts up for each
        # pair of addresses. A later attempt goes on with the parts that are missing, under the
        # reference of the first.
        if one.message_id in self._by_message:
            return self._by_message[one.message_id]
        pair = (one.sender or "", one.recipient)
        reference = self._references.pop(pair, self._first_reference) + 1 & 0xFFFF
        _remember(self._references, pair, reference)
        _remember(self._by_message, one.message_id, reference)
        return reference


def _form(pdu: Pdu, coding: data_coding.DataCoding, part: Fragment) -> Form | None:
    """What came beside the text of a deliver_sm; None where there was nothing."""
    kind = coding.message_class
    form = Form(
        udh=udh.build(part.elements),
        data_coding=pdu.number("data_coding") or None,
        message_class=None if kind is None else kind.value,
        protocol_id=pdu.number("protocol_id"),
    )
    return None if form == _PLAIN else form


def _is_data(one: Submission) -> bool:
    return one.form is not None and one.form.data is not None


def _remember(known: dict[Any, int], key: object, reference: int) -> None:
    if len(known) >= REFERENCES_MOST:
        del known[next(iter(known))]
    known[key] = reference


def international(address: str, ton: int) -> str:
    """An address as E.164 with + where its type of number says that it is one."""
    digits = address.lstrip("+")
    if digits.isdigit() and (ton == 1 or address[:1] == "+" or (ton == 0 and len(digits) > 8)):
        return "+" + digits
    return address


def _relative(seconds: int) -> str:
    # Most messages of a second have the same validity: formatting it once is enough.
    text = _relative_texts.get(seconds)
    if text is None:
        days, rest = divmod(min(seconds, 99 * 86_400), 86_400)
        text = f"0000{days:02d}{rest // 3600:02d}{rest % 3600 // 60:02d}{rest % 60:02d}000R"
        if len(_relative_texts) > 1000:
            _relative_texts.clear()
        _relative_texts[seconds] = text
    return text


def _acknowledge(respond: Callable[[Pdu, int], None], pdu: Pdu, stored: bool) -> None:
    respond(pdu, 0 if stored else 0x64)  # ESME_RX_T_APPN: bring it again later


_relative_texts: dict[int, str] = {}
_RECEIVED: Final = {
    data_coding.Alphabet.GSM7: Encoding.GSM7,
    data_coding.Alphabet.BINARY: Encoding.BINARY,
    data_coding.Alphabet.UCS2: Encoding.UCS2,
    data_coding.Alphabet.LATIN1: Encoding.LATIN1,
    data_coding.Alphabet.ASCII: Encoding.ASCII,
    data_coding.Alphabet.JIS: Encoding.JIS,
    data_coding.Alphabet.CYRILLIC: Encoding.CYRILLIC,
    data_coding.Alphabet.HEBREW: Encoding.HEBREW,
    data_coding.Alphabet.ISO_2022_JP: Encoding.ISO_2022_JP,
    data_coding.Alphabet.KOREAN: Encoding.KOREAN,
}
