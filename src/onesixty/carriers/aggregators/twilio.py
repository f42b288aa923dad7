"""Twilio Programmable Messaging: SMS, MMS and WhatsApp over one resource, `Messages.json`.

Twilio takes no reference of ours, so our message id goes into the query of its status callback.
"""

import asyncio
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from onesixty.carriers.aggregators.twilio_calls import TwilioCalls, state_of
from onesixty.carriers.aggregators.twilio_codes import CODES
from onesixty.carriers.content import MMS, SMS, WHATSAPP, Template
from onesixty.carriers.contract import (
    CarrierConfig,
    CarrierSpec,
    Price,
    Question,
    Receipt,
    SettingField,
    Submission,
    ignored,
)
from onesixty.carriers.http.calls import object_of, words
from onesixty.carriers.http.dialect import (
    Answer,
    Ask,
    NoAnswerError,
    NotSentError,
    Request,
    Verdict,
    accepted,
    by_code,
    by_status,
)
from onesixty.carriers.http.files import FilesCarrier, is_at
from onesixty.carriers.http.settings import FIELDS

VALIDITY_MOST_SECONDS: Final = 36_000
_SID: Final = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")


class TwilioCarrier(FilesCarrier):
    """Besides sending: fetches media, and asks what became of a message."""

    def __init__(self, config: CarrierConfig) -> None:
        self._api: TwilioDialect
        self._asking: set[asyncio.Task[None]] = set()
        super().__init__(config, self._make(config))

    def ask(self, questions: Sequence[Question]) -> None:
        """A request for each message, one after the other; where no answer comes there is none."""
        task = asyncio.create_task(self._look_up(questions))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def stop(self, drain_seconds: float) -> None:
        """Ask nothing more, and finish what is in flight."""
        for task in self._asking:
            task.cancel()
        await super().stop(drain_seconds)

    def _make(self, config: CarrierConfig) -> Callable[[Ask], "TwilioDialect"]:
        def make(ask: Ask) -> TwilioDialect:
            self._api = TwilioDialect(config, ask)
            return self._api

        return make

    async def _look_up(self, questions: Sequence[Question]) -> None:
        for one in questions:
            try:
                answer = await self._client.ask(self._api.question(one))
            except (NotSentError, NoAnswerError):
                continue
            receipt = self._api.told(one, answer)
            if receipt and self._events:
                self._events.on_receipts([receipt])


class TwilioDialect:
    """Requests and answers of `/2010-04-01/Accounts/{sid}/Messages.json`."""

    def __init__(self, config: CarrierConfig, ask: Ask) -> None:
        self._s, self._clock, self._ask = config.settings, config.clock, ask
        self._id = config.id
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
        detail = words(body.get("message"))
        if not isinstance(code, int):
            return by_status(answer, clock=self._clock, is_theirs=False, detail=detail)
        return by_code(CODES, str(code), answer, clock=self._clock, detail=detail)

    async def check(self) -> str | None:
        """Read one message of the log: API keys may do that too, unlike reading the account."""
        answer = await self._ask(Request("GET", self._url + "?PageSize=1", self._headers))
        if answer.status == 200:
            return None
        return words(object_of(answer.json()).get("message")) or f"HTTP {answer.status}"

    def file_headers(self, url: str) -> Mapping[str, str] | None:
        """Media are at Twilio's API, which leads on to where they are stored."""
        return self._headers if is_at(url, self._url, "twilio.com") else None

    def question(self, one: Question) -> Request:
        """Asks for a message as it stands now."""
        url = f"{self._url.removesuffix('.json')}/{quote(one.carrier_message_id)}.json"
        return Request("GET", url, self._headers)

    def told(self, one: Question, answer: Answer) -> Receipt | None:
        """What it was answered, as a receipt with its price; None where it says nothing."""
        given = object_of(answer.json()) if answer.status == 200 else {}
        if not (word := words(given.get("status"))):
            return None
        error = words(given.get("error_code"))
        return Receipt(
            carrier_id=self._id,
            carrier_message_id=one.carrier_message_id,
            match_keys=(one.match_key,),
            state=state_of(word, error),
            error=error,
            sender=one.recipient,
            recipient=one.sender or "",
            text="",
            raw=answer.body.decode(errors="replace"),
            received_at=self._clock.now(),
            acknowledge=ignored,
            word=word,
            price=Price.of(given.get("price"), given.get("price_unit")),
        )

    def _addresses(self, one: Submission) -> list[tuple[str, str]]:
        chat = one.channel == WHATSAPP
        prefix = "whatsapp:" if chat else ""
        sender = one.sender or (self._s["whatsapp_sender"] if chat else None)
        service = self._s["messaging_service_sid"]
        if not sender and not service:
            raise ValueError("Twilio needs a sender, or a messaging service in the settings")
        fields = [("To", prefix + one.recipient)]
        if sender:
            fields.append(("From", prefix + sender))
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


def _build(settings: CarrierConfig) -> TwilioCarrier:
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
    return TwilioCarrier(settings)


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
                     " the senders of messages must be among its own", default="", at_most=34),
        SettingField("whatsapp_sender", "text", "Number of WhatsApp messages that name no sender,"
                     " as +14155550100", default="", at_most=16),
        SettingField("webhook_secret", "secret", "Shared secret of callbacks that are signed with"
                     " HMAC_SHA256", default="", at_most=200),
        SettingField("query", "boolean", "Ask Twilio before a message ends without a receipt",
                     default=False),
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
