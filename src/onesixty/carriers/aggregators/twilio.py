"""Twilio Programmable Messaging: SMS, MMS and WhatsApp over one resource, `Messages.json`.

Twilio takes no reference of ours, so our message id goes into the query of its status callback.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from onesixty.carriers.aggregators.twilio_calls import TwilioCalls
from onesixty.carriers.content import MMS, SMS, WHATSAPP, Template
from onesixty.carriers.contract import CarrierConfig, CarrierSpec, Price, SettingField, Submission
from onesixty.carriers.http.carrier import HttpCarrier
from onesixty.carriers.http.dialect import (
    Answer,
    Ask,
    Request,
    Verdict,
    accepted,
    by_code,
    by_status,
    config,
    content,
    recipient,
    throttled,
    transient,
)
from onesixty.carriers.http.settings import FIELDS

VALIDITY_MOST_SECONDS: Final = 36_000
_SID: Final = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")

# The number: invalid, no mobile, unsubscribed, blocked, a landline, not on this channel.
_RECIPIENT: Final = (
    "21211 21214 21217 21610 21612 21614 30004 30005 30006 30011 63003 63014 63024 63032 63033"
)
# No text, too long, media that cannot be had, filtered, forbidden, outside the 24 hours.
_CONTENT: Final = "21602 21617 21620 21623 30007 63005 63006 63013 63016 63021"
_CONFIG: Final = (
    "10001 20003 20005 20008 20404 20422 21212 21408 21603 21604 21606 21608 21609 21624 21654"
    " 21655 21656 21657 21703 21704 21705 30002 30010 30018 30024 30032 30033 30034 30035 35111"
    " 35114 35118 35126 63001 63002 63007 63008 63027 63028 63040 63041 63042 63051"
)
_THROTTLED: Final = "14107 20429 21611 30001 30022 30023 30027 63017 63018 63038"
_TRANSIENT: Final = "20500 20503 30003 30008 30017 30020 30021 30410 30450 63009 63010 63012 63019"
CODES: Final = {
    code: maker
    for codes, maker in (
        (_RECIPIENT, recipient),
        (_CONTENT, content),
        (_CONFIG, config),
        (_THROTTLED, throttled),
        (_TRANSIENT, transient),
    )
    for code in codes.split()
}


class TwilioDialect:
    """Requests and answers of `/2010-04-01/Accounts/{sid}/Messages.json`."""

    def __init__(self, config: CarrierConfig, ask: Ask) -> None:
        self._s, self._clock, self._ask = config.settings, config.clock, ask
        self._status_url = config.callback_url and config.callback_url + "/status?message="
        base, sid = self._s["base_url"].rstrip("/"), self._s["account_sid"]
        self._url = f"{base}/2010-04-01/Accounts/{sid}/Messages.json"
        self._headers = {"Authorization": _basic(self._s), "Accept": "application/json"}

    async def request(self, one: Submission) -> Request:
        """One POST of a form. ValueError for what Twilio has no field for."""
        fields = [*self._addresses(one), *_content(one)]
        if one.channel != WHATSAPP:
            left = int((one.expires_at - self._clock.now()).total_seconds())
            fields.append(("ValidityPeriod", str(min(max(left, 1), VALIDITY_MOST_SECONDS))))
        if self._status_url:
            fields.append(("StatusCallback", self._status_url + one.message_id.hex))
        headers = {**self._headers, "Content-Type": "application/x-www-form-urlencoded"}
        return Request("POST", self._url, headers, urlencode(fields).encode())

    def read(self, one: Submission, answer: Answer) -> Verdict:
        """201 with a sid is acceptance; errors are numbered, in a body of a known shape."""
        body = answer.json()
        if not isinstance(body, dict):
            return by_status(answer, clock=self._clock, is_theirs=False)
        sid, code = body.get("sid"), body.get("code")
        if answer.status in (200, 201) and isinstance(sid, str) and sid:
            return accepted(sid, price=Price.of(body.get("price"), body.get("price_unit")))
        words = str(body.get("message") or "")
        if not isinstance(code, int):
            return by_status(answer, clock=self._clock, is_theirs=False, detail=words)
        return by_code(CODES, str(code), answer, clock=self._clock, detail=words)

    async def check(self) -> str | None:
        """Read one message of the log: API keys may do that too, unlike reading the account."""
        answer = await self._ask(Request("GET", self._url + "?PageSize=1", self._headers))
        if answer.status == 200:
            return None
        body = answer.json()
        words = body.get("message") if isinstance(body, dict) else None
        return str(words or f"HTTP {answer.status}")

    def _addresses(self, one: Submission) -> list[tuple[str, str]]:
        prefix = "whatsapp:" if one.channel == WHATSAPP else ""
        service = self._s["messaging_service_sid"]
        if not one.sender and not service:
            raise ValueError("Twilio needs a sender, or a messaging service in the settings")
        fields = [("To", prefix + one.recipient)]
        if one.sender:
            fields.append(("From", prefix + one.sender))
        return [*fields, ("MessagingServiceSid", service)] if service else fields


def _content(one: Submission) -> list[tuple[str, str]]:
    """Body, media or template."""
    if one.form and (one.form.udh or one.form.data is not None or one.form.message_class == 0):
        raise ValueError("Twilio takes plain text only: no binary data, no headers, no flash")
    given = one.content
    if given and given.interactive:
        raise ValueError("buttons and lists are templates at Twilio: make one there")
    if given and given.template:
        return _template(given.template)
    fields = [("Body", one.body)] if one.body else []
    media = [("MediaUrl", file.url) for file in given.media] if given else []
    if one.channel == MMS and not media:
        fields.append(("SendAsMms", "true"))
    return fields + media


def _template(template: Template) -> list[tuple[str, str]]:
    if not _is_sid("HX", template.name):
        raise ValueError("Twilio knows a template by its ContentSid: HX and 32 hex digits")
    if template.components:
        raise ValueError("Twilio fills templates by their variables alone, not by components")
    given = template.parameters
    if not isinstance(given, Mapping):
        given = {str(place): value for place, value in enumerate(given, 1)}
    fields = [("ContentSid", template.name)]
    return [*fields, ("ContentVariables", orjson.dumps(given).decode())] if given else fields


def _build(settings: CarrierConfig) -> HttpCarrier:
    """A carrier, or ValueError for settings with which Twilio cannot be called."""
    given = settings.settings
    if not _is_sid("AC", given["account_sid"]):
        raise ValueError("account_sid is AC and 32 hex digits")
    if (service := given["messaging_service_sid"]) and not _is_sid("MG", service):
        raise ValueError("messaging_service_sid is MG and 32 hex digits")
    if bool(given["api_key_sid"]) != bool(given["api_key_secret"]):
        raise ValueError("api_key_sid and api_key_secret belong together")
    if not given["auth_token"] and not given["api_key_sid"]:
        raise ValueError("auth_token is missing, or an API key")
    return HttpCarrier(settings, partial(TwilioDialect, settings))


def _is_sid(kind: str, text: str) -> bool:
    return text.startswith(kind) and _SID.fullmatch(text) is not None


def _basic(settings: Mapping[str, Any]) -> str:
    name, secret = settings["account_sid"], settings["auth_token"]
    if settings["api_key_sid"]:
        name, secret = settings["api_key_sid"], settings["api_key_secret"]
    return "Basic " + b64encode(f"{name}:{secret}".encode()).decode()


SPEC: Final = CarrierSpec(
    kind="twilio",
    title="Twilio Programmable Messaging",
    fields=(
        SettingField("account_sid", "text", "Account SID: AC...", required=True, at_most=34),
        SettingField("auth_token", "secret", "Auth token; also checks the signature of callbacks",
                     default="", at_most=200),
        SettingField("api_key_sid", "text", "API key to send with instead: SK...", default="",
                     at_most=34),
        SettingField("api_key_secret", "secret", "Its secret", default="", at_most=200),
        SettingField("messaging_service_sid", "text", "Messaging service to send through: MG...;"
                     " messages need no sender then", default="", at_most=34),
        SettingField("webhook_secret", "secret", "Shared secret of callbacks that are signed with"
                     " HMAC_SHA256", default="", at_most=200),
        SettingField("base_url", "text", "Where its API is; for a region such as"
                     " https://api.dublin.ie1.twilio.com", default="https://api.twilio.com",
                     at_most=200),
        *FIELDS,
    ),
    build=_build,
    receives=("receipts", "inbound"),
    account=("account_sid",),
    channels=(SMS, MMS, WHATSAPP),
    calls=TwilioCalls,
    callbacks={
        "inbound": "messages from handsets: webhook of the number or the messaging service",
        "status": "delivery receipts; given with each message, so nothing has to be pasted",
    },
    guide="twilio",
)  # fmt: skip
