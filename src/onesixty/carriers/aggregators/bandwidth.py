"""Bandwidth: `POST /api/v2/users/{account}/messages`, callbacks of the application."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson

from onesixty.carriers.content import MMS, SMS, Media
from onesixty.carriers.contract import (
    Call,
    CarrierConfig,
    CarrierSpec,
    ErrorClass,
    Inbound,
    News,
    Receipt,
    ReceiptState,
    SettingField,
    Submission,
)
from onesixty.carriers.http import calls
from onesixty.carriers.http.dialect import (
    Answer,
    Ask,
    CannotSendError,
    NoAnswerError,
    NotSentError,
    Request,
    Verdict,
    accepted,
    by_status,
    content,
    recipient,
    transient,
    unknown,
)
from onesixty.carriers.http.files import FilesCarrier, is_at
from onesixty.carriers.http.oauth import Tokens, basic
from onesixty.carriers.http.settings import FIELDS
from onesixty.kit import ids

BASE_URL: Final = "https://messaging.bandwidth.com"
AUTH_URL: Final = "https://api.bandwidth.com"
TEXT_MOST: Final = 2048  # characters
URGENT: Final = 1  # priority of the categories up to which a message is urgent: emergency and otp
# What `errorCode` of a failed message says. Errors of the call itself have no numbers.
CLASSES: Final[Mapping[str, tuple[int, ...]]] = {
    # invalid, unreachable, landline, opted out, blocked by its operator or its owner
    ErrorClass.RECIPIENT: (
        4303, 4404, 4406, 4408, 4434, 4482, 4492, 4702, 4720, 4721, 4753, 4775,
    ),
    # credentials, sender, registration, spam, contents
    ErrorClass.CONFIG: (
        4001, 4301, 4302, 4350, 4403, 4405, 4407, 4410, 4411, 4412, 4420, 4421, 4431, 4432, 4433,
        4435, 4451, 4452, 4470, 4481, 4493, 4700, 4701, 4711, 4712, 4730, 4740, 4750, 4751, 4752,
        4770, 4771, 4772, 4773, 4774, 4790, 4791, 4792, 4793, 4795,
    ),
    ErrorClass.THROTTLE: (4780, 4781, 4785, 5600),
    ErrorClass.CARRIER: (
        5100, 5101, 5106, 5111, 5201, 5211, 5220, 5500, 5501, 5610, 5620, 5650,
    ),
    ErrorClass.EXPIRED: (4360,),
}  # fmt: skip
FAULTS: Final = {str(code): name for name, codes in CLASSES.items() for code in codes}
DOUBTFUL: Final = (5231, 5630, 5999, 9902, 9999)  # no receipt came, or one that nobody can read
_STATES_OF_CLASSES: Final = {
    ErrorClass.CONFIG: ReceiptState.REJECTED,
    ErrorClass.EXPIRED: ReceiptState.EXPIRED,
}
FAILURES: Final = {
    code: _STATES_OF_CLASSES.get(name, ReceiptState.UNDELIVERABLE)
    for name, codes in CLASSES.items()
    for code in codes
} | dict.fromkeys(DOUBTFUL, ReceiptState.UNKNOWN)
FAILED: Final = "message-failed"
STATES: Final = {
    "message-sending": ReceiptState.ENROUTE,
    "message-sent": ReceiptState.ENROUTE,
    "message-delivered": ReceiptState.DELIVERED,
    "message-read": ReceiptState.READ,
}


class BandwidthDialect:
    """Requests and answers of the messages of one account."""

    def __init__(self, config: CarrierConfig, ask: Ask) -> None:
        self._ask, self._clock = ask, config.clock
        settings = config.settings
        self._base: str = settings["base_url"].rstrip("/")
        self._url = f"{self._base}/api/v2/users/{settings['account_id']}/messages"
        self._application: str = settings["application_id"]
        self._basic, self._tokens = "", None
        if settings.get("client_id"):
            url = settings["auth_url"].rstrip("/") + "/api/v1/oauth2/token"
            name, secret = settings["client_id"], settings["client_secret"]
            self._tokens = Tokens(ask, config.clock, url, name, secret)
        else:
            self._basic = basic(settings["api_user"], settings["api_password"])

    async def request(self, one: Submission) -> Request:
        """Its callbacks, which go to the application's URL, echo our id as `tag`."""
        if one.form:
            raise ValueError("Bandwidth takes plain text and media, no headers, data or classes")
        if not one.sender:
            raise ValueError("Bandwidth wants a sender with each message")
        if len(one.body) > TEXT_MOST:
            raise ValueError(f"Bandwidth takes {TEXT_MOST} characters")
        message: dict[str, Any] = {
            "applicationId": self._application,
            "to": [one.recipient],
            "from": one.sender,
            "tag": one.message_id.hex,
            "expiration": _time(one.expires_at),
        }
        if one.body:
            message["text"] = one.body
        if one.channel == MMS:
            message["media"] = _media(one)
        if one.priority <= URGENT:
            message["priority"] = "high"
        headers = {**await self._headers(), "content-type": "application/json"}
        return Request("POST", self._url, headers, orjson.dumps(message))

    def read(self, one: Submission, answer: Answer) -> Verdict:
        """202 with the message, or an error of a type, with the fields at fault."""
        told = calls.object_of(answer.json())
        if 200 <= answer.status < 300:
            identifier = told.get("id")
            if isinstance(identifier, str) and identifier:
                return accepted(identifier)
            return unknown(str(answer.status), "Bandwidth took it and named no message")
        code, words = calls.words(told.get("type")), calls.words(told.get("description"))
        wrong = calls.objects(told.get("fieldErrors"))
        named = [calls.words(each.get("description")) for each in wrong]
        detail = "; ".join(text for text in (words, *named) if text)
        fields = {calls.words(each.get("fieldName")).partition("[")[0] for each in wrong}
        if answer.status == 400 and fields == {"to"}:
            return recipient(code, detail)
        if answer.status == 400 and fields and fields <= {"text", "media"}:
            return content(code, detail)
        if answer.status == 401 and self._tokens and one.tries == 1:
            # The token may have been withdrawn before its time; the next try brings a new one.
            self._tokens.drop()
            return transient("401", "Bandwidth refused the access token")
        verdict = by_status(answer, clock=self._clock, is_theirs=bool(code), detail=detail)
        return replace(verdict, code=code) if code else verdict

    async def check(self) -> str | None:
        """List messages; that it wants more to look for is a sign of good credentials too."""
        answer = await self._ask(Request("GET", f"{self._url}?limit=1", await self._headers()))
        if answer.status in (401, 403, 404):
            return (
                f"Bandwidth answers HTTP {answer.status}: check account_id, and api_user and"
                " api_password, or client_id and client_secret"
            )
        if answer.status in (200, 400):
            return None
        return f"Bandwidth answers HTTP {answer.status}"

    async def authorize(self) -> None:
        """Have an access token, where they are used."""
        await self._headers()

    def file_headers(self, url: str) -> Mapping[str, str] | None:
        """Media of inbound messages are Bandwidth's; `authorize` comes first."""
        if not is_at(url, self._base):
            return None
        token = self._tokens.current if self._tokens else ""
        return {"authorization": f"Bearer {token}" if token else self._basic}

    async def _headers(self) -> dict[str, str]:
        if self._tokens is None:
            return {"authorization": self._basic, "accept": "application/json"}
        token = await self._tokens.get()
        return {"authorization": f"Bearer {token}", "accept": "application/json"}


