"""What a topic of Amazon SNS brings by HTTPS: signed envelopes, and its wish to be subscribed.

An envelope counts only when its topic is one of ours and its signature fits a certificate from
AWS. Only then is the URL in it called that confirms the subscription: anybody could write another.
"""

import asyncio
import re
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson

from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    CarrierConfig,
    News,
    SettingField,
)
from onesixty.carriers.http.client import Client
from onesixty.carriers.http.dialect import Answer, Ask, NoAnswerError, NotSentError, Request

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

TOPIC_ARNS: Final = SettingField(
    "topic_arns", "text",
    "ARNs of the SNS topics that may call, with commas between; without any, none may",
    at_most=2000,
)  # fmt: skip
HOSTS: Final = re.compile(r"sns\.[a-z0-9-]{3,}\.amazonaws\.com(\.cn)?")
# SNS gives a message up after an hour at the latest, and keeps its time while it tries again.
# A longer past would be a replay; a short one does no harm, since repeats change nothing.
_AGE_SECONDS_MOST: Final = 3600 + 300
_FETCH_SECONDS: Final = 5.0  # SNS waits 15 s for our answer
_CERTIFICATES_MOST: Final = 32
_SIGNED: Final = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
    ),
}  # fmt: skip
_SIGNED["UnsubscribeConfirmation"] = _SIGNED["SubscriptionConfirmation"]
_NOTICES: Final = {
    "SubscriptionConfirmation": "topic_subscribed",
    "UnsubscribeConfirmation": "topic_unsubscribed",
}


async def fetch_once(request: Request) -> Answer:
    """By a client for this request alone: certificates change once a year."""
    client = Client(_FETCH_SECONDS)
    try:
        return await client.ask(request)
    finally:
        await client.close()


@dataclass(frozen=True, slots=True)
class _Certificate:
    key: "RSAPublicKey"
    not_before: datetime
    not_after: datetime


class Envelopes:
    """Opens the envelopes of one carrier's topics."""

    def __init__(self, config: CarrierConfig, fetch: Ask = fetch_once) -> None:
        """`fetch` gets certificates and confirms subscriptions."""
        self._clock, self._ask = config.clock, fetch
        named = config.settings.get("topic_arns") or ""
        self._topics = frozenset(one.strip() for one in named.split(",") if one.strip())
        # Where SNS itself is somewhere else, such as in a simulator, so are its certificates.
        self._origin = "://".join(_split(config.settings.get("base_url") or "")[:2]).strip("/:")
        self._certificates: OrderedDict[str, _Certificate] = OrderedDict()

    async def open(self, call: Call) -> tuple[Any, News]:
        """The notification's message, read as JSON where it is some (None: there is none), and
        the news to begin with. Raises CallRefusedError.
        """
        envelope = _read(call)
        kind, topic = envelope.get("Type", ""), envelope.get("TopicArn", "")
        if kind not in _SIGNED:
            raise CallRefusedError("this is no envelope of SNS", 400)
        if topic not in self._topics:
            raise CallRefusedError(f"the topic {topic[:300]} is not in topic_arns")
        await self._verify(envelope)
        if kind == "Notification":
            return _message(envelope["Message"]), News()
        if kind == "SubscriptionConfirmation":
            await self._confirm(envelope["SubscribeURL"])
        return None, News(notices=[{"type": _NOTICES[kind], "topic_arn": topic}])

    async def _verify(self, envelope: Mapping[str, str]) -> None:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA1, SHA256

        digest = {"1": SHA1, "2": SHA256}.get(envelope.get("SignatureVersion", ""))
        if digest is None:
            raise CallRefusedError("the version of the signature is unknown")
        text = string_to_sign(envelope)
        self._check_age(envelope["Timestamp"])
        certificate = await self._certificate(envelope.get("SigningCertURL", ""))
        try:
            signature = b64decode(envelope.get("Signature", ""), validate=True)
            certificate.key.verify(signature, text, PKCS1v15(), digest())
        except (ValueError, InvalidSignature):
            raise CallRefusedError("the signature does not fit") from None

    def _check_age(self, timestamp: str) -> None:
        try:
            age = (self._clock.now() - datetime.fromisoformat(timestamp)).total_seconds()
        except (ValueError, TypeError):
            raise CallRefusedError("its time cannot be read", 400) from None
        if not -300 <= age <= _AGE_SECONDS_MOST:
            raise CallRefusedError(f"it was signed {age:.0f} s ago")

    async def _certificate(self, url: str) -> _Certificate:
        self._check_url(url)
        if not _split(url)[2].endswith(".pem"):
            raise CallRefusedError("the URL of the certificate names none")
        known = self._certificates.get(url)
        if known is None:
            answer = await self._get(url)
            known = await asyncio.to_thread(_parse, answer.body)
            self._certificates[url] = known
            if len(self._certificates) > _CERTIFICATES_MOST:
                self._certificates.popitem(last=False)
        if not known.not_before <= self._clock.now() <= known.not_after:
            raise CallRefusedError("the certificate is not valid now")
        return known

    async def _confirm(self, url: str) -> None:
        self._check_url(url)
        await self._get(url)

    async def _get(self, url: str) -> Answer:
        try:
            answer = await self._ask(Request("GET", url))
        except (NotSentError, NoAnswerError) as error:
            raise CallRefusedError(f"SNS cannot be asked: {error}", 503) from None
        if answer.status != 200:
            raise CallRefusedError(f"SNS answers HTTP {answer.status} when it is asked", 503)
        return answer

    def _check_url(self, url: str) -> None:
        """Only AWS may be called, whatever an envelope says."""
        scheme, host, _ = _split(url)
        if self._origin and f"{scheme}://{host}" == self._origin:
            return
        if scheme != "https" or not HOSTS.fullmatch(host):
            raise CallRefusedError(f"{host[:100]!r} is not a host of SNS")


def string_to_sign(envelope: Mapping[str, str]) -> bytes:
    """What the signature is over; a subject counts only where there is one.

    Raises CallRefusedError when anything else is missing.
    """
    names = [name for name in _SIGNED[envelope["Type"]] if name != "Subject" or name in envelope]
    missing = [name for name in names if name not in envelope]
    if missing:
        raise CallRefusedError(f"the envelope lacks {', '.join(missing)}", 400)
    return "".join(f"{name}\n{envelope[name]}\n" for name in names).encode(errors="replace")


def _read(call: Call) -> dict[str, str]:
    """The texts of an envelope."""
    try:
        given = orjson.loads(call.body)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise CallRefusedError("this is no envelope of SNS", 400)
    return {name: value for name, value in given.items() if isinstance(value, str)}


def _message(text: str) -> Any:
    """What is no JSON tells nothing: somebody tries the topic by hand."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _parse(pem: bytes) -> _Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    try:
        found = x509.load_pem_x509_certificate(pem)
        key = found.public_key()
    except ValueError:
        raise CallRefusedError("the certificate cannot be read", 503) from None
    if not isinstance(key, RSAPublicKey):
        raise CallRefusedError("the certificate's key is not RSA")
    return _Certificate(key, found.not_valid_before_utc, found.not_valid_after_utc)


def _split(url: str) -> tuple[str, str, str]:
    """Scheme, host with port and user, path; empty ones for what is no URL."""
    try:
        return urlsplit(url)[:3]
    except ValueError:
        return "", "", ""
