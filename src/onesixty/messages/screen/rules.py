"""Numbers and senders, the text of an SMS, times: what every message is asked for."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from onesixty.messages.screen import channels
from onesixty.messages.types import Category, Channel, Encoding, Message, Refusal, SendRequest
from onesixty.records.snapshot import Account
from onesixty.smpp.data_coding import Alphabet as Coded
from onesixty.smpp.data_coding import Unit, describe
from onesixty.sms import numbers, segments
from onesixty.sms.alphabet import Encoding as Alphabet
from onesixty.sms.form import Form
from onesixty.sms.normalise import smart
from onesixty.sms.sender import SenderError, SenderKind, classify

SCHEDULE_MOST: Final = timedelta(days=400)
VALIDITY_MOST_SECONDS: Final = 7 * 86_400
_ENCODINGS: Final[dict[Alphabet, Encoding]] = {
    Alphabet.GSM7: Encoding.GSM7,
    Alphabet.UCS2: Encoding.UCS2,
    Alphabet.LATIN1: Encoding.LATIN1,
    Alphabet.BINARY: Encoding.BINARY,
}
_WANTED: Final[dict[str, segments.TextEncoding | None]] = {
    "auto": None,
    "gsm7": Alphabet.GSM7,
    "ucs2": Alphabet.UCS2,
}
# What an SMPP client gave with its data_coding: octets are counted in its unit, text is written in
# its alphabet.
_COUNTED: Final = {
    Unit.SEPTET: Alphabet.GSM7,
    Unit.CODE_UNIT: Alphabet.UCS2,
    Unit.OCTET: Alphabet.BINARY,
}
_WRITTEN: Final = {
    Coded.SMSC_DEFAULT: Alphabet.GSM7,
    Coded.GSM7: Alphabet.GSM7,
    Coded.ASCII: Alphabet.LATIN1,
    Coded.LATIN1: Alphabet.LATIN1,
    Coded.UCS2: Alphabet.UCS2,
}
CATEGORY_NAMES: Final = {category: category.name.lower() for category in Category}
_classify = lru_cache(4096)(classify)  # a customer has few senders and many messages


def address(message: Message, request: SendRequest, account: Account) -> Refusal | str | None:
    """Set recipient and sender; return the recipient's country or why not.

    The country is None when the number has none.
    """
    number = numbers.parse(request.to)
    if isinstance(number, numbers.NumberError):
        return Refusal("invalid_number", number.message, "/to")
    message.recipient = number.e164
    chat = request.channel is Channel.WHATSAPP
    if chat and not request.sender:
        return number.country or None  # from the number that the carrier has there
    sender = request.sender or account.default_sender
    if not sender:
        return Refusal(
            "sender_required", "give `from`, or set a default sender for the account", "/from"
        )
    checked = _classify(sender)
    if isinstance(checked, SenderError):
        return Refusal("invalid_sender", checked.message, "/from")
    if chat and checked.kind is not SenderKind.NUMBER:
        why = "WhatsApp messages are from a number: give one in E.164, or leave `from` out"
        return Refusal("invalid_sender", why, "/from")
    message.sender = checked.value
    return number.country or None


def compose(message: Message, request: SendRequest) -> Refusal | None:
    """Set channel, body, encoding and the number of segments."""
    if request.channel or request.content is not None:
        refusal = channels.check(request)
        if refusal is not None:
            return refusal
        message.channel = request.channel
        if request.channel:
            return channels.compose(message, request)
    if request.form is not None:
        return _compose_formed(message, request, request.form)
    body = request.body
    if not body:
        return Refusal("empty_body", "give a body with at least one character", "/body")
    if request.smart_encoding:
        body = smart(body)[0]
    try:
        encoding, count = segments.count(
            body, encoding=_WANTED[request.encoding], max_segments=request.max_segments
        )
    except segments.SegmentationError as error:
        return _not_segmented(error, "/body")
    message.body, message.encoding, message.segments = body, _ENCODINGS[encoding], count
    return None


def _compose_formed(message: Message, request: SendRequest, form: Form) -> Refusal | None:
    body = request.body
    pointer = "/body" if form.data is None else "/data"
    # A header can be the whole message (a sign that voice mail waits), a silent one needs none.
    if not (body or form.data or form.udh or form.protocol_id):
        return Refusal("empty_body", "give at least one character or octet", pointer)
    if request.smart_encoding:
        body = smart(body)[0]
    encoding: Alphabet | None = _WANTED[request.encoding]
    if form.data_coding is not None:
        coding = describe(form.data_coding)
        octets = form.data is not None
        encoding = _COUNTED[coding.unit] if octets else _WRITTEN.get(coding.alphabet)
        if encoding is None:
            why = f"no text is written in data_coding 0x{form.data_coding:02X}: give its octets"
            return Refusal("not_encodable", why, "/body")
    try:
        plan = form.plan(body, encoding, max_segments=request.max_segments)
    except segments.SegmentationError as error:
        return _not_segmented(error, pointer)
    message.body, message.form = body, form
    message.encoding, message.segments = _ENCODINGS[plan.encoding], plan.segments
    return None


def _not_segmented(error: segments.SegmentationError, pointer: str) -> Refusal:
    if error.code == "malformed_header":
        return Refusal("invalid_udh", str(error), "/udh")
    code = "not_encodable" if error.code == "not_encodable" else "body_too_long"
    return Refusal(code, str(error), pointer)


def time(message: Message, request: SendRequest, now: datetime) -> Refusal | None:
    """Set when it is due and when it is no longer wanted."""
    due = now
    if request.send_at is not None and request.send_at > now:
        if request.send_at - now > SCHEDULE_MOST:
            return Refusal(
                "send_at_out_of_range", "send_at is more than 400 days ahead", "/send_at"
            )
        message.send_at = due = request.send_at.astimezone(UTC)
    message.expires_at = due + timedelta(seconds=request.validity_seconds)
    return None
