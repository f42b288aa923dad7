"""What Twilio tells by HTTP: delivery receipts and messages from handsets, as signed forms."""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlsplit, urlunsplit

from onesixty.carriers.aggregators.twilio_codes import CODES
from onesixty.carriers.content import MMS, SMS, WHATSAPP, Content, Media
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    CarrierConfig,
    Inbound,
    News,
    Receipt,
    ReceiptState,
    Reply,
)
from onesixty.carriers.http.calls import inbound, receipt, text_fragment, words
from onesixty.carriers.http.dialect import class_of
from onesixty.kit import ids

# What `MessageStatus` says. Other words are kept and change nothing.
STATES: Final = {
    "accepted": ReceiptState.ENROUTE,
    "scheduled": ReceiptState.ENROUTE,
    "queued": ReceiptState.ENROUTE,
    "sending": ReceiptState.ENROUTE,
    "sent": ReceiptState.ACCEPTED,
    "delivered": ReceiptState.DELIVERED,
    "partially_delivered": ReceiptState.DELIVERED,
    "read": ReceiptState.READ,
    "undelivered": ReceiptState.UNDELIVERABLE,
    "failed": ReceiptState.UNDELIVERABLE,
    "canceled": ReceiptState.DELETED,
}
_EXPIRED: Final = "30036"
# A `failed` with one of these was turned down before anything was tried.
_REJECTED: Final = (
    "21610 30007 30018 30024 30032 30033 30034 63013 63016 63027 63028 63040 63041 63042"
)
_DIGESTS: Final = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_PORTS: Final = {"http": "80", "https": "443"}
_FIELDS_MOST: Final = 200
_MEDIA_PLACES: Final = range(10)

Pairs = list[tuple[str, str]]


class TwilioCalls:
    """Reads status callbacks and inbound messages; every one must be signed."""

    def __init__(self, config: CarrierConfig) -> None:
        self._config, self._settings = config, config.settings

    async def read(self, call: Call) -> News:
        """Refuse what Twilio did not sign, then read by the path that was called."""
        pairs = _pairs(call.body.decode(errors="replace")) if _is_form(call) else []
        self._verify(call, pairs)
        if call.method == "GET":
            pairs = _pairs(call.query)
        given = {name: words(value) for name, value in pairs}
        if call.path == "status":
            return News([self._receipt(call, given)], reply=Reply(204))
        if call.path == "inbound":
            reply = Reply(body=b"<Response/>", content_type="text/xml")
            return News(inbounds=[self._inbound(call, given)], reply=reply)
        raise CallRefusedError("no such path", 404)

    def _verify(self, call: Call, pairs: Pairs) -> None:
        """Raises CallRefusedError unless the URL and all parameters, known or not, are signed."""
        told = call.headers.get("x-twilio-webhooks-signature-settings", "").split(",")
        settings = dict(piece.strip().partition("=")[::2] for piece in told)
        algorithm = settings.get("algorithm") or "HMAC_SHA1"
        if algorithm not in _DIGESTS:
            raise CallRefusedError("it is signed in a way that is not known")
        name = "auth_token" if algorithm == "HMAC_SHA1" else "webhook_secret"
        if not (secret := self._settings[name]):
            raise CallRefusedError(f"{name} is needed to check the signature, and is not set")
        claimed = parse_qs(call.query).get("bodySHA256")
        if claimed and claimed[0].lower() != sha256(call.body).hexdigest():
            raise CallRefusedError("bodySHA256 is not that of the body")
        given = call.headers.get("x-twilio-signature", "").encode()
        # Twilio signs with the default port or without it, and does not say which.
        wanted = [signature(url, pairs, secret, _DIGESTS[algorithm]) for url in _ports(call.url)]
        if not any(hmac.compare_digest(given, one.encode()) for one in wanted):
            raise CallRefusedError("the signature is wrong" if given else "it is not signed")

    def _receipt(self, call: Call, given: Mapping[str, str]) -> Receipt:
        sid, word = given.get("MessageSid", ""), given.get("MessageStatus", "")
        if not sid or not word:
            raise CallRefusedError("MessageSid or MessageStatus is missing", 400)
        error = given.get("ErrorCode", "")
        return receipt(
            self._config,
            call,
            sid,
            state_of(word, error),
            error=error,
            error_class=class_of(CODES, error),
            sender=_address(given.get("To", ""))[1],
            recipient=_address(given.get("From", ""))[1],
            word=word,
            done_date=given.get("RawDlrDoneDate", ""),
            message_id=ids.from_hex(parse_qs(call.query).get("message", [""])[0]),
        )

    def _inbound(self, call: Call, given: Mapping[str, str]) -> Inbound:
        channel, sender = _address(given.get("From", ""))
        if not (sid := given.get("MessageSid", "")) or not sender:
            raise CallRefusedError("MessageSid or From is missing", 400)
        content = _content(given)
        return inbound(
            self._config,
            call,
            sid,
            text_fragment(given.get("Body", "")),
            sender=sender,
            recipient=_address(given.get("To", ""))[1],
            channel=MMS if content and content.media and channel == SMS else channel,
            content=content,
            opt_out=given.get("OptOutType", "").lower(),
        )


