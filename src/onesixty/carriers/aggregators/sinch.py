"""Sinch SMS over its REST API ("xms"): one batch for each message, of one recipient."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import orjson

from onesixty.carriers.aggregators.sinch_calls import SinchCalls
from onesixty.carriers.content import MMS, SMS
from onesixty.carriers.contract import CarrierConfig, CarrierSpec, SettingField, Submission
from onesixty.carriers.http.carrier import HttpCarrier
from onesixty.carriers.http.dialect import (
    Answer,
    Ask,
    Request,
    Verdict,
    accepted,
    by_status,
    recipient,
    transient,
    unknown,
)
from onesixty.carriers.http.oauth import Tokens
from onesixty.carriers.http.settings import FIELDS
from onesixty.sms.form import FLASH, Form

VALIDITY_MOST: Final = timedelta(days=3)
OCTETS_MOST: Final = 140  # of a binary message with its header
REGIONS: Final = ("us", "eu", "au", "br", "ca")
PROJECT_REGIONS: Final = ("us", "eu")
AUTH_URL: Final = "https://auth.sinch.com"
# data_coding values that say "octets" (3GPP TS 23.038, 4): what a binary batch is sent as
_BINARY_CODINGS: Final = (None, 0x04, 0xF4, 0xF5, 0xF6, 0xF7)
_NO_CHOICE: Final = (
    "Sinch takes binary data and flash, but no header beside text and no other data coding, class"
    " or protocol identifier"
)


class SinchDialect:
    """Requests and answers of `/xms/v1/{plan or project}/batches`."""

    def __init__(self, config: CarrierConfig, ask: Ask) -> None:
        self._ask, self._clock = ask, config.clock
        self._callback_url = config.callback_url
        settings = config.settings
        self._url = _url(settings)
        self._api_token: str = settings.get("api_token") or ""
        self._tokens = None if self._api_token else _tokens(settings, ask, config)

    async def request(self, one: Submission) -> Request:
        """A batch of one recipient; its reports echo our message id as `client_reference`."""
        batch = {
            **_body(one),
            "to": [one.recipient.removeprefix("+")],
            "delivery_report": "per_recipient",
            "client_reference": one.message_id.hex,
            "expire_at": _time(min(one.expires_at, self._clock.now() + VALIDITY_MOST)),
        }
        if one.sender:
            batch["from"] = one.sender
        if self._callback_url:
            batch["callback_url"] = f"{self._callback_url}/status"
        headers = {**await self._headers(), "content-type": "application/json"}
        return Request("POST", self._url, headers, orjson.dumps(batch))

    def read(self, one: Submission, answer: Answer) -> Verdict:
        """201 with the batch, or an error with `code` and `text`."""
        told = answer.json()
        told = told if isinstance(told, dict) else {}
        if answer.status in (200, 201):
            identifier = told.get("id")
            if isinstance(identifier, str) and identifier:
                return accepted(identifier)
            return unknown(str(answer.status), "Sinch took it and named no batch")
        code, text = told.get("code"), told.get("text")
        is_theirs = isinstance(code, str)
        detail = f"{code}: {text}" if is_theirs else ""
        if answer.status == 400 and is_theirs and "to[" in str(text):
            return recipient(str(code), detail)
        if answer.status == 401 and self._tokens and one.tries == 1:
            # The token may have been withdrawn before its time; the next try brings a new one.
            self._tokens.drop()
            return transient("401", "Sinch refused the access token")
        verdict = by_status(answer, clock=self._clock, is_theirs=is_theirs, detail=detail)
        return replace(verdict, code=code) if is_theirs and isinstance(code, str) else verdict

    async def check(self) -> str | None:
        """List one batch."""
        url = f"{self._url}?page=0&page_size=1"
        answer = await self._ask(Request("GET", url, await self._headers()))
        if answer.status == 200:
            return None
        if answer.status in (401, 403, 404):
            return (
                f"Sinch answers HTTP {answer.status}: check the token, the plan or project, and the"
                " region, for a plan exists in one region alone"
            )
        return f"Sinch answers HTTP {answer.status}"

    async def _headers(self) -> dict[str, str]:
        token = await self._tokens.get() if self._tokens else self._api_token
        return {"authorization": f"Bearer {token}", "accept": "application/json"}


def _url(settings: Mapping[str, Any]) -> str:
    region = settings["region"]
    if settings.get("api_token"):
        owner, host = settings.get("service_plan_id"), f"{region}.sms.api.sinch.com"
        missing = None if owner else "service_plan_id"
    else:
        owner, host = settings.get("project_id"), f"zt.{region}.sms.api.sinch.com"
        names = ("project_id", "key_id", "key_secret")
        missing = next((name for name in names if not settings.get(name)), None)
        if not missing and region not in PROJECT_REGIONS:
            raise ValueError(f"a project of Sinch is in region {' or '.join(PROJECT_REGIONS)}")
    if missing:
        raise ValueError(
            f"{missing} is missing: Sinch wants service_plan_id and api_token, or project_id,"
            " key_id and key_secret"
        )
    base = (settings.get("base_url") or f"https://{host}").rstrip("/")
    return f"{base}/xms/v1/{owner}/batches"


def _tokens(settings: Mapping[str, Any], ask: Ask, config: CarrierConfig) -> Tokens:
    url = settings["auth_url"].rstrip("/") + "/oauth2/token"
    return Tokens(ask, config.clock, url, settings["key_id"], settings["key_secret"])


def _body(one: Submission) -> dict[str, Any]:
    if one.channel == MMS:
        return _media(one)
    form = one.form
    if form is None:
        return {"type": "mt_text", "body": one.body}
    if form.protocol_id:
        raise ValueError(_NO_CHOICE)
    if form.data is not None:
        return _binary(form, form.data)
    if form.udh or form.data_coding is not None or form.message_class not in (None, FLASH):
        raise ValueError(_NO_CHOICE)
    return {"type": "mt_text", "body": one.body, "flash_message": form.message_class == FLASH}


def _binary(form: Form, data: bytes) -> dict[str, Any]:
    if form.data_coding not in _BINARY_CODINGS or form.message_class == FLASH:
        raise ValueError(_NO_CHOICE)
    if len(form.udh) + len(data) > OCTETS_MOST:
        raise ValueError(f"Sinch takes {OCTETS_MOST} octets of binary data, header included")
    return {"type": "mt_binary", "body": b64encode(data).decode(), "udh": form.udh.hex()}


def _media(one: Submission) -> dict[str, Any]:
    media = one.content.media if one.content else ()
    if len(media) != 1:
        raise ValueError(f"Sinch takes one file with an MMS, not {len(media)}")
    body = {"url": media[0].url}
    if one.body:
        body["message"] = one.body
    if one.content and one.content.subject:
        body["subject"] = one.content.subject
    return {"type": "mt_media", "body": body}


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


SPEC: Final = CarrierSpec(
    kind="sinch",
    title="Sinch SMS (REST)",
    fields=(
        SettingField("service_plan_id", "text", "Service plan, with its `api_token`",
                     at_most=64),
        SettingField("api_token", "secret", "API token of the service plan", at_most=200),
        SettingField("project_id", "text", "Project, with `key_id` and `key_secret`, instead of a"
                     " service plan and its token", at_most=64),
        SettingField("key_id", "text", "Access key of the project", at_most=64),
        SettingField("key_secret", "secret", "Secret of that access key", at_most=200),
        SettingField("region", "choice", "Where the plan is; a project is in us or eu",
                     default="us", choices=REGIONS),
        SettingField("webhook_secret", "secret", "Secret with which Sinch signs callbacks (HMAC);"
                     " without it the secret part of our callback URL protects them", at_most=200),
        SettingField("base_url", "text", "URL of the API; without it that of the region",
                     at_most=200),
        SettingField("auth_url", "text", "URL that gives access tokens for a project",
                     default=AUTH_URL, at_most=200),
        *FIELDS,
    ),
    build=lambda config: HttpCarrier(config, partial(SinchDialect, config)),
    receives=("receipts", "inbound"),
    account=("service_plan_id", "project_id"),
    channels=(SMS, MMS),
    calls=SinchCalls,
    callbacks={
        "status": "given with each message; needs no entry",
        "inbound": "callback URL of the service plan or project, for messages from handsets",
    },
    guide="sinch",
)  # fmt: skip
