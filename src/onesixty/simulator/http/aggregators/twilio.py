"""Twilio as its customers see it: `Messages.json`, numbered errors, signed forms."""

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from email.utils import format_datetime
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, parse_qsl, urldefrag, urlencode

from onesixty.kit import ids
from onesixty.kit.clock import Clock
from onesixty.simulator.http.far_side import (
    CallbackRequest,
    Incoming,
    Refusal,
    Response,
    Submitted,
    json_response,
)
from onesixty.simulator.numbers import ERROR_CODES, State

_VERSION: Final = "2010-04-01"
_E164: Final = re.compile(r"\+[1-9]\d{6,14}")
_MESSAGE: Final = re.compile(
    rf"/{_VERSION}/Accounts/(AC[0-9a-f]{{32}})/Messages(?:/([A-Z]{{2}}[0-9a-f]{{32}}))?\.json"
)
_KEPT_MOST: Final = 1000  # messages whose state can be asked for
_PRICE: Final = "-0.00790"
_WORDS: Final = {
    State.ENROUTE: "sending",
    State.ACCEPTED: "sent",
    State.DELIVERED: "delivered",
    State.UNDELIVERED: "undelivered",
    State.READ: "read",
}
_REFUSALS: Final = {
    Refusal.RECIPIENT: (400, 21211, "Invalid 'To' Phone Number"),
    Refusal.OPTED_OUT: (400, 21610, "Attempt to send to unsubscribed recipient"),
    Refusal.SENDER: (400, 21606, "The 'From' phone number cannot send messages here"),
    Refusal.CREDENTIALS: (401, 20003, "Authenticate"),
    Refusal.THROTTLED: (429, 20429, "Too Many Requests"),
    Refusal.INTERNAL: (500, 20500, "Internal Server Error"),
}


class TwilioFarSide:
    """One account."""

    name: ClassVar[str] = "twilio"
    credentials: ClassVar[Mapping[str, Any]] = {
        "account_sid": "AC" + "1" * 32,
        "auth_token": "an-auth-token-of-twilio",
    }

    def __init__(self, clock: Clock, settings: Mapping[str, Any] | None = None) -> None:
        self._clock = clock
        self._s = {"api_key_sid": "", "webhook_secret": "", **(settings or self.credentials)}
        self._messages: dict[str, dict[str, Any]] = {}  # as they stand now

    def take(self, request: Incoming) -> Submitted | Response:
        """POST of a message, or GET of one; GET of all, which checks credentials, lists none."""
        if not self._is_ours(request.headers.get("authorization", "")):
            return _error(*_REFUSALS[Refusal.CREDENTIALS])
        found = _MESSAGE.fullmatch(request.path)
        if found is None or found[1] != self._s["account_sid"]:
            return _error(404, 20404, f"The requested resource {request.path} was not found")
        if found[2] is not None:
            kept = self._messages.get(found[2])
            return json_response(200, kept) if kept else _error(404, 20404, "was not found")
        if request.method == "GET":
            return self._listed(request)
        fields = parse_qs(request.body.decode(), keep_blank_values=True)
        if wrong := _wrong(fields):
            return _error(400, *wrong)
        channel, recipient = _address(_one(fields, "To"))
        media = fields.get("MediaUrl", [])
        is_mms = bool(media) or _one(fields, "SendAsMms").lower() == "true"
        kind = "mms" if channel == "sms" and is_mms else channel
        return Submitted(
            id=("MM" if is_mms else "SM") + ids.uuid7().hex,
            sender=_address(_one(fields, "From"))[1],
            recipient=recipient,
            text=_one(fields, "Body"),
            channel=kind,
            callback_url=_one(fields, "StatusCallback"),
            extra=fields,
        )

    def accepted(self, one: Submitted) -> Response:
        """201 with the message as it stands now."""
        service = _one(one.extra, "MessagingServiceSid") or None
        path = f"/{_VERSION}/Accounts/{self._s['account_sid']}/Messages/{one.id}"
        now = format_datetime(self._clock.now())
        prefix = _prefix(one.channel)
        told: dict[str, Any] = {
            "sid": one.id,
            "account_sid": self._s["account_sid"],
            "messaging_service_sid": service,
            "from": prefix + one.sender if one.sender else None,
            "to": prefix + one.recipient,
            "body": one.text,
            "status": "accepted" if service else "queued",
            "direction": "outbound-api",
            "num_segments": "0" if service else "1",
            "num_media": str(len(one.extra.get("MediaUrl", ()))),
            "price": None,
            "price_unit": "USD",
            "error_code": None,
            "error_message": None,
            "date_created": now,
            "date_updated": now,
            "date_sent": None,
            "api_version": _VERSION,
            "uri": f"{path}.json",
            "subresource_uris": {"media": f"{path}/Media.json"},
        }
        self._messages[one.id] = told
        if len(self._messages) > _KEPT_MOST:
            del self._messages[next(iter(self._messages))]
        return json_response(201, told, Twilio_Request_Id="RQ" + one.id[2:])

    def refused(self, one: Submitted, why: Refusal, retry_after: int | None = None) -> Response:
        """In Twilio's numbers."""
        status, code, message = _REFUSALS[why]
        return _error(status, code, message, retry_after)

    def receipt(
        self, one: Submitted, state: State, error: str, account_url: str
    ) -> CallbackRequest | None:
        """A status callback, to the URL that came with the message."""
        prefix, word = _prefix(one.channel), _WORDS[state]
        code = ERROR_CODES.get(error, 30008) if state is State.UNDELIVERED else None
        if kept := self._messages.get(one.id):
            kept |= {"status": word, "error_code": code, "price": _PRICE}
        url = one.callback_url or account_url
        if not url or (state is State.READ and one.channel != "whatsapp"):
            return None
        fields = [
            ("AccountSid", self._s["account_sid"]),
            ("ApiVersion", _VERSION),
            ("From", prefix + one.sender),
            ("To", prefix + one.recipient),
            ("MessageSid", one.id),
            ("MessageStatus", word),
            ("SmsSid", one.id),
            ("SmsStatus", word),
        ]
        if code is not None:
            fields.append(("ErrorCode", str(code)))
        if state in (State.DELIVERED, State.UNDELIVERED):
            fields.append(("RawDlrDoneDate", f"{self._clock.now():%y%m%d%H%M}"))
        return self._signed(url, fields)

    def inbound(
        self, sender: str, recipient: str, text: str, account_url: str
    ) -> list[CallbackRequest]:
        """One call, however long the text is."""
        sid = "SM" + ids.uuid7().hex
        fields = [
            ("AccountSid", self._s["account_sid"]),
            ("ApiVersion", _VERSION),
            ("Body", text),
            ("From", sender),
            ("FromCity", ""),
            ("FromCountry", "US"),
            ("MessageSid", sid),
            ("NumMedia", "0"),
            ("NumSegments", "1"),
            ("SmsMessageSid", sid),
            ("SmsSid", sid),
            ("SmsStatus", "received"),
            ("To", recipient),
        ]
        return [self._signed(account_url, fields)]

    def _signed(self, url: str, fields: Sequence[tuple[str, str]]) -> CallbackRequest:
        """X-Twilio-Signature: the URL and all fields, sorted, under the token or shared secret."""
        url = urldefrag(url).url
        secret, digest = self._s["auth_token"], "sha1"
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
        if self._s["webhook_secret"]:
            secret, digest = self._s["webhook_secret"], "sha256"
            settings = "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"
            headers["X-Twilio-Webhooks-Signature-Settings"] = settings
        text = url + "".join(name + value for name, value in sorted(fields))
        mac = hmac.digest(secret.encode(), text.encode(), digest)
        headers["X-Twilio-Signature"] = b64encode(mac).decode()
        headers["I-Twilio-Idempotency-Token"] = str(ids.uuid7())
        return CallbackRequest("POST", url, headers, urlencode(fields).encode())

    def _is_ours(self, authorization: str) -> bool:
        pairs = [(self._s["account_sid"], self._s["auth_token"])]
        if self._s["api_key_sid"]:
            pairs.append((self._s["api_key_sid"], self._s["api_key_secret"]))
        known = [b64encode(f"{name}:{secret}".encode()).decode() for name, secret in pairs]
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "basic" and given in known

    def _listed(self, request: Incoming) -> Response:
        size = dict(parse_qsl(request.query)).get("PageSize", "50")
        uri = f"{request.path}?PageSize={size}&Page=0"
        told: dict[str, Any] = {
            "first_page_uri": uri,
            "next_page_uri": None,
            "previous_page_uri": None,
            "page": 0,
            "page_size": int(size) if size.isdigit() else 50,
            "start": 0,
            "end": 0,
            "uri": uri,
            "messages": [],
        }
        return json_response(200, told)


