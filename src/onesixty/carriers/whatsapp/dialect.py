"""Requests and answers of Meta's Cloud API: `/{phone number id}/messages`."""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import orjson

from onesixty.carriers.content import Content, Media, Template
from onesixty.carriers.contract import CarrierConfig, Submission
from onesixty.carriers.http.dialect import (
    Answer,
    Ask,
    CannotSendError,
    Request,
    Verdict,
    accepted,
    by_code,
    by_status,
    throttled,
    transient,
    unknown,
)
from onesixty.carriers.whatsapp.codes import CALLS_SECONDS, MAKERS, PAIR_SECONDS

BODY_MOST: Final = 4096
PEOPLE_MOST: Final = 100_000  # whose last message is remembered
# What the far side takes as a type of its own; all else of `interactive` is one of its forms.
_TYPES: Final = ("location", "contacts", "reaction", "sticker")
_CAPTIONED: Final = ("image", "video", "document")
_ENDINGS: Final = {
    "image": ("jpg", "jpeg", "png", "gif"),
    "video": ("mp4", "3gp", "3gpp"),
    "audio": ("aac", "amr", "m4a", "mp3", "oga", "ogg", "opus"),
    "sticker": ("webp",),
}


class WhatsAppDialect:
    """One phone number of a business."""

    def __init__(self, config: CarrierConfig, ask: Ask) -> None:
        self._ask, self._clock = ask, config.clock
        settings = config.settings
        self._base: str = settings["base_url"].rstrip("/") + "/" + settings["version"]
        self._number: str = settings["phone_number_id"]
        self._token: str = settings["access_token"]
        self._proof = _proof(settings.get("app_secret"), self._token)
        self._pair_seconds: float = settings["pair_seconds"]
        self._told: OrderedDict[str, float] = OrderedDict()  # monotonic seconds, by recipient

    async def request(self, one: Submission) -> Request:
        """A text, a template, a file, or one of the forms of the channel."""
        body = self._body(one)
        self._pace(one.recipient)
        return Request(
            "POST", self.url(f"{self._number}/messages"), self.headers(), orjson.dumps(body)
        )

    def read(self, one: Submission, answer: Answer) -> Verdict:
        """200 with the message's id, or an error with a code."""
        told = answer.json()
        told = told if isinstance(told, dict) else {}
        if answer.status == 200:
            identifier = _first_id(told)
            if identifier:
                return accepted(identifier)
            return unknown("200", "Meta took it and named no message")
        error = told.get("error")
        if not isinstance(error, dict) or "code" not in error:
            return by_status(answer, clock=self._clock, is_theirs=False)
        code, detail = str(error["code"]), words_of(error)
        if error.get("is_transient") is True and code not in MAKERS:
            return transient(code, detail)
        verdict = by_code(MAKERS, code, answer, clock=self._clock, detail=detail)
        if code in ("4", "80007") and verdict.retry_after_seconds is None:
            return replace(verdict, retry_after_seconds=_regain_seconds(answer))
        if code == "131056":  # Meta wants waits of 4, 16, 64 seconds and so on
            return replace(
                verdict, retry_after_seconds=max(PAIR_SECONDS, 4.0 ** min(one.throttled + 1, 5))
            )
        return verdict

    async def check(self) -> str | None:
        """Show the phone number."""
        url = self.url(self._number, fields="display_phone_number,verified_name,quality_rating")
        answer = await self._ask(Request("GET", url, self.headers()))
        if answer.status == 200:
            return None
        error = (answer.json() or {}).get("error")
        why = words_of(error) if isinstance(error, dict) else f"HTTP {answer.status}"
        return f"Meta answers: {why}; check access_token and phone_number_id"

    def url(self, path: str, **query: str) -> str:
        """A path of the Graph API with its query, and the proof that we know the app's secret."""
        whole = query | ({"appsecret_proof": self._proof} if self._proof else {})
        return f"{self._base}/{path}" + (f"?{urlencode(whole)}" if whole else "")

    def headers(self) -> dict[str, str]:
        """Credentials, and JSON both ways."""
        return {"authorization": f"Bearer {self._token}", "content-type": "application/json"}

    def _body(self, one: Submission) -> dict[str, Any]:
        if one.form is not None:
            raise ValueError("WhatsApp has no binary messages, flash or headers")
        content = one.content or Content()
        body: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": one.recipient.removeprefix("+"),
            "biz_opaque_callback_data": one.message_id.hex,
        }
        if content.reply_to:
            body["context"] = {"message_id": content.reply_to}
        return body | _typed(one.body, content)

    def _pace(self, recipient: str) -> None:
        """Hold back what comes too soon after another message to the same person."""
        now = self._clock.monotonic()
        last = self._told.get(recipient)
        if last is not None and now - last < self._pair_seconds:
            wait = self._pair_seconds - (now - last)
            verdict = throttled("pair_rate", "another message to this person has just left", wait)
            raise CannotSendError(replace(verdict, holds=False))
        self._told[recipient] = now
        self._told.move_to_end(recipient)
        if len(self._told) > PEOPLE_MOST:
            self._told.popitem(last=False)


