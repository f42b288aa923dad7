"""Azure Communication Services: text messages."""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import orjson

from onesixty.carriers.clouds.azure_events import AzureCalls
from onesixty.carriers.clouds.texts import text_of
from onesixty.carriers.contract import CarrierConfig, CarrierSpec, SettingField, Submission
from onesixty.carriers.http.carrier import HttpCarrier
from onesixty.carriers.http.dialect import (
    Answer,
    Ask,
    Request,
    Verdict,
    accepted,
    by_status,
    config,
    opted_out,
    recipient,
    unknown,
)
from onesixty.carriers.http.settings import FIELDS
from onesixty.kit import ids

_API_VERSION: Final = "2021-03-07"
_CHARACTERS_MOST: Final = 2048
# How long Azure remembers a repeatability id is not published; its guidelines ask for minutes. So a
# message that waited before its first try must not be dated back to when it was accepted.
_AT_ONCE: Final = timedelta(minutes=5)
_REPEATED: Final = timedelta(hours=1)
_WAITED_MOST: Final = 10_000


class AzureDialect:
    """`POST /sms` for one recipient, signed with the resource's access key."""

    def __init__(self, config: CarrierConfig, ask: Ask) -> None:
        # In small letters: the host is signed, and not every client sends it as it was written.
        base = config.settings["base_url"].rstrip("/").lower()
        self._url = f"{base}/sms?api-version={_API_VERSION}"
        self._key = key_of(config.settings["access_key"])
        self._sender: str | None = config.settings.get("sender")
        self._clock, self._ask = config.clock, ask
        # When messages were first tried that had waited: the others have it in their ids.
        self._waited: OrderedDict[UUID, datetime] = OrderedDict()

    async def request(self, one: Submission) -> Request:
        """Send it. Raises ValueError for what is not plain text, and without a sender."""
        sender = one.sender or self._sender
        if not sender:
            raise ValueError("Azure needs a sender: give one, or set that of the carrier")
        fields = {
            "from": sender,
            "smsRecipients": [
                {
                    "to": one.recipient,
                    "repeatabilityRequestId": str(one.message_id),
                    "repeatabilityFirstSent": _date(self._first_sent(one)),
                }
            ],
            "message": text_of(one, _CHARACTERS_MOST),
            "smsSendOptions": {"enableDeliveryReport": True, "tag": one.message_id.hex},
        }
        return self._signed(fields)

    def read(self, one: Submission, answer: Answer) -> Verdict:
        """A 202 says nothing yet: the result of the recipient is inside."""
        given = answer.json()
        body: dict[str, Any] = given if isinstance(given, dict) else {}
        results = body.get("value")
        if answer.status in (200, 202):
            first = results[0] if isinstance(results, list) and results else None
            return self._result(first if isinstance(first, dict) else {}, answer)
        code, detail = _error(body)
        verdict = by_status(answer, clock=self._clock, is_theirs=bool(code), detail=detail)
        return replace(verdict, code=code or verdict.code)

    async def check(self) -> str | None:
        """Ask to send to nobody: the key is looked at before the list that lacks."""
        answer = await self._ask(self._signed({"from": "", "smsRecipients": [], "message": ""}))
        given = answer.json()
        code, detail = _error(given if isinstance(given, dict) else {})
        return None if answer.status == 400 and code else detail or f"HTTP {answer.status}"

    def _result(self, result: Mapping[str, Any], answer: Answer) -> Verdict:
        status, identifier = result.get("httpStatusCode"), result.get("messageId")
        if result.get("successful") is True and isinstance(identifier, str) and identifier:
            return accepted(identifier)
        if not isinstance(status, int) or status < 400:
            return unknown(str(answer.status), "the answer does not tell what became of it")
        words = str(result.get("errorMessage") or f"status {status}")
        if status == 400:
            return _refused(words)
        item = replace(answer, status=status)
        return by_status(item, clock=self._clock, is_theirs=True, detail=words)

    def _first_sent(self, one: Submission) -> datetime:
        """The same for every try of a message, as near to its first one as can be told."""
        known = self._waited.get(one.message_id)
        if known is not None:
            return known
        now, accepted_at = self._clock.now(), ids.time_of(one.message_id)
        age_most = _AT_ONCE if one.attempt == 1 else _REPEATED
        if timedelta(0) <= now - accepted_at <= age_most:
            return accepted_at
        self._waited[one.message_id] = now
        if len(self._waited) > _WAITED_MOST:
            self._waited.popitem(last=False)
        return now

    def _signed(self, fields: Mapping[str, Any]) -> Request:
        body = orjson.dumps(fields)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers |= signature("POST", self._url, body, _date(self._clock.now()), self._key)
        return Request("POST", self._url, headers, body)


def _refused(words: str) -> Verdict:
    """Why a recipient got a 400: the words alone tell whose fault it is."""
    if re.search(r"opt(ed)?[ -]?out", words, re.IGNORECASE):
        return opted_out("400", words)
    # They begin what they name with a capital: "blocked from" is no sender.
    return (config if re.search(r"\bFrom\b|[Ss]ender", words) else recipient)("400", words)


def key_of(text: str) -> bytes:
    """The octets of an access key. Raises ValueError."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise ValueError(
            "access_key is not base64: take the key, not the connection string"
        ) from None


def signature(method: str, url: str, body: bytes, date: str, key: bytes) -> dict[str, str]:
    """The headers that let a request in."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    digest = b64encode(hashlib.sha256(body).digest()).decode()
    text = f"{method}\n{target}\n{date};{parts.netloc};{digest}"
    signed = b64encode(hmac.digest(key, text.encode(), "sha256")).decode()
    return {
        "x-ms-date": date,
        "x-ms-content-sha256": digest,
        "Authorization": "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256"
        f"&Signature={signed}",
    }


def _date(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _error(body: Mapping[str, Any]) -> tuple[str, str]:
    """Code and words of an error; empty where it is not of Azure's shape."""
    error = body.get("error")
    if not isinstance(error, dict):
        return "", ""
    code = str(error.get("code") or "error")
    return code, str(error.get("message") or code)


SPEC: Final = CarrierSpec(
    kind="azure",
    title="Azure Communication Services SMS",
    fields=(
        SettingField("base_url", "text",
                     "Endpoint of the resource, such as https://acme.communication.azure.com",
                     required=True, at_most=500),
        SettingField("access_key", "secret", "Access key of the resource", required=True,
                     at_most=512),
        SettingField("sender", "text", "Number or name for messages without a sender", at_most=32),
        SettingField("topic", "text",
                     "Id of the resource, /subscriptions/...; events of other resources are"
                     " refused", at_most=500),
        *FIELDS,
    ),
    build=lambda config: HttpCarrier(config, partial(AzureDialect, config)),
    receives=("receipts", "inbound"),
    account=("base_url",),
    calls=AzureCalls,
    callbacks={"events": "webhook of an Event Grid subscription, for reports and inbound messages"},
    guide="azure",
)  # fmt: skip
