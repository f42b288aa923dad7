"""Plivo: `POST /v1/Account/{auth_id}/Message/`."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import orjson

from onesixty.carriers.aggregators.plivo_calls import PlivoCalls
from onesixty.carriers.content import MMS, SMS, WHATSAPP, Content, Template
from onesixty.carriers.contract import CarrierConfig, CarrierSpec, SettingField, Submission
from onesixty.carriers.http import calls
from onesixty.carriers.http.dialect import (
    Answer,
    Ask,
    Request,
    Verdict,
    accepted,
    by_status,
    recipient,
    unknown,
)
from onesixty.carriers.http.files import FilesCarrier, is_at
from onesixty.carriers.http.oauth import basic
from onesixty.carriers.http.settings import FIELDS

BASE_URL: Final = "https://api.plivo.com"
# Seconds of `message_expiry`. A longer validity is left to Plivo, which has a bound of its own.
EXPIRY_LEAST, EXPIRY_MOST = 5, 14_400
# Errors have no code: what is wrong is named in words.
_OF_RECIPIENT: Final = re.compile(r"\b(dst|destination)\b", re.IGNORECASE)
_OF_SENDER: Final = re.compile(r"\b(src|source|powerpack)", re.IGNORECASE)


class PlivoDialect:
    """Requests and answers of the Message resource."""

    def __init__(self, config: CarrierConfig, ask: Ask) -> None:
        self._ask, self._clock = ask, config.clock
        self._callback_url = config.callback_url
        settings = config.settings
        base = settings["base_url"].rstrip("/")
        self._account = f"{base}/v1/Account/{settings['auth_id']}/"
        self._powerpack: str | None = settings.get("powerpack_uuid")
        self._headers = {
            "authorization": basic(settings["auth_id"], settings["auth_token"]),
            "accept": "application/json",
        }

    async def request(self, one: Submission) -> Request:
        """Callbacks come to a URL that names our message, for the API has no field for that."""
        message = {"dst": one.recipient, **self._source(one), **_body(one)}
        left = int((one.expires_at - self._clock.now()).total_seconds())
        if one.channel == SMS and left <= EXPIRY_MOST:
            message["message_expiry"] = max(left, EXPIRY_LEAST)
        if self._callback_url:
            message["url"] = f"{self._callback_url}/status?message_id={one.message_id.hex}"
            message["method"] = "POST"
        headers = {**self._headers, "content-type": "application/json"}
        return Request("POST", f"{self._account}Message/", headers, orjson.dumps(message))

    def read(self, one: Submission, answer: Answer) -> Verdict:
        """2xx with `message_uuid`, a list; or `error`."""
        told = calls.object_of(answer.json())
        if 200 <= answer.status < 300:
            return _taken(one, answer, told)
        error = calls.words(told.get("error"))
        if answer.status == 400 and _OF_RECIPIENT.search(error) and not _OF_SENDER.search(error):
            return recipient("400", error)
        return by_status(answer, clock=self._clock, is_theirs=bool(error), detail=error)

    async def check(self) -> str | None:
        """Ask for the account."""
        answer = await self._ask(Request("GET", self._account, self._headers))
        if answer.status in (401, 403, 404):
            return f"Plivo answers HTTP {answer.status}: check auth_id and auth_token"
        return None if answer.status == 200 else f"Plivo answers HTTP {answer.status}"

    def file_headers(self, url: str) -> Mapping[str, str] | None:
        """Media may be open to all, or to the account alone: that is set in Plivo's console."""
        return self._headers if is_at(url, self._account, "plivo.com") else None

    def _source(self, one: Submission) -> dict[str, Any]:
        if one.sender:
            return {"src": one.sender}
        if self._powerpack and one.channel != WHATSAPP:
            return {"powerpack_uuid": self._powerpack}
        raise ValueError("Plivo wants a sender, or the setting powerpack_uuid")


def _taken(one: Submission, answer: Answer, told: Mapping[str, Any]) -> Verdict:
    named, invalid = told.get("message_uuid"), told.get("invalid_number")
    first = named[0] if isinstance(named, list) and named else named
    if isinstance(first, str) and first:
        if one.channel == SMS and one.segments > 1:
            # One id for all parts; their receipts number them.
            parts = tuple(f"{first}/{part}" for part in range(1, one.segments + 1))
            return accepted(first, part_ids=parts)
        return accepted(first)
    if invalid:
        return recipient("invalid_number", "Plivo says that the number is not valid")
    return unknown(str(answer.status), "Plivo took it and named no message")


def _body(one: Submission) -> dict[str, Any]:
    if one.form:
        raise ValueError("Plivo takes plain text and media, no headers, binary data or classes")
    content = one.content or Content()
    body: dict[str, Any] = {"type": one.channel}
    if one.body:
        body["text"] = one.body
    if content.media:
        body["media_urls"] = [file.url for file in content.media]
    if one.channel == MMS and not content.media:
        raise ValueError("an MMS by Plivo needs a file")
    if content.template:
        body["template"] = _template(content.template)
    if content.interactive:
        body["interactive"] = dict(content.interactive)
    return body


def _template(template: Template) -> dict[str, Any]:
    given = template.parameters
    if isinstance(given, Mapping):
        filled = [
            {"type": "text", "parameter_name": name, "text": text} for name, text in given.items()
        ]
    else:
        filled = [{"type": "text", "text": text} for text in given]
    components = [dict(one) for one in template.components]
    if filled:
        components.append({"type": "body", "parameters": filled})
    return {"name": template.name, "language": template.language, "components": components}


SPEC: Final = CarrierSpec(
    kind="plivo",
    title="Plivo Messaging",
    fields=(
        SettingField("auth_id", "text", "Auth ID of the account or subaccount", required=True,
                     at_most=64),
        SettingField("auth_token", "secret", "Its auth token; callbacks are signed with it too",
                     required=True, at_most=200),
        SettingField("powerpack_uuid", "text", "Powerpack for messages without a sender",
                     at_most=64),
        SettingField("base_url", "text", "URL of the API", default=BASE_URL, at_most=200),
        *FIELDS,
    ),
    build=lambda config: FilesCarrier(config, partial(PlivoDialect, config)),
    receives=("receipts", "inbound"),
    account=("auth_id",),
    channels=(SMS, MMS, WHATSAPP),
    calls=PlivoCalls,
    callbacks={
        "status": "given with each message; needs no entry",
        "inbound": "message URL of the application that the numbers belong to, method POST",
    },
    guide="plivo",
)  # fmt: skip