def _wrong(fields: Mapping[str, Sequence[str]]) -> tuple[int, str] | None:
    """Number and words of what Twilio would not take, or None."""
    recipient, body = _one(fields, "To"), _one(fields, "Body")
    validity = _one(fields, "ValidityPeriod")
    checks = (
        (not recipient, 21604, "A 'To' phone number is required."),
        (
            not _E164.fullmatch(_address(recipient)[1]),
            21211,
            f"Invalid 'To' Phone Number: {recipient[:-4]}XXXX",
        ),
        (
            not _one(fields, "From") and not _one(fields, "MessagingServiceSid"),
            21603,
            "A 'From' phone number is required.",
        ),
        (
            not body and not fields.get("MediaUrl") and not _one(fields, "ContentSid"),
            21602,
            "Message body is required.",
        ),
        (len(body) > 1600, 21617, "The concatenated message body exceeds 1600 characters."),
        (len(fields.get("MediaUrl", ())) > 10, 21623, "Number of media files exceeds allowed"),
        (
            validity and not (validity.isdigit() and 1 <= int(validity) <= 36_000),
            21624,
            "The validity period is not between 1 and 36000.",
        ),
    )
    return next(((code, words) for is_wrong, code, words in checks if is_wrong), None)


def _error(status: int, code: int, message: str, retry_after: int | None = None) -> Response:
    told = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    headers = {} if retry_after is None else {"Retry_After": str(retry_after)}
    return json_response(status, told, **headers)


def _one(fields: Mapping[str, Sequence[str]], name: str) -> str:
    return fields.get(name, [""])[0]


def _address(text: str) -> tuple[str, str]:
    prefix, colon, number = text.rpartition(":")
    return (prefix if colon else "sms"), number


def _prefix(channel: str) -> str:
    return "" if channel in ("sms", "mms") else f"{channel}:"
