"""Amazon SNS as those see it who publish to phone numbers, with its delivery logs sent on."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from onesixty.kit import ids
from onesixty.kit.clock import Clock
from onesixty.simulator.http import aws
from onesixty.simulator.http.far_side import (
    CallbackRequest,
    Incoming,
    Refusal,
    Response,
    Submitted,
)
from onesixty.simulator.numbers import State

_XMLNS: Final = "http://sns.amazonaws.com/doc/2010-03-31/"
_REFUSALS: Final = {
    Refusal.RECIPIENT: (
        400, "InvalidParameter",
        "Invalid parameter: PhoneNumber Reason: it is not valid to publish to",
    ),
    Refusal.OPTED_OUT: (
        400, "InvalidParameter", "Invalid parameter: This phone number is opted out",
    ),
    Refusal.SENDER: (
        400, "InvalidParameter",
        "Invalid parameter: AWS.MM.SMS.OriginationNumber Reason: not owned by this account",
    ),
    Refusal.CREDENTIALS: (
        403, "InvalidClientTokenId", "The security token included in the request is invalid",
    ),
    Refusal.THROTTLED: (429, "Throttled", "Rate exceeded"),
    Refusal.INTERNAL: (500, "InternalError", "An internal error occurred"),
}  # fmt: skip
_FLAWS: Final = {
    "missing": ("MissingAuthenticationToken", "Request is missing Authentication Token"),
    "key": ("InvalidClientTokenId", "The security token included in the request is invalid"),
    "signature": ("SignatureDoesNotMatch", "The request signature does not match"),
    "date": ("SignatureDoesNotMatch", "Signature expired"),
}
_REASONS: Final = {
    "003": "Phone is currently unreachable/unavailable",
    "005": "Invalid phone number",
    "006": "Phone carrier is currently unreachable/unavailable",
    "007": "Blocked as spam by phone carrier",
    "034": "Phone carrier has blocked this message",
    "450": "Destination is on a blocked list",
}
_OTHER_REASON: Final = "Unknown error attempting to reach phone"
_SUCCESSES: Final = {
    State.ACCEPTED: "Message has been accepted by phone carrier",
    State.ENROUTE: "Message has been accepted by phone carrier",
    State.DELIVERED: "Message has been accepted by phone",
}


class AwsSnsFarSide:
    """One account in one region, whose delivery logs a topic sends on."""

    name: ClassVar[str] = "aws_sns"
    credentials: ClassVar[Mapping[str, Any]] = aws.CREDENTIALS

    def __init__(self, clock: Clock, settings: Mapping[str, Any] | None = None) -> None:
        self._clock, self._settings = clock, {**self.credentials, **(settings or {})}
        self.topic = aws.Topic(clock)

    def settings(self, url: str) -> Mapping[str, Any]:
        """Nothing more than what all have; the topic's certificate is at that address."""
        self.topic.url = url
        return {}

    def take(self, request: Incoming) -> Submitted | Response:
        """`Publish` to a number; `GetSMSAttributes`; what a subscriber of the topic asks for."""
        served = self.topic.serve(request)
        if served is not None:
            return served
        flaw = aws.flaw(request, self._settings, "sns", self._clock.now())
        if flaw:
            return _error(403, *_FLAWS[flaw])
        fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        action = fields.get("Action", "")
        if action == "GetSMSAttributes":
            return _result(action, "<attributes/>")
        if action != "Publish":
            return _error(400, "InvalidAction", f"Could not find operation {action}")
        return _published(fields)

    def accepted(self, one: Submitted) -> Response:
        """The message's id, and nothing besides."""
        return _result("Publish", f"<MessageId>{one.id}</MessageId>")

    def refused(self, one: Submitted, why: Refusal, retry_after: int | None = None) -> Response:
        """An error document."""
        return _error(*_REFUSALS[why], retry_after=retry_after)

    def receipt(
        self, one: Submitted, state: State, error: str, account_url: str
    ) -> CallbackRequest | None:
        """An entry of the delivery log, through the topic; of reading there is none."""
        failed = state is State.UNDELIVERED
        said = _REASONS.get(error, _OTHER_REASON) if failed else _SUCCESSES.get(state)
        if said is None:
            return None
        entry = {
            "notification": {
                "messageId": one.id,
                "timestamp": f"{self._clock.now():%Y-%m-%d %H:%M:%S.000}",
            },
            "delivery": {
                "phoneCarrier": "Simulated Wireless",
                "mnc": 270,
                "mcc": 310,
                "numberOfMessageParts": 1,
                "destination": one.recipient,
                "priceInUSD": 0.00645,
                "smsType": one.extra["AWS.SNS.SMS.SMSType"],
                "providerResponse": said,
                "dwellTimeMs": 599,
            },
            "status": "FAILURE" if failed else "SUCCESS",
        }
        return self.topic.notification(account_url, entry)

    def inbound(
        self, sender: str, recipient: str, text: str, account_url: str
    ) -> list[CallbackRequest]:
        """SNS takes no messages from handsets."""
        return []


def _published(fields: Mapping[str, str]) -> Submitted | Response:
    text, number = fields.get("Message", ""), fields.get("PhoneNumber", "")
    if not text:
        return _error(400, "InvalidParameter", "Invalid parameter: Empty message")
    if len(text) > 1600:
        return _error(400, "InvalidParameter", "Invalid parameter: Message too long")
    if not re.fullmatch(r"\+?[1-9]\d{1,14}", number):
        reason = f"PhoneNumber Reason: {number} does not meet the E164 format"
        return _error(400, "InvalidParameter", f"Invalid parameter: {reason}")
    attributes = {
        name: fields[key.removesuffix("Name") + "Value.StringValue"]
        for key, name in fields.items()
        if re.fullmatch(r"MessageAttributes\.entry\.\d+\.Name", key)
    }
    sender = attributes.get("AWS.MM.SMS.OriginationNumber") or attributes.get(
        "AWS.SNS.SMS.SenderID", ""
    )
    return Submitted(
        id=str(ids.uuid7()),
        sender=sender,
        recipient="+" + number.removeprefix("+"),
        text=text,
        extra={"AWS.SNS.SMS.SMSType": "Promotional", **attributes},
    )


def _result(action: str, inner: str) -> Response:
    return _xml(200, f"{action}Response", f"<{action}Result>{inner}</{action}Result>")


def _error(status: int, code: str, words: str, retry_after: int | None = None) -> Response:
    side = "Receiver" if status >= 500 else "Sender"
    inner = f"<Type>{side}</Type><Code>{code}</Code><Message>{escape(words)}</Message>"
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return _xml(status, "ErrorResponse", f"<Error>{inner}</Error>", headers)


def _xml(status: int, name: str, inner: str, headers: Mapping[str, str] | None = None) -> Response:
    request = f"<RequestId>{ids.uuid7()}</RequestId>"
    told = request if name == "ErrorResponse" else f"<ResponseMetadata>{request}</ResponseMetadata>"
    body = f'<{name} xmlns="{_XMLNS}">{inner}{told}</{name}>'
    return Response(status, body.encode(), "text/xml", headers or {})
