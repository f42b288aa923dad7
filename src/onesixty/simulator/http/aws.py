"""What AWS's services share: Signature Version 4 as the far side checks it, and topics of SNS."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from onesixty.kit import ids
from onesixty.kit.clock import Clock
from onesixty.simulator.http.far_side import CallbackRequest, Incoming, Response

REGION: Final = "us-east-1"
TOPIC_ARN: Final = f"arn:aws:sns:{REGION}:123456789012:onesixty"
CREDENTIALS: Final[Mapping[str, Any]] = {
    "region": REGION,
    "access_key_id": "AKIA0SIMULATED0",
    "secret_access_key": "simulated/secret+access/key",
    "topic_arns": TOPIC_ARN,
}
_MINUTES_APART_MOST: Final = timedelta(minutes=5)
_DAY: Final = timedelta(days=1)


def flaw(request: Incoming, settings: Mapping[str, Any], service: str, now: datetime) -> str:
    """What is wrong with a signature: "missing", "key", "signature", "date"; "" for nothing."""
    fields = _fields(request.headers.get("authorization", ""))
    if fields is None:
        return "missing"
    stamp = request.headers.get("x-amz-date", "")
    scope = f"{stamp[:8]}/{settings['region']}/{service}/aws4_request"
    if fields["Credential"].partition("/")[0] != settings["access_key_id"]:
        return "key"
    wanted = _signature(request, fields["SignedHeaders"], scope, settings["secret_access_key"])
    fits = hmac.compare_digest(wanted, fields["Signature"].encode())
    if fields["Credential"].partition("/")[2] != scope or not fits:
        return "signature"
    at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return "" if abs(now - at) <= _MINUTES_APART_MOST else "date"


def _fields(header: str) -> dict[str, str] | None:
    scheme, _, rest = header.partition(" ")
    given = dict(one.strip().partition("=")[::2] for one in rest.split(","))
    known = {"Credential", "SignedHeaders", "Signature"} <= given.keys()
    return given if scheme == "AWS4-HMAC-SHA256" and known else None


def _signature(request: Incoming, signed: str, scope: str, secret: str) -> bytes:
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(request.query, keep_blank_values=True)
    )
    canonical = [
        request.method,
        request.path,
        "&".join(f"{name}={value}" for name, value in pairs),
        *(
            f"{name}:{' '.join(request.headers.get(name, '').split())}"
            for name in signed.split(";")
        ),
        "",
        signed,
        hashlib.sha256(request.body).hexdigest(),
    ]
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{request.headers.get('x-amz-date', '')}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex().encode()


class Topic:
    """A topic of SNS with one HTTPS subscription, and the certificate that it signs with."""

    path: Final = "/SimpleNotificationService-0f1e2d3c4b5a69788796a5b4c3d2e1f0.pem"

    def __init__(self, clock: Clock, arn: str = TOPIC_ARN, version: str = "1") -> None:
        """`version` of the signature: "1" is SHA-1, the default of topics, "2" SHA-256."""
        self._clock, self._arn, self._version = clock, arn, version
        self.url = "http://127.0.0.1"  # where its certificate is to be had
        self.confirmed: list[str] = []  # tokens of subscriptions

    def serve(self, request: Incoming) -> Response | None:
        """The certificate, or the confirmation of a subscription; None for anything else."""
        if request.method == "GET" and request.path == self.path:
            return Response(200, self._signing[1], "application/x-pem-file")
        query = dict(parse_qsl(request.query))
        if request.method == "GET" and query.get("Action") == "ConfirmSubscription":
            self.confirmed.append(query.get("Token", ""))
            return Response(200, b"<ConfirmSubscriptionResponse/>", "text/xml")
        return None

    def notification(self, url: str, message: object) -> CallbackRequest:
        """A message to the subscriber, as JSON in an envelope."""
        return self._call(url, "Notification", Message=orjson.dumps(message).decode())

    def confirmation(self, url: str, kind: str = "SubscriptionConfirmation") -> CallbackRequest:
        """The question whether the subscriber wants to be one, or the word that it is none now."""
        token = ids.uuid7().hex
        subscribe = f"{self.url}/?Action=ConfirmSubscription&TopicArn={self._arn}&Token={token}"
        words = f"You have chosen to subscribe to the topic {self._arn}."
        return self._call(url, kind, Message=words, SubscribeURL=subscribe, Token=token)

    def _call(self, url: str, kind: str, **fields: str) -> CallbackRequest:
        now = self._clock.now()
        envelope = {
            **fields,
            "Type": kind,
            "MessageId": str(ids.uuid7()),
            "TopicArn": self._arn,
            "Timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
        }
        text = "".join(f"{name}\n{envelope[name]}\n" for name in sorted(envelope))
        digest = SHA1() if self._version == "1" else SHA256()  # noqa: S303 - SNS does so
        signed = self._signing[0].sign(text.encode(), padding.PKCS1v15(), digest)
        envelope |= {
            "SignatureVersion": self._version,
            "Signature": b64encode(signed).decode(),
            "SigningCertURL": self.url + self.path,
        }
        headers = {
            "content-type": "text/plain; charset=UTF-8",
            "x-amz-sns-message-type": kind,
            "x-amz-sns-message-id": envelope["MessageId"],
            "x-amz-sns-topic-arn": self._arn,
            "user-agent": "Amazon Simple Notification Service Agent",
        }
        return CallbackRequest("POST", url, headers, orjson.dumps(envelope))

    @cached_property
    def _signing(self) -> tuple[rsa.RSAPrivateKey, bytes]:
        """Its key and certificate, made when they are first needed."""
        key = _key()
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = self._clock.now()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + 400 * _DAY)
            .sign(key, SHA256())
        )
        return key, certificate.public_bytes(Encoding.PEM)


@cache
def _key() -> rsa.RSAPrivateKey:
    """One for all topics: to make it takes a tenth of a second or two."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
