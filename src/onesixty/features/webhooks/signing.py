"""Where a delivery goes and how it is signed: Standard Webhooks 1.0, HMAC-SHA256 over id, timestamp
and body.
"""

import hashlib
from binascii import b2a_base64
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from onesixty.features.webhooks.client import Place
from onesixty.kit.secrets import Sealer, SealError
from onesixty.records.snapshot import Endpoint

_KEPT: Final = 10_000
_BLOCK: Final = 64  # octets that SHA-256 takes at a time


class Signer:
    """HMAC-SHA256 (RFC 2104) under one key, whose part is done once: half the time a signature."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key if len(key) <= _BLOCK else hashlib.sha256(key).digest()
        block = block.ljust(_BLOCK, b"\0")
        self._inner, self._outer = (
            hashlib.sha256(bytes(octet ^ pad for octet in block)) for pad in (0x36, 0x5C)
        )

    def sign(self, content: bytes) -> bytes:
        """The 32 octets."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(content)
        outer.update(inner.digest())
        return outer.digest()


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL with the keys that sign what is sent there. `place` is None when it cannot be called;
    then see `error`.
    """

    url: str
    place: Place | None
    signers: tuple[tuple[Signer, datetime | None], ...]  # each with the end of its use
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
            signers = tuple((Signer(self._sealer.open(key)), until) for key, until in keys)
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
        b"v1," + b2a_base64(signer.sign(content), newline=False)
        for signer, until in destination.signers
        if until is None or until > now
    )
    return b"webhook-id: %b\r\nwebhook-timestamp: %d\r\nwebhook-signature: %b\r\n" % (
        name,
        timestamp,
        signatures,
    )