class BandwidthCarrier(FilesCarrier):
    """Fetches media with a token, where tokens are used."""

    def __init__(self, config: CarrierConfig) -> None:
        self._own: BandwidthDialect

        def made(ask: Ask) -> BandwidthDialect:
            self._own = BandwidthDialect(config, ask)
            return self._own

        super().__init__(config, made)

    async def fetch(self, url: str) -> tuple[str, bytes]:
        """Content type and octets of an inbound file. Raises OSError."""
        try:
            await self._own.authorize()
        except (CannotSendError, NotSentError, NoAnswerError) as error:
            raise OSError(str(error)) from None
        return await super().fetch(url)


class BandwidthCalls:
    """Arrays of events, told apart by their `type`."""

    def __init__(self, config: CarrierConfig) -> None:
        self._config = config
        self._user: str = config.settings.get("webhook_user") or ""
        self._password: str = config.settings.get("webhook_password") or ""

    async def read(self, call: Call) -> News:
        """Check user and password if they are set, then read."""
        if self._user:
            calls.check_basic(call, self._user, self._password)
        news = News()
        for event in calls.objects(calls.json_of(call)):
            kind = calls.words(event.get("type"))
            if kind == "message-received":
                news.inbounds.append(self._inbound(call, event))
            elif kind.startswith("message-"):
                news.receipts.append(self._receipt(call, event, kind))
        return news

    def _receipt(self, call: Call, event: Mapping[str, Any], kind: str) -> Receipt:
        message, code = calls.object_of(event.get("message")), event.get("errorCode")
        state, error = STATES.get(kind, ReceiptState.NONE), ""
        if kind == FAILED:
            state, error = _failure(code), calls.words(code)
        return calls.receipt(
            self._config,
            call,
            calls.words(message.get("id")),
            state,
            word=kind,
            error=error,
            error_class=FAULTS.get(error, ""),
            sender=calls.words(event.get("to")),
            recipient=calls.words(message.get("from")),
            message_id=ids.from_hex(message.get("tag")),
        )

    def _inbound(self, call: Call, event: Mapping[str, Any]) -> Inbound:
        message = calls.object_of(event.get("message"))
        listed = message.get("media")
        urls = [url for url in listed if isinstance(url, str)] if isinstance(listed, list) else []
        return calls.inbound(
            self._config,
            call,
            calls.words(message.get("id")),
            calls.text_fragment(calls.words(message.get("text"))),
            sender=calls.words(message.get("from")),
            recipient=calls.words(event.get("to")),
            channel=MMS if urls else SMS,
            content=calls.media_content(Media(calls.words(url)) for url in urls),
        )


