"""Writing deliver_sm: receipts for what an ESME submitted, and messages to its numbers."""

from typing import Any, Final

from onesixty.entrypoints.smpp import message_ids
from onesixty.features.esme_delivery.notices import InboundNotice, ReceiptNotice
from onesixty.messages.states import Status
from onesixty.records.esmes import EsmeSettings
from onesixty.smpp import statuses
from onesixty.smpp.pdus import Command, FieldValue, Pdu, Tag, Tlv
from onesixty.smpp.receipts import UDHI, MessageState, build_receipt
from onesixty.smpp.tlvs import integer_tlv
from onesixty.sms import segments
from onesixty.sms.alphabet import Encoding
from onesixty.sms.form import Form
from onesixty.sms.segments import Concatenation, SegmentationError

_FIRST_WITH_TLVS: Final = 0x34
_STATES: Final = {
    Status.SENT: MessageState.ENROUTE,
    Status.DELIVERED: MessageState.DELIVERED,
    Status.READ: MessageState.DELIVERED,
    Status.UNDELIVERED: MessageState.UNDELIVERABLE,
    Status.FAILED: MessageState.REJECTED,
    Status.EXPIRED: MessageState.EXPIRED,
    Status.CANCELED: MessageState.DELETED,
}
# The carrier's word, where a status of ours has less of them.
_NAMED: Final = {
    "rejected_at_carrier": MessageState.REJECTED,
    "deleted_at_carrier": MessageState.DELETED,
}
_FAILURES: Final = (Status.UNDELIVERED, Status.FAILED, Status.EXPIRED)
_CLASSES: Final = {Encoding.GSM7: 0x10, Encoding.UCS2: 0x18, Encoding.BINARY: 0xF4}
_PLAIN: Final = Form()
_SMPP_ERROR: Final = 7  # type of network_error_code (SMPP 5.0, 4.8.4.42)
_TLV_MOST: Final = 0xFFFF
_SHORT_CODE_MOST: Final = 8  # digits


def receipt(notice: ReceiptNotice, settings: EsmeSettings, version: int) -> Pdu:
    """The deliver_sm that tells of a message, its addresses as the client gave them."""
    origin = notice.origin
    fields, tlvs = build_receipt(
        message_ids.shown(notice.message_id, settings.id_form, origin),
        _state(notice),
        submitted=notice.submitted_at,
        done=notice.done_at,
        error=_error(notice),
        text=notice.text,
    )
    form = settings.receipt_form if version >= _FIRST_WITH_TLVS else "text"
    if form == "tlv":
        fields["short_message"] = b""
    if form == "text":
        tlvs = []
    elif (reference := origin.get("reference")) is not None:
        tlvs.append(integer_tlv(Tag.USER_MESSAGE_REFERENCE, reference))
    fields["service_type"] = origin.get("service", "")
    fields |= _addressed(origin["destination"], origin["source"])
    return Pdu(Command.DELIVER_SM, fields=fields, tlvs=tlvs)


def inbound(notice: InboundNotice, settings: EsmeSettings, version: int) -> list[Pdu]:
    """The deliver_sm of a message from a handset: one, or one for each part of a long message.

    Raises SegmentationError when it cannot be cut.
    """
    form = notice.form or _PLAIN
    plan = _plan(notice, form, settings)
    fields = _addressed(_address(notice.sender), _address(notice.recipient))
    fields["data_coding"] = _data_coding(form, plan.encoding, settings)
    fields["protocol_id"] = form.protocol_id
    if len(plan.pieces) > 1 and settings.long_inbound == "payload" and version >= _FIRST_WITH_TLVS:
        fields["esm_class"] = UDHI if form.udh else 0
        payload = Tlv(Tag.MESSAGE_PAYLOAD, form.udh + b"".join(plan.pieces))
        return [Pdu(Command.DELIVER_SM, fields=fields, tlvs=[payload])]
    return [
        Pdu(
            Command.DELIVER_SM,
            fields={
                **fields,
                "esm_class": UDHI if part.udh else 0,
                "short_message": part.user_data,
            },
        )
        for part in segments.parts(plan, notice.message_id.int & 0xFF)
    ]


def _state(notice: ReceiptNotice) -> MessageState:
    if notice.status is Status.UNDELIVERED:
        return _NAMED.get(notice.error_code or "", MessageState.UNDELIVERABLE)
    return _STATES[notice.status]


def _error(notice: ReceiptNotice) -> int | str:
    """The carrier's code; that of a refused submit is its command_status."""
    code = notice.carrier_code
    if code is None or notice.status not in _FAILURES:
        return 0
    status = _status(code) if notice.status is Status.FAILED else None
    return code if status is None or status > _TLV_MOST else f"{_SMPP_ERROR}:{status}"


def _status(name: str) -> int | None:
    if name[:2] == "0x":
        return int(name, 16)
    return _BY_NAME.get(name)


_BY_NAME: Final = {name: code for code, spec in statuses.STATUSES.items() for name in spec.names}


def _addressed(source: Any, destination: Any) -> dict[str, FieldValue]:
    return {
        "source_addr_ton": source[0],
        "source_addr_npi": source[1],
        "source_addr": source[2],
        "dest_addr_ton": destination[0],
        "dest_addr_npi": destination[1],
        "destination_addr": destination[2],
    }


def _address(text: str) -> tuple[int, int, str]:
    """TON, NPI and address of a number or name as we have it."""
    if text[:1] == "+":
        return 1, 1, text[1:]
    if not text:
        return 0, 0, ""
    if text.isdigit():
        return (3, 0, text) if len(text) <= _SHORT_CODE_MOST else (0, 1, text)
    return 5, 0, text


def _plan(notice: InboundNotice, form: Form, settings: EsmeSettings) -> segments.Plan:
    if form.data is not None:
        return segments.plan_octets(form.data, header=form.udh, max_segments=segments.MAX_PARTS)
    encoding: segments.TextEncoding | None = None
    if settings.data_coding_0 == "latin1" and _fits(notice.text, "latin-1"):
        encoding = Encoding.LATIN1
    elif settings.data_coding_0 == "ascii":  # as Latin-1 it has the same octets
        encoding = Encoding.LATIN1 if notice.text.isascii() else Encoding.UCS2
    elif settings.data_coding_0 != "gsm7":
        encoding = Encoding.UCS2
    try:
        return _cut(notice.text, encoding, form.udh)
    except SegmentationError:
        if encoding is Encoding.UCS2:
            raise
        return _cut(notice.text, Encoding.UCS2, form.udh)


def _cut(text: str, encoding: segments.TextEncoding | None, header: bytes) -> segments.Plan:
    return segments.plan(
        text,
        encoding=encoding,
        header=header,
        concatenation=Concatenation.UDH8,
        max_segments=segments.MAX_PARTS,
    )


def _fits(text: str, codec: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def _data_coding(form: Form, encoding: Encoding, settings: EsmeSettings) -> int:
    if form.data_coding is not None and form.data is not None:
        return form.data_coding
    if form.message_class is not None and encoding in _CLASSES:
        return _CLASSES[encoding] | form.message_class
    if encoding is Encoding.LATIN1:
        return 0  # what its data_coding 0 means
    return encoding.data_coding
