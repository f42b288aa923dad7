"""Infobip: `POST /sms/3/messages` with ids of our own, its tables of statuses, its webhooks."""

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

import orjson

from onesixty.carriers.content import SMS
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    CarrierConfig,
    CarrierSpec,
    ErrorClass,
    Inbound,
    News,
    OutcomeKind,
    Price,
    Receipt,
    ReceiptState,
    SettingField,
    Submission,
)
from onesixty.carriers.http import calls
from onesixty.carriers.http.carrier import HttpCarrier
from onesixty.carriers.http.dialect import (
    Answer,
    Ask,
    Request,
    Verdict,
    accepted,
    by_status,
    config,
    content,
    recipient,
    throttled,
    unknown,
)
from onesixty.carriers.http.settings import FIELDS
from onesixty.kit import ids
from onesixty.sms.form import FLASH, Form

VALIDITY_MOST_SECONDS: Final = 48 * 3600  # Infobip's own bound
OCTETS_MOST: Final = 140
UDHI: Final = 64  # esm_class: the data begins with a header
OCTETS_CODING: Final = 4  # data_coding of binary data without a class
CLASS_CODING: Final = 0xF4  # with a class, in its lowest bits
Maker = Callable[[str, str], Verdict]


def elsewhere(code: str, detail: str) -> Verdict:
    """A fault of Infobip's. Not tried again there: the id of the message may be used up."""
    return Verdict(OutcomeKind.REFUSED, "carrier_error", ErrorClass.CARRIER, detail, code)


# Ids of statuses in the answer to a send (group 5, but for the first three).
CLASSES: Final[tuple[tuple[Maker, tuple[int, ...]], ...]] = (
    # undeliverable; network, prefix, do not disturb, blocklisted, destination
    (recipient, (4, 9, 31, 6, 8, 10, 14, 52)),
    (content, (25,)),  # too long
    # source, credits, sender, registration, route, header, no recipient, fraud
    (config, (11, 12, 13, 17, 18, 19, 24, 51, 87)),
    (throttled, (20,)),  # flooding
    (elsewhere, (21, 100)),  # system error
)
STATUSES: Final[Mapping[int, Maker]] = {
    number: made for made, numbers in CLASSES for number in numbers
}
DUPLICATE: Final = 23  # a message of this id is there already: an earlier try was taken
PENDING, UNDELIVERABLE, DELIVERED, EXPIRED, REJECTED = 1, 2, 3, 4, 5  # groups
TAKEN_GROUPS: Final = (PENDING, DELIVERED)
STATES: Final = {
    PENDING: ReceiptState.ENROUTE,
    UNDELIVERABLE: ReceiptState.UNDELIVERABLE,
    DELIVERED: ReceiptState.DELIVERED,
    EXPIRED: ReceiptState.EXPIRED,
    REJECTED: ReceiptState.REJECTED,
}
# Statuses that say other than their group.
ODD_STATES: Final = {
    2: ReceiptState.ENROUTE,  # DELIVERED_TO_OPERATOR
    29: ReceiptState.UNKNOWN,  # EXPIRED_DLR_UNKNOWN
    DUPLICATE: ReceiptState.NONE,  # of a repeat; the first one has a report of its own
}


