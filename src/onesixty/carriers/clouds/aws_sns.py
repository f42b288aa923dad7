"""Amazon SNS: text messages published straight to a phone number, without a topic.

Its API tells nothing of delivery: `aws_sns_logs.py` reads what AWS writes into CloudWatch Logs.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from html import unescape
from typing import Final
from urllib.parse import urlencode

from onesixty.carriers.clouds import aws_signing
from onesixty.carriers.clouds.aws_signing import Signer, endpoint
from onesixty.carriers.clouds.aws_sns_logs import AwsSnsCalls
from onesixty.carriers.clouds.sns_envelope import TOPIC_ARNS
from onesixty.carriers.clouds.texts import is_marketing, is_number, text_of
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

_VERSION: Final = "2010-03-31"
_CHARACTERS_MOST: Final = 1600
# `InvalidParameter` and its like are read further: see `_parameter`.
_PARAMETER: Final = frozenset({"InvalidParameter", "ParameterValueInvalid", "ValidationError"})
CODES: Final[Mapping[str, Callable[[str, str], Verdict]]] = {
    **dict.fromkeys(_PARAMETER, config),
    **dict.fromkeys(
        (
            "AuthorizationError", "AccessDenied", "InvalidSecurity", "SignatureDoesNotMatch",
            "IncompleteSignature", "InvalidClientTokenId", "MissingAuthenticationToken",
            "ExpiredToken", "RequestExpired", "OptInRequired", "KMSAccessDenied", "KMSDisabled",
            "KMSInvalidState", "KMSNotFound", "KMSOptInRequired", "KMSThrottling", "NotFound",
            "EndpointDisabled",
        ),
        config,
    ),
    **dict.fromkeys(("Throttling", "ThrottlingException", "Throttled"), throttled),
    **dict.fromkeys(("InternalError", "InternalFailure", "ServiceUnavailable"), transient),
}  # fmt: skip


class AwsSnsDialect:
    """`Publish` with a phone number, by the query protocol."""

    def __init__(self, config: CarrierConfig, ask: Ask) -> None:
        self._url = endpoint(config, "sns") + "/"
        self._signer, self._clock, self._ask = Signer(config, "sns"), config.clock, ask

    async def request(self, one: Submission) -> Request:
        """Publish it. Raises ValueError for what is not plain text."""
        text = text_of(one, _CHARACTERS_MOST)
        fields = {"PhoneNumber": one.recipient, "Message": text}
        for number, (name, value) in enumerate(_attributes(one).items(), start=1):
            place = f"MessageAttributes.entry.{number}"
            fields[f"{place}.Name"] = name
            fields[f"{place}.Value.DataType"] = "String"
            fields[f"{place}.Value.StringValue"] = value
        return await self._action("Publish", fields)

    def read(self, one: Submission, answer: Answer) -> Verdict:
        """XML either way."""
        text = answer.body.decode(errors="replace")
        if answer.status == 200 and (identifier := _element(text, "MessageId")):
            return accepted(identifier)
        code, detail = _error(text)
        if not code:
            return by_status(answer, clock=self._clock, is_theirs=False)
        if code in _PARAMETER:
            return _parameter(code, detail)
        return by_code(CODES, code, answer, clock=self._clock, detail=f"{code}: {detail}")

    async def check(self) -> str | None:
        """Read the account's SMS attributes."""
        answer = await self._ask(await self._action("GetSMSAttributes", {}))
        if answer.status == 200:
            return None
        code, detail = _error(answer.body.decode(errors="replace"))
        if code in ("AuthorizationError", "AccessDenied"):
            return f"these credentials are known, but may not sns:GetSMSAttributes: {detail}"
        return f"{code}: {detail}" if code else f"HTTP {answer.status}"

    async def _action(self, name: str, fields: Mapping[str, str]) -> Request:
        body = urlencode({"Action": name, "Version": _VERSION, **fields}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        return await self._signer.sign(Request("POST", self._url, headers, body))


def _attributes(one: Submission) -> dict[str, str]:
    kind = "Promotional" if is_marketing(one) else "Transactional"
    named = {"AWS.SNS.SMS.SMSType": kind}
    if one.sender is not None:
        by_number = is_number(one.sender)
        named["AWS.MM.SMS.OriginationNumber" if by_number else "AWS.SNS.SMS.SenderID"] = one.sender
    return named


def _parameter(code: str, detail: str) -> Verdict:
    """The code is the same for a wrong number, sender or text: its words tell which it is."""
    if "opted out" in detail:
        return opted_out(code, detail)
    if "PhoneNumber" in detail or "E164" in detail:
        return recipient(code, detail)
    if re.search(r"\b(Message too long|Empty message|Invalid parameter: Message\b)", detail):
        return content(code, detail)
    return config(code, detail)


def _error(text: str) -> tuple[str, str]:
    """Code and words of an error document; empty for anything else, such as a proxy's page."""
    if "<Error>" not in text:
        return "", ""
    return _element(text, "Code"), _element(text, "Message")


def _element(text: str, name: str) -> str:
    """What the first element of that name holds. These documents are flat, and may be cut short."""
    found = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return unescape(found[1]).strip() if found else ""


SPEC: Final = CarrierSpec(
    kind="aws_sns",
    title="Amazon SNS, published to phone numbers",
    fields=(
        *aws_signing.FIELDS,
        TOPIC_ARNS,
        SettingField("base_url", "text", "Where SNS is; without it, that of the region",
                     at_most=500),
        *FIELDS,
    ),
    build=lambda config: HttpCarrier(config, partial(AwsSnsDialect, config)),
    receives=("receipts",),
    account=("region", "access_key_id"),
    calls=AwsSnsCalls,
    callbacks={"status": "delivery logs of SNS, forwarded from CloudWatch Logs"},
    guide="aws-sns",
)  # fmt: skip
