"""AWS End User Messaging SMS as its customers see it, with its events and replies by a topic."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import orjson

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

_TARGET: Final = "PinpointSMSVoiceV2."
_PREFIX: Final = "com.amazonaws.pinpointsmsvoicev2#"
_REFUSALS: Final = {
    Refusal.RECIPIENT: (400, "ValidationException", "INVALID_PARAMETER"),
    Refusal.OPTED_OUT: (400, "ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT"),
    Refusal.SENDER: (400, "ConflictException", "NO_ORIGINATION_IDENTITIES_FOUND"),
    Refusal.CREDENTIALS: (400, "UnrecognizedClientException", ""),
    Refusal.THROTTLED: (400, "ThrottlingException", ""),
    Refusal.INTERNAL: (500, "InternalServerException", ""),
}
_FLAWS: Final = {
    "missing": "MissingAuthenticationTokenException",
    "key": "UnrecognizedClientException",
    "signature": "InvalidSignatureException",
    "date": "InvalidSignatureException",
}
_STATUSES: Final = {
    State.ACCEPTED: "QUEUED",
    State.ENROUTE: "SENT",
    State.DELIVERED: "DELIVERED",
}
_FAILURES: Final = {
    "003": "UNREACHABLE",
    "005": "INVALID",
    "006": "CARRIER_UNREACHABLE",
    "007": "CARRIER_BLOCKED",
    "034": "BLOCKED",
    "450": "SPAM",
}
_OTHER_FAILURE: Final = "CARRIER_UNREACHABLE"


class AwsSmsFarSide:
    """One account in one region; a topic gets the events of its configuration set."""

    name: ClassVar[str] = "aws_sms"
    credentials: ClassVar[Mapping[str, Any]] = {
        **aws.CREDENTIALS,
        "origination_identity": "pool-0a1b2c3d4e5f60718293a4b5c6d7e8f9",
        "configuration_set": "onesixty",
    }

    def __init__(self, clock: Clock, settings: Mapping[str, Any] | None = None) -> None:
        self._clock, self._settings = clock, {**self.credentials, **(settings or {})}
        self.topic = aws.Topic(clock, version="2")

    def settings(self, url: str) -> Mapping[str, Any]:
        """Nothing more than what all have; the topic's certificate is at that address."""
        self.topic.url = url
        return {}

    def take(self, request: Incoming) -> Submitted | Response:
        """A text or media message; account attributes; what a subscriber of the topic asks for."""
        served = self.topic.serve(request)
        if served is not None:
            return served
        flaw = aws.flaw(request, self._settings, "sms-voice", self._clock.now())
        if flaw:
            return _error(400, _FLAWS[flaw], "The request is not signed as it should be")
        action = request.headers.get("x-amz-target", "").removeprefix(_TARGET)
        try:
            fields = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            return _error(400, "SerializationException", "The body is not JSON")
        if action == "DescribeAccountAttributes":
            tier = {"Name": "ACCOUNT_TIER", "Value": "PRODUCTION"}
            return _json(200, {"AccountAttributes": [tier]})
        if action not in ("SendTextMessage", "SendMediaMessage"):
            return _error(400, "UnknownOperationException", "There is no such operation")
        return _read(action, fields)

    def accepted(self, one: Submitted) -> Response:
        """The message's id."""
        return _json(200, {"MessageId": one.id})

    def refused(self, one: Submitted, why: Refusal, retry_after: int | None = None) -> Response:
        """An exception, with its reason where it has one."""
        status, name, reason = _REFUSALS[why]
        more: dict[str, Any] = {"Reason": reason} if reason else {}
        if why is Refusal.RECIPIENT:
            more["Fields"] = [{"Name": "DestinationPhoneNumber", "Message": "it cannot work"}]
        return _error(status, name, f"{name} was simulated", retry_after, **more)

    def receipt(
        self, one: Submitted, state: State, error: str, account_url: str
    ) -> CallbackRequest | None:
        """An event, where the message named a configuration set; none of reading."""
        failed = state is State.UNDELIVERED
        status = _FAILURES.get(error, _OTHER_FAILURE) if failed else _STATUSES.get(state)
        if status is None or not one.extra.get("ConfigurationSetName"):
            return None
        now = int(self._clock.now().timestamp() * 1000)
        kind = "MEDIA" if one.channel == "mms" else "TEXT"
        event = {
            "eventType": f"{kind}_{status}",
            "eventVersion": "1.0",
            "eventTimestamp": now,
            "isFinal": state in (State.DELIVERED, State.UNDELIVERED),
            "originationPhoneNumber": one.sender,
            "destinationPhoneNumber": one.recipient,
            "isoCountryCode": "US",
            "isInternationalSend": False,
            "mcc": "310",
            "mnc": "800",
            "carrierName": "Simulated Wireless",
            "messageId": one.id,
            "messageRequestTimestamp": now,
            "messageEncoding": "GSM",
            "messageType": one.extra.get("MessageType", "TRANSACTIONAL"),
            "messageStatus": status,
            "messageStatusDescription": status.replace("_", " ").capitalize(),
            "context": one.extra.get("Context", {}),
            "totalMessageParts": 1,
            "totalMessagePrice": 0.00581,
            "totalCarrierFee": 0.003,
        }
        return self.topic.notification(account_url, event)

    def inbound(
        self, sender: str, recipient: str, text: str, account_url: str
    ) -> list[CallbackRequest]:
        """One message: AWS joins its parts."""
        message = {
            "originationNumber": sender,
            "destinationNumber": recipient,
            "messageKeyword": "KEYWORD_" + recipient.removeprefix("+"),
            "messageBody": text,
            "inboundMessageId": str(ids.uuid7()),
        }
        return [self.topic.notification(account_url, message)]


def _read(action: str, fields: Mapping[str, Any]) -> Submitted | Response:
    number = str(fields.get("DestinationPhoneNumber", ""))
    if not re.fullmatch(r"\+?[1-9][0-9]{1,18}", number):
        return _wrong("DestinationPhoneNumber", "INVALID_PARAMETER")
    text, media = fields.get("MessageBody") or "", fields.get("MediaUrls") or []
    is_text = action == "SendTextMessage"
    if len(text) > 1600 or (is_text and not text.strip()):
        return _wrong("MessageBody", "INVALID_PARAMETER")
    if len(media) > 1 or not all(url.startswith("s3://") for url in media):
        return _wrong("MediaUrls", "INVALID_PARAMETER")
    if len(fields.get("Context") or {}) > 5:
        return _wrong("Context", "INVALID_PARAMETER")
    if not 5 <= fields.get("TimeToLive", 5) <= 259_200:
        return _wrong("TimeToLive", "INVALID_PARAMETER")
    return Submitted(
        id=str(ids.uuid7()),
        sender=fields.get("OriginationIdentity") or "",
        recipient="+" + number.removeprefix("+"),
        text=text,
        channel="sms" if is_text else "mms",
        reference=next(iter((fields.get("Context") or {}).values()), ""),
        extra=fields,
    )


def _wrong(field: str, reason: str) -> Response:
    named = [{"Name": field, "Message": "it is not as it should be"}]
    return _error(400, "ValidationException", "Invalid request", Reason=reason, Fields=named)


def _error(
    status: int, name: str, words: str, retry_after: int | None = None, **more: Any
) -> Response:
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return _json(status, {"__type": _PREFIX + name, "Message": words, **more}, headers)


def _json(status: int, told: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, orjson.dumps(told), "application/x-amz-json-1.0", headers or {})