class InfobipDialect:
    """Requests and answers of `/sms/3/messages`."""

    def __init__(self, config: CarrierConfig, ask: Ask) -> None:
        self._ask, self._clock = ask, config.clock
        settings = config.settings
        # Reports that a subscription secures come by the subscription.
        secured = settings.get("webhook_secret") or settings.get("webhook_user")
        self._callback_url = None if secured else config.callback_url
        self._base: str = settings["base_url"].rstrip("/")
        self._headers = {
            "authorization": f"App {settings['api_key']}",
            "accept": "application/json",
        }

    async def request(self, one: Submission) -> Request:
        """One message to one destination; reports echo our id as `callbackData`."""
        left = int((one.expires_at - self._clock.now()).total_seconds())
        seconds = min(max(left, 1), VALIDITY_MOST_SECONDS)
        options: dict[str, Any] = {"validityPeriod": {"amount": seconds, "timeUnit": "SECONDS"}}
        if one.form and one.form.data is None and one.form.message_class == FLASH:
            options["flash"] = True
        webhooks: dict[str, Any] = {"callbackData": one.message_id.hex}
        if self._callback_url:
            webhooks["delivery"] = {"url": f"{self._callback_url}/status"}
            webhooks["contentType"] = "application/json"
        message = {
            "destinations": [{"to": one.recipient.removeprefix("+"), "messageId": _name(one)}],
            "content": _content(one),
            "options": options,
            "webhooks": webhooks,
        }
        if one.sender:
            message["sender"] = one.sender.removeprefix("+")
        headers = {**self._headers, "content-type": "application/json"}
        body = orjson.dumps({"messages": [message]})
        return Request("POST", f"{self._base}/sms/3/messages", headers, body)

    def read(self, one: Submission, answer: Answer) -> Verdict:
        """200 with a status for the message, which may be a refusal; or an error."""
        told = calls.object_of(answer.json())
        if 200 <= answer.status < 300:
            return _taken(one, answer, told)
        code, words, fields = _error(told)
        detail = ": ".join(text for text in (code, words) if text)
        if answer.status == 400 and any(field.endswith(".to") for field in fields):
            return recipient(code, detail)
        verdict = by_status(answer, clock=self._clock, is_theirs=bool(detail), detail=detail)
        return replace(verdict, code=code) if code else verdict

    async def check(self) -> str | None:
        """Look at one line of the log. A key that may not do that may still send."""
        answer = await self._ask(Request("GET", f"{self._base}/sms/3/logs?limit=1", self._headers))
        if answer.status == 401:
            return "Infobip answers HTTP 401: check api_key and base_url, which belong together"
        return None if answer.status in (200, 403) else f"Infobip answers HTTP {answer.status}"


class InfobipCalls:
    """Reports and inbound messages both come as `results`; those with a status are reports."""

    def __init__(self, config: CarrierConfig) -> None:
        self._config = config
        settings = config.settings
        self._secret: str = settings.get("webhook_secret") or ""
        self._header: str = settings["webhook_header"].lower()
        self._digest: str = settings["webhook_digest"]
        self._user: str = settings.get("webhook_user") or ""
        self._password: str = settings.get("webhook_password") or ""

    async def read(self, call: Call) -> News:
        """Check what the subscription adds, then read."""
        if self._secret:
            self._check(call)
        if self._user:
            calls.check_basic(call, self._user, self._password)
        results = calls.objects(calls.object_of(calls.json_of(call)).get("results"))
        return News(
            receipts=[self._receipt(call, one) for one in results if "status" in one],
            inbounds=[self._inbound(call, one) for one in results if "status" not in one],
        )

    def _check(self, call: Call) -> None:
        given = call.headers.get(self._header, "").removeprefix(f"{self._digest}=")
        made = hmac.digest(self._secret.encode(), call.body, self._digest)
        wanted = (made.hex().encode(), b64encode(made))
        if not any(hmac.compare_digest(given.encode(), one) for one in wanted):
            raise CallRefusedError("the signature of Infobip is missing or wrong")

    def _receipt(self, call: Call, told: Mapping[str, Any]) -> Receipt:
        status, error = calls.object_of(told.get("status")), calls.object_of(told.get("error"))
        state = ODD_STATES.get(
            _number(status.get("id")),
            STATES.get(_number(status.get("groupId")), ReceiptState.NONE),
        )
        code = calls.words(error.get("id")) if _number(error.get("id")) else ""
        word = calls.words(status.get("name"))
        if not code and state is ReceiptState.REJECTED:
            code = word  # the number of a status is not that of an error
        return calls.receipt(
            self._config,
            call,
            calls.words(told.get("messageId")),
            state,
            word=word,
            error=code,
            error_class=_fault(_number(status.get("id"))),
            sender=calls.e164(told.get("to")),
            recipient=calls.e164(told.get("sender")),
            message_id=ids.from_hex(told.get("callbackData")),
            price=_price(told),
            network=calls.network(told.get("mccMnc")),
        )

    def _inbound(self, call: Call, told: Mapping[str, Any]) -> Inbound:
        return calls.inbound(
            self._config,
            call,
            calls.words(told.get("messageId")),
            calls.text_fragment(calls.words(told.get("text"))),
            sender=calls.e164(told.get("from")),
            recipient=calls.e164(told.get("to")),
        )


def _fault(number: int) -> str:
    """Whose fault a status is; "" where it says nothing of that."""
    made = STATUSES.get(number)
    return (made("", "").error_class if made else None) or ""


