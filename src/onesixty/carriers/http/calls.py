"""What readers of calls share: bodies, signatures, and news in the platform's shape."""

import hmac
from base64 import b64decode
from binascii import Error as NotBase64Error
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from onesixty.carriers.content import Content, Media
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    CarrierConfig,
    Inbound,
    Receipt,
    ReceiptState,
    ignored,
)
from onesixty.kit.clock import Clock
from onesixty.sms.alphabet import Encoding
from onesixty.sms.reassembly import Fragment

FRESH_SECONDS: Final = 300
FIELDS_MOST: Final = 200
NETWORK_DIGITS: Final = (5, 6)
SHORT_CODE_DIGITS: Final = 7  # so many at most; longer numbers are international


def json_of(call: Call) -> Any:
    """The body as JSON. Raises CallRefusedError."""
    try:
        return orjson.loads(call.body)
    except orjson.JSONDecodeError:
        raise CallRefusedError("the body is not JSON", 400) from None


def query_of(call: Call) -> dict[str, str]:
    """What stands behind the question mark. Raises CallRefusedError, as `form_of` does."""
    return dict(_pairs(call.query))


def form_of(call: Call) -> dict[str, str]:
    """The fields of a form; of one that comes twice the last."""
    return dict(_pairs(call.body.decode(errors="replace")))


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MOST)
    except ValueError:
        raise CallRefusedError("there are too many fields", 400) from None


def objects(given: object) -> list[Mapping[str, Any]]:
    """The objects of a JSON array; what is none is left out."""
    return [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []


def object_of(given: object) -> Mapping[str, Any]:
    """A JSON object; an empty one where it is none."""
    return given if isinstance(given, dict) else {}


def words(given: object) -> str:
    """A JSON value as text: "" for null."""
    return "" if given is None else str(given)


def check_fresh(timestamp: str, clock: Clock) -> None:
    """Refuse a signature that was made more than five minutes ago, or will be. Unix seconds."""
    try:
        apart = abs(clock.now().timestamp() - int(timestamp))
    except ValueError:
        raise CallRefusedError("the timestamp of the signature cannot be read") from None
    if apart > FRESH_SECONDS:
        raise CallRefusedError(f"the signature is {apart:.0f} s old")


def check_basic(call: Call, user: str, password: str) -> None:
    """Refuse a call without exactly this HTTP Basic user and password (RFC 7617)."""
    scheme, _, given = call.headers.get("authorization", "").partition(" ")
    try:
        decoded = b64decode(given, validate=True)
    except (NotBase64Error, ValueError):
        decoded = b""
    fits = hmac.compare_digest(decoded, f"{user}:{password}".encode())
    if scheme.lower() != "basic" or not fits:
        raise CallRefusedError("user and password of the call are missing or wrong")


def e164(address: object) -> str:
    """An address with the + that providers leave out; short codes and names stay as they are."""
    text = words(address).strip()
    return f"+{text}" if text.isdecimal() and len(text) > SHORT_CODE_DIGITS else text


def network(given: object) -> str:
    """MCC and MNC, such as 23410; "" for what cannot be both."""
    text = words(given)
    return text if text.isdecimal() and len(text) in NETWORK_DIGITS else ""


def faults(**codes: str) -> dict[str, str]:
    """The class of each code, from the codes of each class: `faults(recipient="50 200")`."""
    return {code: name for name, listed in codes.items() for code in listed.split()}


def receipt(
    config: CarrierConfig, call: Call, identifier: str, state: ReceiptState, **more: Any
) -> Receipt:
    """A receipt for the message that the provider calls `identifier`; `more` as Receipt has it."""
    shared: dict[str, Any] = {
        "match_keys": (identifier,) if identifier else (),
        "error": "",
        "sender": "",
        "recipient": "",
        "text": "",
    }
    return Receipt(
        carrier_id=config.id,
        carrier_message_id=identifier,
        state=state,
        raw=words(call.body.decode(errors="replace")),
        received_at=call.received_at,
        acknowledge=ignored,
        **(shared | more),
    )


def inbound(
    config: CarrierConfig, call: Call, identifier: str, fragment: Fragment, **more: Any
) -> Inbound:
    """A message from a handset; `more` as Inbound has it, sender and recipient among it."""
    return Inbound(
        carrier_id=config.id,
        fragment=fragment,
        received_at=call.received_at,
        acknowledge=ignored,
        carrier_message_id=identifier,
        **more,
    )


def text_fragment(text: str) -> Fragment:
    """A text that the provider has joined and decoded itself."""
    return Fragment(Encoding.UCS2, text.encode("utf-16-be", "replace"))


def media_content(some: Iterable[Media], subject: object = None) -> Content | None:
    """The content of an inbound message with media; None where there is nothing."""
    media = tuple(some)
    title = words(subject) or None
    return Content(media=media, subject=title) if media or title else None