def signature(url: str, pairs: Pairs, secret: str, digest: str) -> str:
    """What X-Twilio-Signature says of a URL and the parameters of a form."""
    text = url + "".join(name + value for name, value in sorted(set(pairs)))
    return b64encode(hmac.digest(secret.encode(), text.encode(), digest)).decode()


def state_of(word: str, error: str) -> ReceiptState:
    """The state that a status callback tells by its word and its error number."""
    state = STATES.get(word, ReceiptState.NONE)
    if state is not ReceiptState.UNDELIVERABLE:
        return state
    if error == _EXPIRED:
        return ReceiptState.EXPIRED
    return ReceiptState.REJECTED if word == "failed" and error in _REJECTED.split() else state


def _pairs(text: str) -> Pairs:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS_MOST)
    except ValueError:
        raise CallRefusedError("the form has too many fields", 400) from None


def _is_form(call: Call) -> bool:
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    return call.method != "GET" and kind == "application/x-www-form-urlencoded"


def _ports(url: str) -> tuple[str, str]:
    """The URL without a port, and with the one that it names or its scheme has."""
    parts = urlsplit(url)
    host, colon, port = parts.netloc.rpartition(":")
    if not colon or not port.isdigit():  # the last colon may be one of an IPv6 address
        host, port = parts.netloc, _PORTS.get(parts.scheme, "")
    return (
        urlunsplit(parts._replace(netloc=host)),
        urlunsplit(parts._replace(netloc=f"{host}:{port}")),
    )


def _address(text: str) -> tuple[str, str]:
    """Channel and number of an address such as `whatsapp:+14155550100`."""
    prefix, colon, number = text.partition(":")
    return (WHATSAPP, number) if colon and prefix == "whatsapp" else (SMS, text)


def _content(given: Mapping[str, str]) -> Content | None:
    """What came beside the text; None for a plain one."""
    urls = [(given.get(f"MediaUrl{n}"), given.get(f"MediaContentType{n}")) for n in _MEDIA_PLACES]
    content = Content(
        media=tuple(Media(url, kind or None) for url, kind in urls if url),
        reply_to=given.get("OriginalRepliedMessageSid") or None,
        interactive=_place(given),
        profile=given.get("ProfileName") or None,
        payload=given.get("ButtonPayload") or None,
    )
    return content if content != Content() else None


def _place(given: Mapping[str, str]) -> dict[str, Any] | None:
    names = ("Latitude", "Longitude", "Label", "Address")
    told = {name.lower(): given[name] for name in names if given.get(name)}
    if "latitude" not in told or "longitude" not in told:
        return None
    return {"type": "location", "location": told}
