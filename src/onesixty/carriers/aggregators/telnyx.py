"""Telnyx: `POST /v2/messages`, its error codes, its signed webhooks."""

from base64 import b64decode
from binascii import Error as NotBase64Error
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from onesixty.carriers.content import MMS, SMS, Media
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    CarrierConfig,
    CarrierSpec,
    Inbound,
    News,
    Price,
    Receipt,
    ReceiptState,
    SettingField,
    Submission,
)
from onesixty.carriers.http import calls
from onesixty.carriers.http.carrier import HttpCarrier
from onesixty.carriers.http.dialect import (
    Answer,
    Ask,
    Request,
    Verdict,
    accepted,
    by_code,
    by_status,
    class_of,
    config,
    content,
    opted_out,
    recipient,
    throttled,
    transient,
    unknown,
)
from onesixty.carriers.http.settings import FIELDS
from onesixty.kit import ids

BASE_URL: Final = "https://api.telnyx.com"
Maker = Callable[[str, str], Verdict]
CLASSES: Final[tuple[tuple[Maker, tuple[str, ...]], ...]] = (
    # not routable, rejected by the destination, undeliverable, invalid
    (recipient, ("10002", "40001", "40004", "40008", "40012", "40310")),
    (opted_out, ("40300",)),  # STOP
    # spam for good, our text, the internal spam filter
    (content, ("40003", "40009", "40015")),
    # credentials, permission, account, sender, profile, spending limit
    (config, ("10001", "10003", "10004", "10005", "10006", "10009", "10010", "10015", "40002",
              "40013", "40305", "40306", "40315", "40333")),
    (throttled, ("10011", "40011", "40014", "40318")),
    (transient, ("10007", "40006", "40007")),
    (unknown, ("10008",)),
)  # fmt: skip
CODES: Final[Mapping[str, Maker]] = {code: made for made, codes in CLASSES for code in codes}
STATES: Final = {
    "queued": ReceiptState.ENROUTE,
    "sending": ReceiptState.ENROUTE,
    "sent": ReceiptState.ENROUTE,
    "delivered": ReceiptState.DELIVERED,
    "delivery_unconfirmed": ReceiptState.UNKNOWN,
    "delivery_failed": ReceiptState.UNDELIVERABLE,
    "sending_failed": ReceiptState.REJECTED,  # it never left Telnyx
    "expired": ReceiptState.EXPIRED,
    "read": ReceiptState.READ,
}
EXPIRED_CODE: Final = "40005"  # comes with the word of any failure


class TelnyxDialect:
    """Requests and answers of `/v2/messages`."""

    def __init__(self, config: CarrierConfig, ask: Ask) -> None:
        self._ask, self._clock = ask, config.clock
        self._callback_url = config.callback_url
        settings = config.settings
        self._base: str = settings["base_url"].rstrip("/")
        self._profile: str | None = settings.get("messaging_profile_id")
        self._headers = {"authorization": f"Bearer {settings['api_key']}"}

    async def request(self, one: Submission) -> Request:
        """Webhooks come to a URL that names our message, for the API has no field for that."""
        message: dict[str, Any] = {"to": one.recipient, "type": "SMS"}
        if one.sender:
            message["from"] = one.sender
        is_number = one.sender and one.sender.removeprefix("+").isdecimal()
        if not is_number and not self._profile:
            raise ValueError(
                "Telnyx sends with a name, or with a number of its pool, only with the setting"
                " messaging_profile_id"
            )
        if self._profile:
            message["messaging_profile_id"] = self._profile
        if one.form:
            raise ValueError(
                "Telnyx takes plain text and media, no headers, binary data or classes"
            )
        if one.channel == MMS:
            message |= _media(one)
        if one.body:
            message["text"] = one.body
        if self._callback_url:
            message["webhook_url"] = f"{self._callback_url}/status?message_id={one.message_id.hex}"
        headers = {**self._headers, "content-type": "application/json"}
        return Request("POST", f"{self._base}/v2/messages", headers, orjson.dumps(message))

    def read(self, one: Submission, answer: Answer) -> Verdict:
        """200 with `data`, or `errors`."""
        told = calls.object_of(answer.json())
        if answer.status in (200, 201, 202):
            data = calls.object_of(told.get("data"))
            identifier, cost = data.get("id"), calls.object_of(data.get("cost"))
            if not isinstance(identifier, str) or not identifier:
                return unknown(str(answer.status), "Telnyx took it and named no message")
            price = Price.of(cost.get("amount"), cost.get("currency"))
            return accepted(identifier, price=price)
        errors = calls.objects(told.get("errors"))
        if not errors:
            return by_status(answer, clock=self._clock, is_theirs=False)
        first = errors[0]
        code = calls.words(first.get("code"))
        detail = calls.words(first.get("detail") or first.get("title"))
        return by_code(CODES, code, answer, clock=self._clock, detail=detail)

    async def check(self) -> str | None:
        """List one messaging profile."""
        url = f"{self._base}/v2/messaging_profiles?page%5Bsize%5D=1"
        answer = await self._ask(Request("GET", url, self._headers))
        if answer.status in (401, 403):
            return f"Telnyx answers HTTP {answer.status}: check api_key and what it may do"
        return None if answer.status == 200 else f"Telnyx answers HTTP {answer.status}"


