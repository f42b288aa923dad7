"""Vonage Messages API, version 1: SMS, MMS and WhatsApp, one JSON object for each message."""

from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from mimetypes import guess_type
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from onesixty.carriers.aggregators import vonage_codes
from onesixty.carriers.aggregators.vonage_messages_calls import VonageMessagesCalls
from onesixty.carriers.content import MMS, SMS, WHATSAPP, Content, Media, Template
from onesixty.carriers.contract import CarrierConfig, CarrierSpec, SettingField, Submission
from onesixty.carriers.http.dialect import (
    Answer,
    Ask,
    Request,
    Verdict,
    accepted,
    by_code,
    by_status,
)
from onesixty.carriers.http.files import FilesCarrier, is_at
from onesixty.carriers.http.settings import FIELDS
from onesixty.kit import ids
from onesixty.kit.clock import Clock
from onesixty.sms.alphabet import Encoding

_TTL_SECONDS: Final = {SMS: (20, 604_800), MMS: (300, 259_200)}
_TOKEN_SECONDS: Final = 900
_TOKEN_KEPT_SECONDS: Final = 600
_ENCODINGS: Final = {Encoding.UCS2: "unicode", Encoding.GSM7: "text"}
_CARDS: Final = ("text/vcard", "text/x-vcard")

Json = dict[str, Any]