def _typed(text: str, content: Content) -> dict[str, Any]:
    if content.template:
        return {"type": "template", "template": _template(content.template)}
    if content.interactive:
        form = dict(content.interactive)
        kind = form.get("type")
        if kind in _TYPES:
            return form
        return {"type": "interactive", "interactive": form}
    if content.media:
        return _media(content.media, text)
    if len(text) > BODY_MOST:
        raise ValueError(f"a text over WhatsApp has {BODY_MOST} characters at most")
    return {"type": "text", "text": {"body": text, "preview_url": False}}


def _template(template: Template) -> dict[str, Any]:
    components = [dict(one) for one in template.components]
    given = template.parameters
    if isinstance(given, Mapping):
        filled = [
            {"type": "text", "parameter_name": name, "text": text} for name, text in given.items()
        ]
    else:
        filled = [{"type": "text", "text": text} for text in given]
    if filled:
        components.append({"type": "body", "parameters": filled})
    return {
        "name": template.name,
        "language": {"code": template.language},
        **({"components": components} if components else {}),
    }


def _media(media: tuple[Media, ...], text: str) -> dict[str, Any]:
    if len(media) > 1:
        raise ValueError("a message over WhatsApp carries one file: send one message for each")
    (one,) = media
    kind = kind_of(one)
    told: dict[str, Any] = {"link": one.url} if "://" in one.url else {"id": one.url}
    if text:
        if kind not in _CAPTIONED:
            raise ValueError(f"{kind} over WhatsApp carries no text: send it as its own message")
        told["caption"] = text
    if kind == "document" and one.filename:
        told["filename"] = one.filename
    return {"type": kind, kind: told}


def kind_of(media: Media) -> str:
    """image, video, audio, sticker or document, by its content type or the end of its URL."""
    top, _, sub = (media.content_type or "").lower().partition("/")
    if sub:
        if sub.startswith("webp"):
            return "sticker"
        return top if top in _ENDINGS else "document"
    ending = urlsplit(media.url).path.rpartition(".")[2].lower()
    return next((kind for kind, endings in _ENDINGS.items() if ending in endings), "document")


def words_of(error: Mapping[str, Any]) -> str:
    """What an error says, for people."""
    data = error.get("error_data")
    details = data.get("details") if isinstance(data, dict) else None
    said = error.get("message") or error.get("title") or "no reason"
    return f"{said}: {details}" if details else str(said)


def _first_id(told: Mapping[str, Any]) -> str:
    messages = told.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    identifier = first.get("id") if isinstance(first, dict) else None
    return identifier if isinstance(identifier, str) else ""


def _regain_seconds(answer: Answer) -> float:
    """The longest wait that the usage headers name, in seconds; they name minutes."""
    minutes = [
        usage.get("estimated_time_to_regain_access")
        for usage in _usages(answer.headers.get("x-business-use-case-usage", ""))
    ]
    known = [one for one in minutes if isinstance(one, int | float) and one > 0]
    return max(known) * 60.0 if known else CALLS_SECONDS


def _usages(header: str) -> list[Mapping[str, Any]]:
    try:
        told = orjson.loads(header)
    except orjson.JSONDecodeError:
        return []
    groups = told.values() if isinstance(told, dict) else ()
    return [
        one for group in groups if isinstance(group, list) for one in group if isinstance(one, dict)
    ]


def _proof(app_secret: str | None, token: str) -> str:
    """`appsecret_proof`: apps may demand it, and it harms nowhere."""
    if not app_secret:
        return ""
    return hmac.new(app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
