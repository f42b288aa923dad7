"""What Vonage's Messages API tells by HTTP: statuses and messages from handsets, as signed JSON."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import jwt
from jwt.types import Options

from onesixty.carriers.aggregators.vonage_codes import EXPIRED, MESSAGES, UNDELIVERED, UNKNOWN
from onesixty.carriers.content import CHANNELS, SMS, Content, Media
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    CarrierConfig,
    Inbound,
    News,
    Price,
    Receipt,
    ReceiptState,
)
from onesixty.carriers.http.calls import (
    check_fresh,
    e164,
    inbound,
    json_of,
    object_of,
    objects,
    receipt,
    text_fragment,
    words,
)
from onesixty.carriers.http.dialect import class_of
from onesixty.kit import ids

# Other words are kept and change nothing.
_STATES: Final = {
    "submitted": ReceiptState.ACCEPTED,
    "delivered": ReceiptState.DELIVERED,
    "read": ReceiptState.READ,
    "rejected": ReceiptState.REJECTED,
    "undeliverable": ReceiptState.UNDELIVERABLE,
}
# Our own clock says what is too old; a token is for one body, so it names no audience.
_UNCHECKED: Final[Options] = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
}
_FILES: Final = ("image", "audio", "video", "file", "vcard", "sticker")
_SHOWN: Final = ("location", "contact", "order", "reaction", "reply")

Json = Mapping[str, Any]


class VonageMessagesCalls:
    """Reads statuses and inbound messages."""

    def __init__(self, config: CarrierConfig) -> None:
        self._config, self._clock = config, config.clock
        self._secret: str = config.settings["signature_secret"]

    async def read(self, call: Call) -> News:
        """Check the signature, where the settings have its secret, then read."""
        if self._secret:
            self._verify(call)
        given = object_of(json_of(call))
        if call.path == "status":
            return News([self._receipt(call, given)])
        if call.path == "inbound":
            return News(inbounds=[self._inbound(call, given)])
        raise CallRefusedError("no such path", 404)

    def _verify(self, call: Call) -> None:
        """A token whose `payload_hash` is that of the body (HS256, signature secret)."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            # Faults at Vonage let calls out unsigned; they come again, signed, after a 5xx.
            raise CallRefusedError("it is not signed", 503)
        try:
            claims = jwt.decode(token, self._secret, algorithms=["HS256"], options=_UNCHECKED)
        except jwt.InvalidTokenError as error:
            raise CallRefusedError(f"its token is refused: {type(error).__name__}") from None
        if claims.get("payload_hash") != sha256(call.body).hexdigest():
            raise CallRefusedError("the body is not the one that was signed")
        check_fresh(words(claims.get("iat")), self._clock)

    def _receipt(self, call: Call, given: Json) -> Receipt:
        name, word = words(given.get("message_uuid")), words(given.get("status"))
        if not name or not word:
            raise CallRefusedError("message_uuid or status is missing", 400)
        error, usage = object_of(given.get("error")), object_of(given.get("usage"))
        code = words(error.get("type")).partition("#")[2] or words(error.get("title"))
        return receipt(
            self._config,
            call,
            name,
            state_of(word, code),
            error=code,
            error_class=class_of(MESSAGES, code),
            sender=e164(given.get("to")),
            recipient=e164(given.get("from")),
            word=word,
            message_id=ids.from_hex(given.get("client_ref")),
            price=Price.of(usage.get("price"), usage.get("currency")),
            network=words(object_of(given.get("destination")).get("network_code")),
        )

    def _inbound(self, call: Call, given: Json) -> Inbound:
        name, sender = words(given.get("message_uuid")), e164(given.get("from"))
        if not name or not sender:
            raise CallRefusedError("message_uuid or from is missing", 400)
        channel = words(given.get("channel"))
        content = _content(given)
        return inbound(
            self._config,
            call,
            name,
            text_fragment(_text(given)),
            sender=sender,
            recipient=e164(given.get("to")),
            channel=channel if channel in CHANNELS else SMS,
            content=content if content != Content() else None,
        )


def state_of(word: str, code: str) -> ReceiptState:
    """The state that a status tells by its word and its error number."""
    state = _STATES.get(word, ReceiptState.NONE)
    if state is not ReceiptState.REJECTED:
        return state
    if code == EXPIRED:
        return ReceiptState.EXPIRED
    if code == UNKNOWN:
        return ReceiptState.UNKNOWN
    return ReceiptState.UNDELIVERABLE if code in UNDELIVERED else state


def _text(given: Json) -> str:
    """The text itself, that of the button that was pressed, or the one beside a file."""
    kind = words(given.get("message_type"))
    inner = object_of(given.get(kind))
    texts = (given.get("text"), inner.get("text"), inner.get("title"), inner.get("caption"))
    return next((words(text) for text in texts if text), "")


def _content(given: Json) -> Content:
    kind = words(given.get("message_type"))
    inner = object_of(given.get(kind))
    files = [inner] if kind in _FILES else objects(given.get("content"))
    pressed = {"button": inner.get("payload"), "reply": inner.get("id")}.get(kind)
    return Content(
        media=tuple(_media(file) for file in files if file.get("url")),
        reply_to=words(object_of(given.get("context")).get("message_uuid")) or None,
        interactive={"type": kind, kind: dict(inner)} if kind in _SHOWN else None,
        profile=words(object_of(given.get("profile")).get("name")) or None,
        payload=words(pressed) or None,
    )


def _media(file: Json) -> Media:
    return Media(words(file["url"]), filename=words(file.get("name")) or None)
