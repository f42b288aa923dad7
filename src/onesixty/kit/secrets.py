"""Random tokens, hashes of API keys, sealing of secrets at rest (AES-GCM under the master key)."""

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_COST = 14  # of scrypt: 2**14 rounds over blocks of 1 KB, 16 MB
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class SealError(Exception):
    """What was sealed cannot be opened with this master key."""


class Sealer:
    """Seals small secrets: 12 octets of nonce, then ciphertext and tag."""

    def __init__(self, master_key: bytes) -> None:
        self._cipher = AESGCM(hashlib.sha256(b"onesixty seal" + master_key).digest())
        self._names = hmac.new(
            hashlib.sha256(b"onesixty name" + master_key).digest(), None, "sha256"
        )

    def seal(self, plain: bytes) -> bytes:
        """The sealed form; different every time."""
        nonce = os.urandom(12)
        return nonce + self._cipher.encrypt(nonce, plain, None)

    def open(self, sealed: bytes) -> bytes:
        """The plain form; raises SealError when the key is another one or the data was changed."""
        try:
            return self._cipher.decrypt(sealed[:12], sealed[12:], None)
        except (InvalidTag, ValueError):
            raise SealError(
                "a stored secret does not open with this ONESIXTY_SECRET_KEY:"
                " start with the key it was made with"
            ) from None

    def secret_name(self, of: bytes) -> str:
        """32 letters and digits that nobody can find for `of` without the master key."""
        keyed = self._names.copy()
        keyed.update(of)
        return base64.b32encode(keyed.digest()[:20]).decode().lower()


def token(letters: int) -> str:
    """Random letters and digits, 5.95 bits each."""
    return "".join(secrets.choice(_BASE62) for _ in range(letters))


def token_bytes(count: int) -> bytes:
    """Random octets."""
    return secrets.token_bytes(count)


def key_hash(key: str) -> bytes:
    """SHA-256: API keys have over 200 random bits, so no slow hash is needed."""
    return hashlib.sha256(key.encode()).digest()


def password_hash(password: str) -> str:
    """What to keep of a password that a person may have chosen: scrypt, with its costs and salt.

    Takes some 40 ms of a processor: not for the event loop.
    """
    salt = os.urandom(16)
    return f"scrypt${_COST}${salt.hex()}${_scrypt(password, salt, _COST).hex()}"


def password_fits(password: str, kept: str) -> bool:
    """Whether `kept` was made of this password; as slow as `password_hash`."""
    _, cost, salt, digest = kept.split("$")
    found = _scrypt(password, bytes.fromhex(salt), int(cost))
    return hmac.compare_digest(found, bytes.fromhex(digest))


def _scrypt(password: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << cost, r=8, p=1, dklen=32)


def equal(a: bytes, b: bytes) -> bool:
    """Compare in a time that does not tell where they differ."""
    return hmac.compare_digest(a, b)


def master_key_in(data_dir: Path) -> bytes:
    """The master key kept in the data directory, made there (mode 0600) when it is missing.

    It is text, so that it can be given as a setting elsewhere. It appears whole or not at all.
    """
    path = data_dir / "secret.key"
    if not path.exists():
        draft = data_dir / f".secret.{os.getpid()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token(43) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was faster: its key counts
            os.link(draft, path)
        draft.unlink()
    return path.read_bytes().strip()
