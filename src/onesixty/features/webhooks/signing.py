"""Where a delivery goes and how it is signed: Standard Webhooks 1.0, HMAC-SHA256 over id, timestamp
and body.
"""

from binascii import b2a_base64
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from onesixty.features.webhooks.client import Place
from onesixty.kit.secrets import Sealer, SealError
from onesixty.records.snapshot import Endpoint

_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL with the keys that sign what is sent there. `place` is None when it cannot be called;
    then see `error`.
    """

    url: str
    place: Place | None
    # The key's part of a signature is done once, and copied; each with the end of its use.
    signers: tuple[tuple[HMAC, datetime | None], ...]
    error: str = ""


class Destinations:
    """Destinations made once for each endpoint or callback URL: unsealing and taking URLs apart are
    not for every event.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._made: dict[tuple[str, bytes, bytes | None], Destination] = {}

    def of_endpoint(self, endpoint: Endpoint) -> Destination:
        """The destination of an endpoint; the secret before a rotation signs too until its time is
        over.
        """
        return self._get(
            endpoint.url, endpoint.secret, endpoint.old_secret, endpoint.old_secret_until
        )

    def of_callback(self, url: str, secret: bytes) -> Destination:
        """The destination of a callback URL, signed with the (sealed) secret of the account."""
        return self._get(url, secret, None, None)

    def _get(
        self, url: str, secret: bytes, old: bytes | None, old_until: datetime | None
    ) -> Destination:
        made = self._made.get((url, secret, old))
        if made is None:
            if len(self._made) >= _KEPT:
                self._made.clear()
            made = self._made[url, secret, old] = self._make(url, secret, old, old_until)
        return made

    def _make(
        self, url: str, secret: bytes, old: bytes | None, old_until: datetime | None
    ) -> Destination:
        try:
            keys = [(secret, None), (old, old_until)] if old and old_until else [(secret, None)]
            signers = tuple((HMAC(self._sealer.open(key), SHA256()), until) for key, until in keys)
            return Destination(url, Place.of(url), signers)
        except (SealError, ValueError) as error:
            return Destination(url, None, (), f"not called: {error}")


def headers(destination: Destination, identifier: str, now: datetime, body: bytes) -> bytes:
    """The three header lines of Standard Webhooks for a body, one signature for each key that is in
    use.
    """
    name, timestamp = identifier.encode(), int(now.timestamp())
    content = b"%b.%d.%b" % (name, timestamp, body)
    signatures = b" ".join(
        b"v1," + b2a_base64(_sign(signer, content), newline=False)
        for signer, until in destination.signers
        if until is None or until > now
    )
    return b"webhook-id: %b\r\nwebhook-timestamp: %d\r\nwebhook-signature: %b\r\n" % (
        name,
        timestamp,
        signatures,
    )


def _sign(signer: HMAC, content: bytes) -> bytes:
    one = signer.copy()
    one.update(content)
    return one.finalize()
