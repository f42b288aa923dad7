"""What Meta tells by HTTP: statuses, messages of people, news of templates and of the account."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from onesixty.carriers.content import WHATSAPP, Content, Media
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
from onesixty.carriers.http.calls import (
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
from onesixty.carriers.whatsapp.codes import MAKERS, REJECTED
from onesixty.carriers.whatsapp.dialect import words_of
from onesixty.kit import ids

STATES: Final = {
    "sent": ReceiptState.ENROUTE,
    "delivered": ReceiptState.DELIVERED,
    "read": ReceiptState.READ,
    "played": ReceiptState.READ,  # a voice message
    "failed": ReceiptState.UNDELIVERABLE,
}
_FILES: Final = ("image", "video", "audio", "document", "sticker")
_NOTICES: Final = {
    "message_template_status_update": "template_status",
    "message_template_quality_update": "template_quality",
    "phone_number_quality_update": "phone_number_quality",
    "account_update": "account",
}


class WhatsAppCalls:
    """One URL for everything: a `GET` with a challenge, signed `POST`s."""

    def __init__(self, config: CarrierConfig) -> None:
        self._config = config
        self._secret: str = config.settings.get("app_secret") or ""
        self._verify_token: str = config.settings.get("verify_token") or ""

    async def read(self, call: Call) -> News:
        """Answer the challenge, or check the signature and read every change in the body."""
        if call.method == "GET":
            return News(reply=self._challenge(call))
        self._check(call)
        news = News()
        told = object_of(json_of(call))
        for entry in objects(told.get("entry")):
            for change in objects(entry.get("changes")):
                self._change(call, news, words(change.get("field")), object_of(change.get("value")))
        return news

    def _challenge(self, call: Call) -> Reply:
        query = parse_qs(call.query)

        def first(name: str) -> str:
            return query.get(name, [""])[0]

        fits = hmac.compare_digest(first("hub.verify_token").encode(), self._verify_token.encode())
        if first("hub.mode") != "subscribe" or not self._verify_token or not fits:
            raise CallRefusedError("the verify token is not the one in the settings", 403)
        return Reply(body=first("hub.challenge").encode())

    def _check(self, call: Call) -> None:
        # Over the octets as they came: Meta escapes letters, which no other writer would do alike.
        wanted = hmac.new(self._secret.encode(), call.body, hashlib.sha256).hexdigest()
        given = call.headers.get("x-hub-signature-256", "")
        if not self._secret:
            raise CallRefusedError("no app_secret is set: calls of Meta cannot be checked")
        if not hmac.compare_digest(given.encode(), b"sha256=" + wanted.encode()):
            raise CallRefusedError("the signature of Meta is missing or wrong")

    def _change(self, call: Call, news: News, name: str, value: Mapping[str, Any]) -> None:
        if name == "messages":
            names = {
                words(one.get("wa_id")): words(object_of(one.get("profile")).get("name"))
                for one in objects(value.get("contacts"))
            }
            own = e164(object_of(value.get("metadata")).get("display_phone_number"))
            news.receipts += [
                self._receipt(call, own, one) for one in objects(value.get("statuses"))
            ]
            news.inbounds += [
                self._inbound(call, own, one, names) for one in objects(value.get("messages"))
            ]
        elif name == "user_preferences":
            news.notices += [_preference(one) for one in objects(value.get("user_preferences"))]
        elif name in _NOTICES:
            news.notices.append({"type": _NOTICES[name], **value})

    def _receipt(self, call: Call, own: str, status: Mapping[str, Any]) -> Receipt:
        word = words(status.get("status"))
        error = next(iter(objects(status.get("errors"))), {})
        code = words(error.get("code"))
        state = STATES.get(word, ReceiptState.NONE)
        if state is ReceiptState.UNDELIVERABLE and code in REJECTED:
            state = ReceiptState.REJECTED
        return receipt(
            self._config,
            call,
            words(status.get("id")),
            state,
            error=code,
            error_class=class_of(MAKERS, code),
            word=word,
            sender=e164(status.get("recipient_id")),
            recipient=own,
            done_date=words(status.get("timestamp")),
            message_id=ids.from_hex(status.get("biz_opaque_callback_data")),
            text=words_of(error) if error else "",
        )

    def _inbound(
        self, call: Call, own: str, one: Mapping[str, Any], names: Mapping[str, str]
    ) -> Inbound:
        # From 2026 on the number may be missing, and a name of the person in this business be told.
        person = words(one.get("from"))
        text, content = _read(one)
        return inbound(
            self._config,
            call,
            words(one.get("id")),
            text_fragment(text),
            sender=e164(person) or words(one.get("user_id")),
            recipient=own,
            channel=WHATSAPP,
            content=Content(
                **content,
                reply_to=words(object_of(one.get("context")).get("id")) or content_reply(one),
                profile=names.get(person) or None,
            ),
        )


def content_reply(one: Mapping[str, Any]) -> str | None:
    """The message that a reaction is to."""
    return words(object_of(one.get("reaction")).get("message_id")) or None


def _read(one: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Its text, and what else there is of it."""
    kind = words(one.get("type"))
    told = object_of(one.get(kind))
    if kind == "text":
        return words(told.get("body")), {}
    if kind in _FILES:
        return words(told.get("caption")), {"media": (_file(told),)}
    if kind == "button":
        return words(told.get("text")), {"payload": words(told.get("payload")) or None}
    if kind == "interactive":
        chosen = object_of(told.get(words(told.get("type"))))
        return words(chosen.get("title")), {
            "payload": words(chosen.get("id")) or None,
            "interactive": dict(told),
        }
    if kind == "reaction":
        return words(told.get("emoji")), {}
    # location, contacts, order, system, unsupported, and what is yet to be invented
    return "", {"interactive": {"type": kind, kind: one.get(kind)}}


def _file(told: Mapping[str, Any]) -> Media:
    kind, name = told.get("mime_type"), told.get("filename")
    return Media(
        words(told.get("id")),
        kind if isinstance(kind, str) else None,
        name if isinstance(name, str) else None,
    )


def _preference(one: Mapping[str, Any]) -> dict[str, Any]:
    """That a person wants no marketing any more, or again."""
    return {
        "type": "opt_out" if words(one.get("value")) == "stop" else "opt_in",
        "channel": WHATSAPP,
        "category": "marketing",
        "from": e164(one.get("wa_id")),
        "detail": words(one.get("detail")),
    }