class VonageMessagesDialect:
    """Requests and answers of `POST /v1/messages`."""

    def __init__(self, config: CarrierConfig, ask: Ask) -> None:
        self._clock, self._ask = config.clock, ask
        self._status_url = config.callback_url and config.callback_url + "/status"
        self._url = config.settings["base_url"].rstrip("/") + "/v1/messages"
        self._whatsapp_sender: str = config.settings["whatsapp_sender"]
        self._key = _Key(config.settings, config.clock)

    async def request(self, one: Submission) -> Request:
        """One POST. ValueError for what Vonage, or WhatsApp at Vonage, has no message type for."""
        sender = one.sender or (self._whatsapp_sender if one.channel == WHATSAPP else None)
        if not sender:
            raise ValueError("Vonage needs a sender")
        if one.form and (one.form.udh or one.form.data is not None or one.form.message_class == 0):
            raise ValueError("this API takes plain text only: use Vonage's SMS API for the rest")
        told = {
            "channel": one.channel,
            "to": one.recipient.removeprefix("+"),
            "from": sender.removeprefix("+"),
            "client_ref": one.message_id.hex,
            **_content(one),
        }
        if limits := _TTL_SECONDS.get(one.channel):
            left = int((one.expires_at - self._clock.now()).total_seconds())
            told["ttl"] = min(max(left, limits[0]), limits[1])
        if self._status_url:
            told |= {"webhook_url": self._status_url, "webhook_version": "v1"}
        return self._request(told)

    def read(self, one: Submission, answer: Answer) -> Verdict:
        """202 with an id is acceptance; errors are problem+json with their number in `type`."""
        body = answer.json()
        if not isinstance(body, dict):
            return by_status(answer, clock=self._clock, is_theirs=False)
        name = body.get("message_uuid")
        if 200 <= answer.status < 300 and isinstance(name, str) and name:
            return accepted(name)
        words = _words(body)
        if answer.status < 400 or not isinstance(body.get("type"), str):
            return by_status(answer, clock=self._clock, is_theirs=False, detail=words)
        code = body["type"].partition("#")[2] or str(answer.status)
        return by_code(vonage_codes.MESSAGES, code, answer, clock=self._clock, detail=words)

    async def check(self) -> str | None:
        """Ask for a message without anything in it: 422 comes only after the credentials."""
        answer = await self._ask(self._request({}))
        if answer.status == 422:
            return None
        body = answer.json()
        return (_words(body) if isinstance(body, dict) else "") or f"HTTP {answer.status}"

    def file_headers(self, url: str) -> Mapping[str, str] | None:
        """Files from handsets are at Vonage, in one region or another."""
        is_theirs = is_at(url, self._url, "nexmo.com", "vonage.com")
        return {"Authorization": self._key.authorization()} if is_theirs else None

    def _request(self, told: Mapping[str, Any]) -> Request:
        headers = {
            "Authorization": self._key.authorization(),
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        return Request("POST", self._url, headers, orjson.dumps(told))


class _Key:
    """The credentials: a token that our key signs, kept for ten minutes, or a user and password."""

    def __init__(self, settings: Mapping[str, Any], clock: Clock) -> None:
        self._clock, self._application = clock, settings["application_id"]
        self._private = _private_key(settings["private_key"]) if settings["private_key"] else None
        pair = f"{settings['api_key']}:{settings['api_secret']}"
        self._value = "Basic " + b64encode(pair.encode()).decode()
        self._until = 0.0

    def authorization(self) -> str:
        """The value of the header. Signing takes about a millisecond, so not for every message."""
        now = self._clock.now().timestamp()
        if self._private is not None and now >= self._until:
            claims = {
                "application_id": self._application,
                "iat": int(now),
                "exp": int(now) + _TOKEN_SECONDS,
                "jti": str(ids.uuid7()),
            }
            self._value = "Bearer " + jwt.encode(claims, self._private, "RS256")
            self._until = now + _TOKEN_KEPT_SECONDS
        return self._value


def _private_key(pem: str) -> RSAPrivateKey:
    """Raises ValueError for what is no RSA key. A PEM that lost its line breaks is taken too."""
    try:
        key = load_pem_private_key(pem.replace("\\n", "\n").encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, RSAPrivateKey):
        return key
    raise ValueError("private_key is no PEM of an RSA key without password")


def _content(one: Submission) -> Json:
    given = one.content or Content()
    if one.channel == SMS:
        if given.media or given.template or given.interactive:
            raise ValueError("an SMS is text alone at Vonage")
        encoding = _ENCODINGS.get(Encoding(one.encoding), "auto")
        return {"message_type": "text", "text": one.body, "sms": {"encoding_type": encoding}}
    if one.channel == MMS:
        return _mms(one.body, given.media)
    reply = {"context": {"message_uuid": given.reply_to}} if given.reply_to else {}
    return _whatsapp(one.body, given) | reply


def _mms(body: str, media: tuple[Media, ...]) -> Json:
    if not media:
        return {"message_type": "text", "text": body}
    if len(media) == 1:
        kind = _kind(media[0])
        return {"message_type": kind, kind: _file(media[0], body)}
    items = [{"type": _kind(file), **_file(file, "")} for file in media]
    if body:
        items[0]["caption"] = body
    return {"message_type": "content", "content": items}


def _whatsapp(body: str, given: Content) -> Json:
    if given.template:
        return _template(given.template)
    if given.interactive:
        kind = given.interactive.get("type")
        # What names its own kind, such as a place, is whole; buttons and lists go inside.
        is_whole = isinstance(kind, str) and kind in given.interactive
        whole = given.interactive if is_whole else {"type": "interactive",
                                                    "interactive": given.interactive}  # fmt: skip
        return {"message_type": "custom", "custom": dict(whole)}
    if not given.media:
        return {"message_type": "text", "text": body}
    if len(given.media) > 1:
        raise ValueError("a WhatsApp message has one file at most")
    kind = _kind(given.media[0])
    if kind == "vcard":
        kind = "file"
    if kind == "audio" and body:
        raise ValueError("audio has no text beside it on WhatsApp")
    return {"message_type": kind, kind: _file(given.media[0], body)}


def _template(template: Template) -> Json:
    """Vonage's own form where it suffices; else Meta's, for named places, headers and buttons."""
    given = template.parameters
    if not template.components and not isinstance(given, Mapping):
        told: Json = {"name": template.name}
        if given:
            told["parameters"] = list(given)
        return {
            "message_type": "template",
            "template": told,
            "whatsapp": {"policy": "deterministic", "locale": template.language},
        }
    components = [dict(one) for one in template.components]
    if given:
        places: list[Json] = (
            [{"type": "text", "parameter_name": name, "text": text} for name, text in given.items()]
            if isinstance(given, Mapping)
            else [{"type": "text", "text": text} for text in given]
        )
        components.append({"type": "body", "parameters": places})
    metas = {
        "name": template.name.rpartition(":")[2],
        "language": {"policy": "deterministic", "code": template.language},
        "components": components,
    }
    return {"message_type": "custom", "custom": {"type": "template", "template": metas}}


def _kind(file: Media) -> str:
    """What Vonage calls a file of this type; without one the ending of its URL tells."""
    named = file.content_type or guess_type(urlsplit(file.url).path)[0] or ""
    if named in _CARDS:
        return "vcard"
    family = named.partition("/")[0]
    return family if family in ("image", "audio", "video") else "file"


def _file(file: Media, caption: str) -> Json:
    return {"url": file.url, "caption": caption} if caption else {"url": file.url}


def _words(body: Mapping[str, Any]) -> str:
    """Title, detail and the fields that are named."""
    wrong = body.get("invalid_parameters")
    named = [
        f"{one.get('name')} {one.get('reason')}"
        for one in (wrong if isinstance(wrong, list) else [])
        if isinstance(one, dict)
    ]
    return ": ".join(str(one) for one in (body.get("title"), body.get("detail"), *named) if one)


def _build(config: CarrierConfig) -> FilesCarrier:
    """A carrier, or ValueError for settings with which Vonage cannot be called."""
    given = config.settings
    if bool(given["application_id"]) != bool(given["private_key"]):
        raise ValueError("application_id and private_key belong together")
    if bool(given["api_key"]) != bool(given["api_secret"]):
        raise ValueError("api_key and api_secret belong together")
    if not given["application_id"] and not given["api_key"]:
        raise ValueError("give application_id and private_key, or api_key and api_secret")
    return FilesCarrier(config, partial(VonageMessagesDialect, config))


SPEC: Final = CarrierSpec(
    kind="vonage_messages",
    title="Vonage Messages API",
    fields=(
        SettingField("application_id", "text", "ID of the application that the numbers belong to",
                     default="", at_most=36),
        SettingField("private_key", "secret", "Private key of the application, as PEM", default="",
                     at_most=65_536),
        SettingField("api_key", "text", "API key of the account, to send without an application",
                     default="", at_most=100),
        SettingField("api_secret", "secret", "Its API secret", default="", at_most=200),
        SettingField("signature_secret", "secret", "Signature secret of the account; with it"
                     " callbacks must be signed", default="", at_most=200),
        SettingField("whatsapp_sender", "text", "Number of WhatsApp messages that name no sender,"
                     " as +14155550100", default="", at_most=16),
        SettingField("base_url", "text", "Where the API is; for a region such as"
                     " https://api-eu.vonage.com", default="https://api.nexmo.com", at_most=200),
        *FIELDS,
    ),
    build=_build,
    receives=("receipts", "inbound"),
    account=("application_id", "api_key"),
    channels=(SMS, MMS, WHATSAPP),
    calls=VonageMessagesCalls,
    callbacks={
        "inbound": "messages from handsets: Inbound URL of the application",
        "status": "delivery receipts: Status URL of the application; also given with each message",
    },
    guide="vonage",
)  # fmt: skip