def _failure(code: object) -> ReceiptState:
    """What a failure says; a code that nobody knows is one all the same."""
    number = code if isinstance(code, int) else 0
    return FAILURES.get(number, ReceiptState.UNDELIVERABLE)


def _media(one: Submission) -> list[str]:
    media = one.content.media if one.content else ()
    if not media:
        raise ValueError("an MMS by Bandwidth needs a file")
    return [file.url for file in media]


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _build(config: CarrierConfig) -> BandwidthCarrier:
    settings = config.settings
    for one, other in (
        ("api_user", "api_password"),
        ("client_id", "client_secret"),
        ("webhook_user", "webhook_password"),
    ):
        if bool(settings.get(one)) != bool(settings.get(other)):
            raise ValueError(f"{one} and {other} belong together")
    if not settings.get("api_user") and not settings.get("client_id"):
        raise ValueError(
            "Bandwidth wants api_user and api_password, or client_id and client_secret"
        )
    return BandwidthCarrier(config)


SPEC: Final = CarrierSpec(
    kind="bandwidth",
    title="Bandwidth Messaging",
    fields=(
        SettingField("account_id", "text", "Account ID", required=True, at_most=64),
        SettingField("application_id", "text", "Messaging application that the numbers belong to",
                     required=True, at_most=64),
        SettingField("api_user", "text", "User name of API credentials", at_most=200),
        SettingField("api_password", "secret", "Its password", at_most=200),
        SettingField("client_id", "text", "OAuth 2 client, instead of a user", at_most=200),
        SettingField("client_secret", "secret", "Its secret", at_most=200),
        SettingField("webhook_user", "text", "User name that the application's callbacks bear",
                     at_most=200),
        SettingField("webhook_password", "secret", "Its password", at_most=200),
        SettingField("base_url", "text", "URL of the API", default=BASE_URL, at_most=200),
        SettingField("auth_url", "text", "URL that gives access tokens", default=AUTH_URL,
                     at_most=200),
        *FIELDS,
    ),
    build=_build,
    receives=("receipts", "inbound"),
    account=("account_id", "application_id"),
    channels=(SMS, MMS),
    calls=BandwidthCalls,
    callbacks={
        "status": "outbound callback URL of the application",
        "inbound": "inbound callback URL of the application",
    },
    guide="bandwidth",
)  # fmt: skip