class TelnyxCalls:
    """Told apart by `event_type`, whichever of our URLs is called."""

    def __init__(self, config: CarrierConfig) -> None:
        self._config = config
        self._key = _public_key(config.settings)

    async def read(self, call: Call) -> News:
        """Check the signature, then read."""
        self._check(call)
        event = calls.object_of(calls.object_of(calls.json_of(call)).get("data"))
        kind, payload = event.get("event_type"), calls.object_of(event.get("payload"))
        if kind == "message.received":
            return News(inbounds=[self._inbound(call, payload)])
        if kind in ("message.sent", "message.finalized"):
            return News(receipts=[self._receipt(call, payload)])
        return News()

    def _check(self, call: Call) -> None:
        timestamp = call.headers.get("telnyx-timestamp", "")
        try:
            signature = b64decode(call.headers.get("telnyx-signature-ed25519", ""), validate=True)
            self._key.verify(signature, f"{timestamp}|".encode() + call.body)
        except (InvalidSignature, NotBase64Error, ValueError):
            raise CallRefusedError("the signature of Telnyx is missing or wrong") from None
        calls.check_fresh(timestamp, self._config.clock)

    def _receipt(self, call: Call, payload: Mapping[str, Any]) -> Receipt:
        to = _first(payload.get("to"))
        word, error = calls.words(to.get("status")), _first(payload.get("errors"))
        code, cost = calls.words(error.get("code")), calls.object_of(payload.get("cost"))
        state = STATES.get(word, ReceiptState.NONE)
        if code == EXPIRED_CODE and state in (ReceiptState.UNDELIVERABLE, ReceiptState.REJECTED):
            state = ReceiptState.EXPIRED
        return calls.receipt(
            self._config,
            call,
            calls.words(payload.get("id")),
            state,
            word=word,
            error=code,
            error_class=class_of(CODES, code),
            sender=calls.words(to.get("phone_number")),
            recipient=_number(payload.get("from")),
            message_id=ids.from_hex(calls.query_of(call).get("message_id")),
            price=Price.of(cost.get("amount"), cost.get("currency")),
        )

    def _inbound(self, call: Call, payload: Mapping[str, Any]) -> Inbound:
        media = [_file(one) for one in calls.objects(payload.get("media")) if one.get("url")]
        return calls.inbound(
            self._config,
            call,
            calls.words(payload.get("id")),
            calls.text_fragment(calls.words(payload.get("text"))),
            sender=_number(payload.get("from")),
            recipient=_number(_first(payload.get("to"))),
            channel=MMS if payload.get("type") == "MMS" else SMS,
            content=calls.media_content(media, payload.get("subject")),
        )


def _media(one: Submission) -> dict[str, Any]:
    media = one.content.media if one.content else ()
    if not media:
        raise ValueError("an MMS by Telnyx needs a file")
    made: dict[str, Any] = {"type": "MMS", "media_urls": [file.url for file in media]}
    if one.content and one.content.subject:
        made["subject"] = one.content.subject
    return made


def _public_key(settings: Mapping[str, Any]) -> Ed25519PublicKey:
    try:
        octets = b64decode(settings["public_key"], validate=True)
        return Ed25519PublicKey.from_public_bytes(octets)
    except (NotBase64Error, ValueError):
        raise ValueError("public_key must be 32 octets as base64, as Telnyx shows it") from None


def _first(given: object) -> Mapping[str, Any]:
    """The first object of an array, or the object itself: empty where there is none."""
    listed = calls.objects(given)
    return listed[0] if listed else calls.object_of(given)


def _number(given: object) -> str:
    return calls.words(calls.object_of(given).get("phone_number"))


def _file(one: Mapping[str, Any]) -> Media:
    kind, size = one.get("content_type"), one.get("size")
    return Media(
        calls.words(one["url"]),
        kind if isinstance(kind, str) else None,
        octets=size if isinstance(size, int) else None,
    )


def _build(config: CarrierConfig) -> HttpCarrier:
    _public_key(config.settings)
    return HttpCarrier(config, partial(TelnyxDialect, config))


SPEC: Final = CarrierSpec(
    kind="telnyx",
    title="Telnyx Messaging",
    fields=(
        SettingField("api_key", "secret", "API key of the account", required=True, at_most=200),
        SettingField("public_key", "text", "Public key of the account, with which webhooks are"
                     " checked", required=True, at_most=64),
        SettingField("messaging_profile_id", "text", "Messaging profile; needed for senders that"
                     " are names, and for number pools", at_most=64),
        SettingField("base_url", "text", "URL of the API", default=BASE_URL, at_most=200),
        *FIELDS,
    ),
    build=_build,
    receives=("receipts", "inbound"),
    account=("public_key",),
    channels=(SMS, MMS),
    calls=TelnyxCalls,
    callbacks={
        "status": "given with each message; needs no entry",
        "inbound": "webhook URL of the messaging profile, for messages from handsets",
    },
    guide="telnyx",
)  # fmt: skip
