"""Customers on file who bind to us over SMPP (ESMEs): who may bind, from where, and what it may do.

A system_id is unique on the server, since a bind names nothing else. Passwords are kept as hashes.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final
from uuid import UUID

from phonenumbers import SUPPORTED_REGIONS

from onesixty.kit import ids
from onesixty.kit.problems import FieldError, Problem
from onesixty.sms import sender as senders
from onesixty.storage.database import Connection, Rows

SYSTEM_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}$"
MODES: Final = ("transmitter", "receiver", "transceiver")
CATEGORIES: Final = ("emergency", "otp", "transactional", "marketing")
PASSWORD_MOST: Final = 8  # SMPP 3.4, 5.2.2: 9 octets with its NUL
LIST_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class EsmeSettings:
    """What an ESME may do and how it wants things; the defaults are those of a new one."""

    allowed_ips: tuple[str, ...] = ()  # networks (CIDR); empty: from anywhere
    bind_modes: tuple[str, ...] = MODES
    max_binds: int = 4  # at a time, over all processes
    window: int = 10  # deliver_sm that may be unanswered on a session, and half of its submits
    rate_per_second: float | None = None  # submits, over all its sessions
    burst: int | None = None  # None: what is good for one second
    allowed_senders: tuple[str, ...] | None = None  # None: any
    default_category: str = "transactional"
    tags: tuple[str, ...] = ()  # of each of its messages; routes match them
    country: str | None = None  # ISO 3166: how its numbers of TON 2 (national) are read
    data_coding_0: str = "gsm7"  # or "latin1", "ascii"
    id_form: str = "hex"  # of message ids: or "uuid", "decimal"
    receipt_form: str = "both"  # or "text", "tlv"
    receives_inbound: bool = True
    numbers: tuple[str, ...] = ()  # whose inbound messages it gets: exact, or a prefix with *
    long_inbound: str = "udh"  # or "payload": how it gets inbound text beyond one segment


DEFAULTS: Final = EsmeSettings()
CHOICES: Final[dict[str, dict[str, str]]] = {
    "data_coding_0": {
        "gsm7": "the GSM alphabet, an octet each",
        "latin1": "ISO-8859-1",
        "ascii": "IA5",
    },
    "id_form": {
        "hex": "32 lower-case hexadecimal digits",
        "uuid": "with dashes",
        "decimal": "up to 39 digits",
    },
    "receipt_form": {
        "both": "text and TLVs",
        "text": "text only",
        "tlv": "TLVs with an empty text",
    },
    "long_inbound": {
        "udh": "a deliver_sm for each part, with a user data header",
        "payload": "one deliver_sm with message_payload",
    },
    "default_category": dict.fromkeys(CATEGORIES, ""),
}


@dataclass(frozen=True, slots=True)
class EsmeRecord:
    """An ESME on file that is not removed."""

    id: int
    public_id: UUID
    account_id: int
    system_id: str
    password_hash: str
    enabled: bool
    settings: EsmeSettings
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

    def admits(self, address: str) -> bool:
        """Whether it may connect from this IP address."""
        if not self.networks:
            return True
        peer = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped:
            peer = peer.ipv4_mapped
        return any(peer in network for network in self.networks)


def record(row: Any) -> EsmeRecord:
    """The record of a row of `_COLUMNS`."""
    settings = settings_of(row["settings"])
    return EsmeRecord(
        row["id"],
        row["public_id"],
        row["account_id"],
        row["system_id"],
        row["password_hash"],
        row["enabled"],
        settings,
        tuple(ipaddress.ip_network(one) for one in settings.allowed_ips),
    )


def settings_of(kept: Mapping[str, Any]) -> EsmeSettings:
    """Settings as the database keeps them: only those that are not the defaults."""
    known = {one.name for one in fields(EsmeSettings)}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in kept.items()
        if name in known
    }
    return EsmeSettings(**values)


def check(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings to keep: given ones in their normal form; None stands for the default.

    Types and ranges are the door's to check; here is what needs knowledge. Raises Problem that
    names every one that is wrong.
    """
    errors: list[FieldError] = []
    kept: dict[str, Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        normal, wrong = _CHECKS[name](value) if name in _CHECKS else (value, None)
        if name in CHOICES and value not in CHOICES[name]:
            wrong = f"{value!r:.40} is none of {', '.join(CHOICES[name])}"
        if wrong:
            errors.append(FieldError(f"/{name}", "invalid", wrong))
        kept[name] = normal
    if errors:
        raise Problem("invalid_request", errors[0].detail, tuple(errors))
    return kept


def is_system_id(text: str) -> bool:
    """Whether an ESME can have this name."""
    return re.fullmatch(SYSTEM_ID, text) is not None


def check_password(password: str) -> None:
    """Raise Problem unless it can stand in a bind: 1 to 8 visible ASCII characters."""
    if len(password) > PASSWORD_MOST:
        wrong = f"SMPP passwords have at most {PASSWORD_MOST} characters, this has {len(password)}"
    elif not (password and password.isascii() and password.isprintable() and " " not in password):
        wrong = "a password has 1 to 8 ASCII letters, digits or signs, and no spaces"
    else:
        return
    raise Problem("invalid_request", wrong, (FieldError("/password", "invalid", wrong),))


_COLUMNS: Final = (
    "id, public_id, account_id, system_id, password_hash, enabled, settings, created_at, updated_at"
)


async def load(connection: Connection) -> list[EsmeRecord]:
    """Every ESME that is not removed, disabled ones too."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM esmes WHERE removed_at IS NULL ORDER BY id"
    )
    return [record(row) for row in rows]


async def create(
    tx: Connection,
    account_id: int,
    system_id: str,
    password_hash: str,
    settings: dict[str, Any],
    *,
    enabled: bool = True,
) -> int:
    """Store an ESME, with settings as `check` gave them; its number.

    Raises Problem `conflict` for a taken system_id.
    """
    identifier: int | None = await tx.fetchval(
        "INSERT INTO esmes (public_id, account_id, system_id, password_hash, settings, enabled)"
        " VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (system_id) WHERE removed_at IS NULL DO NOTHING RETURNING id",
        ids.uuid7(),
        account_id,
        system_id,
        password_hash,
        settings,
        enabled,
    )
    if identifier is None:
        detail = f"the system_id {system_id} is taken on this server"
        raise Problem("conflict", detail, (FieldError("/system_id", "taken", detail),))
    return identifier


async def update(tx: Connection, row: Any, changes: dict[str, Any]) -> None:
    """Change an ESME's row: any of password_hash, settings, enabled."""
    now = dict(row) | changes
    await tx.execute(
        "UPDATE esmes SET password_hash = $2, settings = $3, enabled = $4, updated_at = now()"
        " WHERE id = $1",
        row["id"],
        now["password_hash"],
        now["settings"],
        now["enabled"],
    )


async def remove(tx: Connection, esme_id: int) -> None:
    """Take an ESME out of use: its sessions end, its system_id is free; messages keep naming it."""
    await tx.execute(
        "UPDATE esmes SET removed_at = now(), updated_at = now() WHERE id = $1", esme_id
    )


async def find(tx: Connection, account_id: int, system_id: str) -> Any:
    """The row of an account's ESME, locked for change, or None."""
    return await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM esmes"
        " WHERE account_id = $1 AND system_id = $2 AND removed_at IS NULL FOR UPDATE",
        account_id,
        system_id,
    )


