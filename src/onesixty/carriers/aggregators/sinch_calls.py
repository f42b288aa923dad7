"""What Sinch tells by HTTP: delivery reports of both kinds, and messages from handsets."""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as NotBase64Error
from collections.abc import Mapping
from typing import Any, Final

from onesixty.carriers.content import MMS, SMS, Media
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    CarrierConfig,
    Inbound,
    News,
    Receipt,
    ReceiptState,
)
from onesixty.carriers.http import calls
from onesixty.kit import ids
from onesixty.sms import udh
from onesixty.sms.alphabet import Encoding
from onesixty.sms.form import Form
from onesixty.sms.reassembly import fragment

# The documentation writes `Delivered`, the official client `DELIVERED`.
STATES: Final = {
    "queued": ReceiptState.ENROUTE,
    "dispatched": ReceiptState.ENROUTE,
    "delivered": ReceiptState.DELIVERED,
    "failed": ReceiptState.UNDELIVERABLE,
    "rejected": ReceiptState.REJECTED,
    "aborted": ReceiptState.UNDELIVERABLE,  # it never reached the SMSC
    "expired": ReceiptState.EXPIRED,
    "deleted": ReceiptState.UNDELIVERABLE,  # by a remote SMSC: invalid number, or opted out
    "cancelled": ReceiptState.DELETED,
    "unknown": ReceiptState.UNKNOWN,
}
# Whose fault it is, by `code`; other numbers are those of the operator.
FAULTS: Final = calls.faults(
    recipient="402 415 416 417 418 300",
    content="15 62 411 414",
    config="60 310 405 408 410 412 413",
    throttle="64",
    carrier="403 404",
)
_NO_ERRORS: Final = ("", "0", "400", "401")  # delivered, queued, dispatched
_HEADER: Final = "x-sinch-webhook-signature"


class SinchCalls:
    """Told apart by the `type` of their body, whichever of our URLs is called."""

    def __init__(self, config: CarrierConfig) -> None:
        self._config = config
        self._secret: str = config.settings.get("webhook_secret") or ""

    async def read(self, call: Call) -> News:
        """Check the signature if there is a secret for it, then read."""
        if self._secret:
            self._check(call)
        told = calls.object_of(calls.json_of(call))
        kind = calls.words(told.get("type"))
        if kind.startswith("recipient_delivery_report"):
            return News(receipts=[self._receipt(call, told, told)])
        if kind.startswith("delivery_report"):
            statuses = calls.objects(told.get("statuses"))
            return News(receipts=[self._receipt(call, told, one) for one in statuses])
        if kind.startswith("mo_"):
            return News(inbounds=[self._inbound(call, told, kind)])
        return News()

    def _check(self, call: Call) -> None:
        names = (_HEADER, f"{_HEADER}-nonce", f"{_HEADER}-timestamp")
        given, nonce, timestamp = (call.headers.get(name, "") for name in names)
        signed = call.body + f".{nonce}.{timestamp}".encode()
        wanted = b64encode(hmac.digest(self._secret.encode(), signed, "sha256"))
        if not hmac.compare_digest(given.encode(), wanted):
            raise CallRefusedError("the signature of Sinch is missing or wrong")
        calls.check_fresh(timestamp, self._config.clock)

    def _receipt(self, call: Call, told: Mapping[str, Any], status: Mapping[str, Any]) -> Receipt:
        word, code = calls.words(status.get("status")), calls.words(status.get("code"))
        return calls.receipt(
            self._config,
            call,
            calls.words(told.get("batch_id")),
            STATES.get(word.lower(), ReceiptState.NONE),
            word=word,
            error="" if code in _NO_ERRORS else code,
            error_class=FAULTS.get(code, ""),
            sender=calls.e164(_recipient(status)),
            recipient=calls.e164(status.get("applied_originator")),
            network=calls.network(status.get("operator")),
            message_id=ids.from_hex(told.get("client_reference")),
        )

    def _inbound(self, call: Call, told: Mapping[str, Any], kind: str) -> Inbound:
        more: dict[str, Any] = {
            "sender": calls.e164(told.get("from")),
            "recipient": calls.e164(told.get("to")),
            "channel": SMS,
        }
        body = told.get("body")
        if kind == "mo_binary":
            header, data = _octets(told)
            part = fragment(header + data, Encoding.BINARY, udhi=bool(header))
            more["form"] = Form(udh=udh.build(part.elements)) if part.elements else None
        elif kind == "mo_media":
            media = calls.object_of(body)
            part = calls.text_fragment(calls.words(media.get("message")))
            files = (_file(one) for one in calls.objects(media.get("media")) if one.get("url"))
            more["channel"] = MMS
            more["content"] = calls.media_content(files, media.get("subject"))
        else:
            part = calls.text_fragment(calls.words(body))
        return calls.inbound(self._config, call, calls.words(told.get("id")), part, **more)


def _recipient(status: Mapping[str, Any]) -> object:
    """Of a report for one recipient, or of a batch's report that names the only one."""
    listed = status.get("recipients")
    if isinstance(listed, list) and len(listed) == 1:
        return listed[0]
    return status.get("recipient")


def _octets(told: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Header and data of a binary message."""
    try:
        data = b64decode(calls.words(told.get("body")), validate=True)
        header = bytes.fromhex(calls.words(told.get("udh")))
    except (NotBase64Error, ValueError):
        raise CallRefusedError("the binary message cannot be read", 400) from None
    return header, data


def _file(one: Mapping[str, Any]) -> Media:
    kind = one.get("content_type")
    return Media(calls.words(one["url"]), kind if isinstance(kind, str) else None)
