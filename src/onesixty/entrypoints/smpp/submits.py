"""Reading submit_sm, submit_multi and data_sm: PDUs become SendRequests, or are refused.

Text is decoded, since everything inside is Unicode. What is more than text stays as it came, in the
`form` of the message: its header (UDH, or SAR parameters and ports, which become one), binary data,
message class, protocol identifier. Parts of a long message are messages of their own.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from onesixty.entrypoints.smpp import addresses
from onesixty.messages.screen import VALIDITY_MOST_SECONDS
from onesixty.messages.types import Category, SendRequest
from onesixty.records.esmes import EsmeRecord
from onesixty.smpp.data_coding import Alphabet, DataCoding, decode_text, describe
from onesixty.smpp.pdus import Command, Pdu, Tag
from onesixty.smpp.receipts import UDHI
from onesixty.smpp.statuses import Status
from onesixty.smpp.times import TimeFieldError, delivery_times
from onesixty.sms import udh
from onesixty.sms.alphabet import GSM7
from onesixty.sms.form import Form

PRIORITY_MOST: Final = 3
_TEXTS: Final = {0x00: "auto", 0x01: "auto", 0x03: "auto", 0x08: "ucs2"}  # see _content
FLASH_SUBUNIT: Final = 1  # dest_addr_subunit: shown at once
_CATEGORIES: Final = {category.name.lower(): category for category in Category}
# At least so urgent; only the setting of an ESME makes an emergency.
_URGENT: Final = (Category.MARKETING, Category.TRANSACTIONAL, Category.OTP, Category.OTP)
_MEANT: Final = {
    "gsm7": Alphabet.GSM7,
    "latin1": Alphabet.LATIN1,
    "ascii": Alphabet.ASCII,
}
_NO_IA5: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # control characters but TAB, LF, CR
_ESCAPE: Final = b"\x1b"  # of the GSM alphabet: the next septet is from another table


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a request is refused: its command_status, and a sentence for the log."""

    status: int
    detail: str


Addressed = tuple[int, int, str]  # TON, NPI and address as given


def read(pdu: Pdu, esme: EsmeRecord, now: datetime) -> SendRequest | Objection:
    """One message: a submit_sm, or a data_sm."""
    fields: dict[str, Any] = pdu.fields
    to = (fields["dest_addr_ton"], fields["dest_addr_npi"], fields["destination_addr"])
    common = read_common(pdu, esme, now)
    return common if isinstance(common, Objection) else addressed(common, to, esme)


def addressed(request: SendRequest, to: Addressed, esme: EsmeRecord) -> SendRequest:
    """The request with its recipient filled in."""
    request.to = addresses.recipient(to[0], to[2], esme.settings.country)
    if request.origin is not None:
        request.origin["destination"] = to
    return request


def read_common(pdu: Pdu, esme: EsmeRecord, now: datetime) -> SendRequest | Objection:
    """All of a message but its recipient, which submit_multi has many of."""
    fields: dict[str, Any] = pdu.fields
    settings = esme.settings
    source = fields["source_addr_ton"], fields["source_addr_npi"], fields["source_addr"]
    sender = addresses.source(source[0], source[2], settings.country)
    if settings.allowed_senders is not None and sender not in settings.allowed_senders:
        allowed = sender is None and not source[2]  # the default sender of the account
        if not allowed:
            return Objection(Status.RINVSRCADR, "the sender is not one of allowed_senders")
    content = _content(pdu, settings.data_coding_0)
    if isinstance(content, Objection):
        return content
    request = SendRequest(
        to="",
        body=content[0],
        sender=sender,
        category=_CATEGORIES[settings.default_category],
        encoding=content[1],
        tags=settings.tags,
        form=content[2],
        origin=_origin(pdu, esme.id, source),
    )
    return _wishes(pdu, request, now) or request


def text_of(octets: bytes, data_coding: int, meaning: str) -> str | None:
    """The text of user data without its header; None when it is binary, or cannot be read.

    `meaning` is what data_coding 0 stands for. Octets above 0x7F where there can be none are read
    as Latin-1: that is what their sender speaks. So is IA5 with octets that stand for no character
    of a text: npm's smpp, for one, gives the GSM alphabet the number of IA5.
    """
    coding = describe(data_coding)
    alphabet = coding.alphabet
    if alphabet is Alphabet.SMSC_DEFAULT:
        alphabet = _MEANT[meaning]
    if alphabet is Alphabet.ASCII and _NO_IA5.search(octets.rstrip(b"\0")):
        alphabet = Alphabet.GSM7
    if coding.compressed:
        return None
    if alphabet is Alphabet.GSM7:
        text = GSM7.decode(octets) if octets.isascii() else octets.decode("latin-1")
    else:
        decoded = decode_text(alphabet, octets)
        if decoded is None or not decoded[1]:
            return None
        text = decoded[0]
    return text.replace("\0", "") if "\0" in text else text


