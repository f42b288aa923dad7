"""Receipts and inbound messages of a provider that is described by settings."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from onesixty.carriers.content import Content, Media
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    CarrierConfig,
    Inbound,
    News,
    Price,
    Receipt,
    ReceiptState,
    Reply,
)
from onesixty.carriers.declared.rules import Condition, Place, Said, object_in
from onesixty.carriers.http.calls import e164, inbound, receipt, text_fragment
from onesixty.kit import ids
from onesixty.sms.alphabet import Encoding
from onesixty.sms.reassembly import Fragment

STATES: Final = {
    "queued": ReceiptState.ENROUTE,
    "sent": ReceiptState.ENROUTE,
    "delivered": ReceiptState.DELIVERED,
    "read": ReceiptState.READ,
    "undelivered": ReceiptState.UNDELIVERABLE,
    "failed": ReceiptState.UNDELIVERABLE,
    "expired": ReceiptState.EXPIRED,
    "rejected": ReceiptState.REJECTED,
    "canceled": ReceiptState.DELETED,
    "unknown": ReceiptState.UNKNOWN,
}
_RECEIPT: Final = (
    "id",
    "reference",
    "state",
    "error",
    "to",
    "from",
    "price",
    "currency",
    "network",
)
_INBOUND: Final = ("id", "from", "to", "text", "text_ucs2", "media")
_ALGORITHMS: Final = {"hmac-sha256": hashlib.sha256, "hmac-sha1": hashlib.sha1,
                      "hmac-sha512": hashlib.sha512}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Reading:
    """How one kind of call is read."""

    path: str  # of our URL
    when: Condition
    each: Place | None  # a list of entries; None: the body is the only one
    places: Mapping[str, Place]
    states: Mapping[str, str]
    reply: Reply


class DeclaredCalls:
    """Told apart by the path of our URL, or by what the body says."""

    def __init__(self, config: CarrierConfig) -> None:
        """Raises ValueError for descriptions that do not fit."""
        settings = config.settings
        self._config = config
        self._receipt = _reading(settings.get("receipt"), "receipt", _RECEIPT, "status")
        self._inbound = _reading(settings.get("inbound"), "inbound", _INBOUND, "inbound")
        self._signature = _signature(settings.get("signature"))
        self._secret: str = settings.get("callback_secret") or ""
        if self._signature and not self._secret:
            raise ValueError(
                "signature needs callback_secret, the secret that calls are signed with"
            )

    async def read(self, call: Call) -> News:
        """Check the signature where one is described, then read."""
        if self._signature:
            self._check(call, *self._signature)
        said = Said.of(200, call.body, call.query)
        if (how := self._receipt) and how.path == call.path and how.when.holds(said):
            return News(
                receipts=[self._told(call, how, one) for one in _entries(how, said)],
                reply=how.reply,
            )
        if (how := self._inbound) and how.path == call.path and how.when.holds(said):
            return News(
                inbounds=[self._came(call, how, one) for one in _entries(how, said)],
                reply=how.reply,
            )
        return News()

    def _check(self, call: Call, header: str, algorithm: str, encoding: str) -> None:
        made = hmac.new(self._secret.encode(), call.body, _ALGORITHMS[algorithm])
        wanted = made.hexdigest() if encoding == "hex" else b64encode(made.digest()).decode()
        given = (
            call.headers.get(header, "").rpartition("=")[2]
            if encoding == "hex"
            else (call.headers.get(header, ""))
        )
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            raise CallRefusedError(f"the signature in {header} is missing or wrong")

    def _told(self, call: Call, how: _Reading, said: Said) -> Receipt:
        told = {name: place.words(said) for name, place in how.places.items()}
        word = told.get("state", "")
        meant = how.states.get(word, how.states.get("*", ""))
        return receipt(
            self._config,
            call,
            told.get("id", ""),
            STATES.get(meant, ReceiptState.NONE),
            word=word,
            error=told.get("error", ""),
            sender=e164(told.get("to")),
            recipient=e164(told.get("from")),
            network=told.get("network", ""),
            message_id=ids.from_hex(told.get("reference")),
            price=Price.of(told.get("price"), told.get("currency")),
        )

    def _came(self, call: Call, how: _Reading, said: Said) -> Inbound:
        told = {name: place.words(said) for name, place in how.places.items()}
        fragment = text_fragment(told.get("text", ""))
        if digits := told.get("text_ucs2"):
            try:
                fragment = Fragment(Encoding.UCS2, bytes.fromhex(digits))
            except ValueError:
                raise CallRefusedError("the text is not in hexadecimal digits", 400) from None
        media = told.get("media")
        return inbound(
            self._config,
            call,
            told.get("id", ""),
            fragment,
            sender=e164(told.get("from")),
            recipient=e164(told.get("to")),
            content=Content(media=(Media(media),)) if media else None,
        )


def _reading(given: Any, where: str, names: Iterable[str], path: str) -> _Reading | None:
    if given is None:
        return None
    whole = object_in(given, where)
    known = {"path", "when", "each", "states", "reply", *names}
    if unknown := sorted(set(whole) - known):
        raise ValueError(f"{where} has no {unknown[0]}; it has {', '.join(sorted(known))}")
    states = object_in(whole.get("states", {}), f"{where}.states")
    for word, meant in states.items():
        if meant not in STATES:
            raise ValueError(f"{where}.states.{word} is one of {', '.join(STATES)}")
    each = whole.get("each")
    return _Reading(
        path=str(whole.get("path", path)).strip("/"),
        when=Condition.read(whole.get("when", {}), f"{where}.when"),
        each=Place.read(each, f"{where}.each") if each is not None else None,
        places={
            name: Place.read(whole[name], f"{where}.{name}") for name in names if name in whole
        },
        states={str(word): str(meant) for word, meant in states.items()},
        reply=_reply(whole.get("reply"), f"{where}.reply"),
    )


def _reply(given: Any, where: str) -> Reply:
    if given is None:
        return Reply()
    whole = object_in(given, where)
    if set(whole) - {"status", "body", "content_type"}:
        raise ValueError(f"{where} has status, body and content_type")
    status = whole.get("status", 200)
    if not isinstance(status, int) or not 200 <= status < 300:
        raise ValueError(f"{where}.status is 200 to 299")
    return Reply(
        status, str(whole.get("body", "")).encode(), str(whole.get("content_type", "text/plain"))
    )


def _signature(given: Any) -> tuple[str, str, str] | None:
    """Header, algorithm, encoding."""
    if given is None:
        return None
    whole = object_in(given, "signature")
    header, algorithm = str(whole.get("header", "")).lower(), whole.get("algorithm", "hmac-sha256")
    encoding = whole.get("encoding", "hex")
    if not header or algorithm not in _ALGORITHMS or encoding not in ("hex", "base64"):
        raise ValueError(
            f"signature has header, algorithm ({', '.join(_ALGORITHMS)}) and encoding (hex, base64)"
        )
    return header, algorithm, encoding


def _entries(how: _Reading, said: Said) -> list[Said]:
    if how.each is None:
        return [said]
    found = how.each.value(said)
    return [said.beside(one) for one in found] if isinstance(found, list) else []
