"""AWS End User Messaging SMS (`pinpoint-sms-voice-v2`): texts and media messages."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final

import orjson

from onesixty.carriers.clouds import aws_signing
from onesixty.carriers.clouds.aws_signing import Signer, endpoint
from onesixty.carriers.clouds.aws_sms_events import CONTEXT_KEY, AwsSmsCalls
from onesixty.carriers.clouds.sns_envelope import TOPIC_ARNS
from onesixty.carriers.clouds.texts import is_marketing, text_of
from onesixty.carriers.content import MMS, SMS
from onesixty.carriers.contract import CarrierConfig, CarrierSpec, SettingField, Submission
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
    opted_out,
    recipient,
    throttled,
    transient,
)
from onesixty.carriers.http.settings import FIELDS

_TARGET: Final = "PinpointSMSVoiceV2."
_CHARACTERS_MOST: Final = 1600
_LIVE_SECONDS: Final = (5, 259_200)

# By exception, and by the reason that an exception gives; the reason counts first.
CODES: Final[Mapping[str, Callable[[str, str], Verdict]]] = {
    "DESTINATION_PHONE_NUMBER_OPTED_OUT": opted_out,
    "DESTINATION_PHONE_NUMBER_NOT_VERIFIED": recipient,
    "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE": recipient,
    "CANNOT_PARSE": recipient,
    "MAXIMUM_SIZE_EXCEEDED": content,
    "MEDIA_TYPE_NOT_SUPPORTED": content,
    "ATTACHMENT_TYPE_NOT_SUPPORTED": content,
    "ThrottlingException": throttled,
    "TooManyRequestsException": throttled,
    "ServiceQuotaExceededException": config,
    "AccessDeniedException": config,
    "ConflictException": config,
    "ValidationException": config,
    "ResourceNotFoundException": config,
    "UnrecognizedClientException": config,
    "InvalidSignatureException": config,
    "IncompleteSignatureException": config,
    "MissingAuthenticationTokenException": config,
    "ExpiredTokenException": config,
    "InternalServerException": transient,
    "InternalFailure": transient,
    "ServiceUnavailableException": transient,
}
# What a ValidationException is about, where it names a field.
_FIELDS: Final[Mapping[str, Callable[[str, str], Verdict]]] = {
    "DestinationPhoneNumber": recipient,
    "MessageBody": content,
    "MediaUrls": content,
}


class AwsSmsDialect:
    """`SendTextMessage` and `SendMediaMessage`, in JSON 1.0."""

    def __init__(self, config: CarrierConfig, ask: Ask) -> None:
        self._url = endpoint(config, "sms-voice") + "/"
        self._signer, self._clock, self._ask = Signer(config, "sms-voice"), config.clock, ask
        self._identity: str | None = config.settings.get("origination_identity")
        self._configuration_set: str | None = config.settings.get("configuration_set")

    async def request(self, one: Submission) -> Request:
        """Send it, as the channel wants it. Raises ValueError for what AWS cannot send."""
        fields = {
            "DestinationPhoneNumber": one.recipient,
            "OriginationIdentity": one.sender or self._identity,
            "ConfigurationSetName": self._configuration_set,
            "TimeToLive": _seconds_to_live(one, self._clock.now()),
            "Context": {CONTEXT_KEY: one.message_id.hex},
        }
        if one.channel == MMS:
            return await self._action("SendMediaMessage", fields | _media(one))
        text = text_of(one, _CHARACTERS_MOST)
        kind = "PROMOTIONAL" if is_marketing(one) else "TRANSACTIONAL"
        return await self._action(
            "SendTextMessage", fields | {"MessageBody": text, "MessageType": kind}
        )

    def read(self, one: Submission, answer: Answer) -> Verdict:
        """JSON either way."""
        given = answer.json()
        body: dict[str, Any] = given if isinstance(given, dict) else {}
        identifier = body.get("MessageId")
        if answer.status == 200 and isinstance(identifier, str) and identifier:
            return accepted(identifier)
        name, reason, detail = _error(answer, body)
        if not name:
            return by_status(answer, clock=self._clock, is_theirs=False)
        for field in body.get("Fields") or ():
            if isinstance(field, dict) and (maker := _FIELDS.get(str(field.get("Name")))):
                return maker(reason or name, f"{detail}: {field.get('Message')}")
        code = reason if reason in CODES else name
        verdict = by_code(CODES, code, answer, clock=self._clock, detail=f"{name}: {detail}")
        return replace(verdict, code=reason or name)

    async def check(self) -> str | None:
        """Read the account's attributes."""
        answer = await self._ask(await self._action("DescribeAccountAttributes", {}))
        if answer.status == 200:
            return None
        given = answer.json()
        name, reason, detail = _error(answer, given if isinstance(given, dict) else {})
        if name == "AccessDeniedException" and not reason:
            return (
                "these credentials are known, but may not"
                f" sms-voice:DescribeAccountAttributes: {detail}"
            )
        return f"{name}: {detail}" if name else f"HTTP {answer.status}"

    async def _action(self, name: str, fields: Mapping[str, Any]) -> Request:
        body = orjson.dumps({key: value for key, value in fields.items() if value is not None})
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": _TARGET + name}
        return await self._signer.sign(Request("POST", self._url, headers, body))


def _media(one: Submission) -> dict[str, Any]:
    """AWS takes one file, out of a bucket."""
    media = one.content.media if one.content else ()
    if len(media) > 1:
        raise ValueError("AWS takes one file with a message")
    for file in media:
        if not file.url.startswith("s3://"):
            raise ValueError("AWS takes media from S3 alone, as s3://bucket/key")
    if len(one.body) > _CHARACTERS_MOST:
        raise ValueError(f"AWS takes {_CHARACTERS_MOST} characters, the text has {len(one.body)}")
    return {
        "MessageBody": one.body or None,
        "MediaUrls": [file.url for file in media] or None,
    }


def _seconds_to_live(one: Submission, now: datetime) -> int:
    least, most = _LIVE_SECONDS
    return min(max(int((one.expires_at - now).total_seconds()), least), most)


def _error(answer: Answer, body: Mapping[str, Any]) -> tuple[str, str, str]:
    """Name of the exception, its reason, its words; empty where it is none of AWS's."""
    told = body.get("__type") or answer.headers.get("x-amzn-errortype") or ""
    name = str(told).partition(":")[0].rpartition("#")[2]
    words = body.get("Message") or body.get("message") or body.get("Reason") or name
    return name, str(body.get("Reason") or ""), str(words)


SPEC: Final = CarrierSpec(
    kind="aws_sms",
    title="AWS End User Messaging SMS",
    fields=(
        *aws_signing.FIELDS,
        SettingField("origination_identity", "text",
                     "Number, sender ID or pool (its id or ARN) for messages without a sender",
                     at_most=256),
        SettingField("configuration_set", "text",
                     "Configuration set whose event destination tells us of deliveries",
                     at_most=64),
        TOPIC_ARNS,
        SettingField("base_url", "text", "Where the service is; without it, that of the region",
                     at_most=500),
        *FIELDS,
    ),
    build=lambda config: HttpCarrier(config, partial(AwsSmsDialect, config)),
    receives=("receipts", "inbound"),
    account=("region", "access_key_id"),
    channels=(SMS, MMS),
    calls=AwsSmsCalls,
    callbacks={
        "status": "HTTPS subscription of the topic of the event destination",
        "inbound": "HTTPS subscription of the topic of two-way messages",
    },
    guide="aws-sms",
)  # fmt: skip