def _content(pdu: Pdu, meaning: str) -> tuple[str, str, Form | None] | Objection:
    """Text, its encoding as a SendRequest has it, and the form when it is more than text."""
    fields: dict[str, Any] = pdu.fields
    data_coding: int = fields["data_coding"]
    octets = pdu.user_data()
    if data_coding in _TEXTS and not (
        pdu.tlvs or fields["esm_class"] & UDHI or fields.get("protocol_id") or not octets
    ):  # as most are: what follows would find the same, slower
        text = text_of(octets, data_coding, meaning)
        if text is not None:
            return text, _TEXTS[data_coding], None
    if not octets and fields.get("sm_default_msg_id"):
        return Objection(Status.RINVDFTMSGID, "there are no predefined messages")
    if pdu.tlvs and fields.get("short_message") and pdu.tlv(Tag.MESSAGE_PAYLOAD) is not None:
        return Objection(Status.RINVMSGLEN, "both short_message and message_payload are given")
    header = _header(pdu, octets)
    if isinstance(header, Objection):
        return header
    if fields["esm_class"] & UDHI:
        octets = octets[len(header) :]
    coding = describe(data_coding)
    text = None if header and _is_cut(header, octets) else text_of(octets, data_coding, meaning)
    if text is None and coding.alphabet is Alphabet.UCS2 and not header:
        return Objection(Status.RINVMSGLEN, "this is not UTF-16")
    form = _form(pdu, header, None if text is not None else octets, coding)
    encoding = "ucs2" if coding.alphabet is Alphabet.UCS2 and text is not None else "auto"
    return text or "", encoding, form


def _is_cut(header: bytes, octets: bytes) -> bool:
    """Whether the text of a part has a meaning only beside its header, or beside the next part."""
    found = udh.parse(header + b"\0")
    shifted = found is not None and bool(found[0].locking or found[0].single)
    return shifted or octets.endswith(_ESCAPE)


def _header(pdu: Pdu, octets: bytes) -> bytes | Objection:
    """The user data header: as it came, or made of TLVs that say the same."""
    if pdu.number("esm_class") & UDHI:
        found = udh.parse(octets)
        if found is None:
            return Objection(Status.RINVESMCLASS, "UDHI is set, and there is no header")
        return octets[: octets[0] + 1]
    if not pdu.tlvs:
        return b""
    elements = b""
    reference, total, sequence = (
        pdu.tlv_integer(tag)
        for tag in (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)
    )
    if reference is not None and total is not None and sequence is not None and total > 1:
        if not 1 <= sequence <= total:
            return Objection(Status.RINVOPTPARAMVAL, "there is no such segment")
        elements += udh.concatenation(reference, total, sequence, 8 if reference < 256 else 16)
    to_port, from_port = (pdu.tlv_integer(tag) for tag in (Tag.DESTINATION_PORT, Tag.SOURCE_PORT))
    if to_port is not None:
        elements += udh.ports(to_port, from_port or 0)
    return udh.build(elements)


def _form(pdu: Pdu, header: bytes, data: bytes | None, coding: DataCoding) -> Form | None:
    """The form of a message; None when it is plain text."""
    given: int = pdu.number("data_coding")
    kind = coding.message_class
    message_class = None if kind is None else kind.value
    if pdu.tlvs and pdu.tlv_integer(Tag.DEST_ADDR_SUBUNIT) == FLASH_SUBUNIT:
        message_class = 0
    protocol_id = pdu.number("protocol_id")
    as_given = given if data is not None or coding.message_waiting else None
    if not header and data is None and message_class is None and not protocol_id:
        return Form(data_coding=as_given) if as_given is not None else None
    return Form(header, data, as_given, message_class, protocol_id)


def _origin(pdu: Pdu, esme_id: int, source: Addressed) -> dict[str, Any]:
    """What is kept of the PDU for receipts, and for replace_sm."""
    fields: dict[str, Any] = pdu.fields
    origin = {
        "esme": esme_id,
        "registered": fields["registered_delivery"] & 0x1F,
        "source": source,
        "destination": None,
        "reference": pdu.tlv_integer(Tag.USER_MESSAGE_REFERENCE) if pdu.tlvs else None,
    }
    if fields["service_type"]:
        origin["service"] = fields["service_type"]
    if fields["data_coding"]:
        origin["data_coding"] = fields["data_coding"]
    return origin


def _wishes(pdu: Pdu, request: SendRequest, now: datetime) -> Objection | None:
    """Fill in priority and times."""
    fields: dict[str, Any] = pdu.fields
    priority: int = fields.get("priority_flag", 0)
    if priority:
        if priority > PRIORITY_MOST:
            return Objection(Status.RINVPRTFLG, f"there is no priority {priority}")
        request.category = min(request.category, _URGENT[priority])
    schedule: str = fields.get("schedule_delivery_time", "")
    validity: str = fields.get("validity_period", "")
    if schedule or validity:
        try:
            times = delivery_times(schedule, validity, now, lenient=True)
        except TimeFieldError as error:
            return Objection(error.status, str(error))
        request.send_at = times.deliver_at
        if times.expire_at is not None:
            seconds = (times.expire_at - (times.deliver_at or now)).total_seconds()
            request.validity_seconds = max(1, min(int(seconds), VALIDITY_MOST_SECONDS))
    elif pdu.command == Command.DATA_SM:
        seconds = pdu.tlv_integer(Tag.QOS_TIME_TO_LIVE) or 0
        if seconds:
            request.validity_seconds = min(seconds, VALIDITY_MOST_SECONDS)
    return None