def _name(one: Submission) -> str:
    """Our id of the message: a repeat has the same, so that it is not sent twice.

    A throttled message was refused for good, and its id with it: the next try has another.
    """
    return f"{one.message_id.hex}-{one.throttled}" if one.throttled else one.message_id.hex


def _content(one: Submission) -> dict[str, Any]:
    form = one.form
    if form is None or form == Form(message_class=FLASH):
        return {"text": one.body}
    if form.data is None or form.protocol_id:
        raise ValueError(
            "Infobip takes binary data and flash, but no header beside text and no other data"
            " coding, class or protocol identifier"
        )
    octets = form.udh + form.data
    if len(octets) > OCTETS_MOST:
        raise ValueError(f"Infobip takes {OCTETS_MOST} octets of binary data, header included")
    kind = form.message_class
    usual = OCTETS_CODING if kind is None else CLASS_CODING | kind
    return {
        "hex": octets.hex(" "),
        "dataCoding": usual if form.data_coding is None else form.data_coding,
        "esmClass": UDHI if form.udh else 0,
    }


def _taken(one: Submission, answer: Answer, told: Mapping[str, Any]) -> Verdict:
    listed = calls.objects(told.get("messages"))
    status = calls.object_of(listed[0].get("status")) if listed else {}
    number, group = _number(status.get("id")), _number(status.get("groupId"))
    name = calls.words(listed[0].get("messageId")) if listed else ""
    code = calls.words(status.get("id"))
    if number == DUPLICATE or group in TAKEN_GROUPS:
        return accepted(name or _name(one))
    detail = calls.words(status.get("description") or status.get("name"))
    made = STATUSES.get(number)
    if made is not None:
        return made(code, detail)
    if group in (UNDELIVERABLE, EXPIRED, REJECTED):
        return config(code, detail)
    return unknown(code or str(answer.status), detail or "Infobip took it and told no status")


def _error(told: Mapping[str, Any]) -> tuple[str, str, list[str]]:
    """Code, words and the fields at fault, of both shapes of error that there are."""
    older = calls.object_of(calls.object_of(told.get("requestError")).get("serviceException"))
    if older:
        return calls.words(older.get("messageId")), calls.words(older.get("text")), []
    fields = [calls.words(one.get("property")) for one in calls.objects(told.get("violations"))]
    return calls.words(told.get("errorCode")), calls.words(told.get("description")), fields


def _price(told: Mapping[str, Any]) -> Price | None:
    """Told for each part; ours is of the whole message."""
    price = calls.object_of(told.get("price"))
    each = Price.of(price.get("pricePerMessage"), price.get("currency"))
    parts = _number(told.get("messageCount"))
    return Price(each.micros * max(parts, 1), each.currency) if each else None


def _number(given: object) -> int:
    """A JSON number that is whole; 0 where there is none."""
    return given if isinstance(given, int) else 0


def _build(config: CarrierConfig) -> HttpCarrier:
    settings = config.settings
    if bool(settings.get("webhook_user")) != bool(settings.get("webhook_password")):
        raise ValueError("webhook_user and webhook_password belong together")
    return HttpCarrier(config, partial(InfobipDialect, config))


SPEC: Final = CarrierSpec(
    kind="infobip",
    title="Infobip SMS",
    fields=(
        SettingField("base_url", "text", "URL of your account: https://....api.infobip.com",
                     required=True, at_most=200),
        SettingField("api_key", "secret", "API key that may send SMS", required=True, at_most=200),
        SettingField("webhook_secret", "secret", "Secret of subscriptions that sign by HMAC",
                     at_most=200),
        SettingField("webhook_header", "text", "Header of that signature",
                     default="X-Hub-Signature", at_most=64),
        SettingField("webhook_digest", "choice", "Digest of that signature", default="sha256",
                     choices=("sha1", "sha256", "sha512")),
        SettingField("webhook_user", "text", "User name of subscriptions with HTTP Basic",
                     at_most=200),
        SettingField("webhook_password", "secret", "Its password", at_most=200),
        *FIELDS,
    ),
    build=_build,
    receives=("receipts", "inbound"),
    account=("base_url",),
    channels=(SMS,),
    calls=InfobipCalls,
    callbacks={
        "status": "given with each message; with webhook_secret or webhook_user it is for the"
        " subscription to SMS delivery reports",
        "inbound": "URL of the numbers' forwarding (or subscription to inbound SMS), as JSON",
    },
    guide="infobip",
)  # fmt: skip