async def listing(tx: Connection, account_id: int, before: UUID | None, limit: int) -> Rows:
    """ESMEs of an account, newest first."""
    rows: Rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM esmes WHERE account_id = $1 AND removed_at IS NULL"
        " AND ($2::uuid IS NULL OR public_id < $2) ORDER BY public_id DESC LIMIT $3",
        account_id,
        before,
        limit,
    )
    return rows


_Checked = tuple[Any, str | None]


def _networks(values: list[str]) -> _Checked:
    normal: list[str] = []
    for value in values:
        try:
            normal.append(str(ipaddress.ip_network(value, strict=False)))
        except ValueError:
            return values, f"{value!r:.60} is no IP address or network such as 192.0.2.0/24"
    return normal, None


def _senders(values: list[str]) -> _Checked:
    normal: list[str] = []
    for value in values:
        sender = senders.classify(value)
        if isinstance(sender, senders.SenderError):
            return values, f"{value!r:.60}: {sender.message}"
        normal.append(sender.value)
    return normal, None


def _modes(values: list[str]) -> _Checked:
    unknown = [value for value in values if value not in MODES]
    if unknown or not values:
        return values, f"give some of {', '.join(MODES)}"
    return [mode for mode in MODES if mode in values], None


def _numbers(values: list[str]) -> _Checked:
    for value in values:
        digits = value.removesuffix("*").removeprefix("+")
        if not (digits.isascii() and digits.isdecimal()):
            return values, f"{value!r:.60} is no number such as +447700900123, nor a prefix: +4477*"
    return values, None


def _tags(values: list[str]) -> _Checked:
    wrong = [value for value in values if not (value and value.isprintable())]
    return values, f"{wrong[0]!r:.60} is no tag" if wrong else None


def _country(value: str) -> _Checked:
    known = value.upper() in SUPPORTED_REGIONS
    return value.upper(), None if known else f"{value!r:.20} is no ISO 3166 code such as GB"


_CHECKS: Final[dict[str, Callable[[Any], _Checked]]] = {
    "allowed_ips": _networks,
    "allowed_senders": _senders,
    "bind_modes": _modes,
    "numbers": _numbers,
    "tags": _tags,
    "country": _country,
}
