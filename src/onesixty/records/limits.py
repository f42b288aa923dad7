"""Limits on file: how fast an account, and those below it, may send.

A limit is a token bucket of segments, for one account, one sender or one country of recipients.
Which of them a message falls under is decided here, purely.
"""

from typing import Any, Final
from uuid import UUID

from phonenumbers import SUPPORTED_REGIONS

from onesixty.kit import ids
from onesixty.kit.problems import FieldError, Problem
from onesixty.records.snapshot import LimitRecord, Snapshot
from onesixty.sms import sender as senders
from onesixty.storage.database import Connection, Rows

KINDS: Final[dict[str, str]] = {
    "account": "id of the account, the caller's or one below it; all that it and those below send",
    "sender": "a sender ID; what is sent from it",
    "country": "ISO 3166 code, such as GB; what is sent to numbers of that country",
}
_BETWEEN: Final = "\x1f"  # words of a flow: no sender ID has it
_ANY: Final = "account"  # the flow of messages whose account is limited, and nothing narrower is
_COLUMNS = "id, public_id, account_id, kind, value, rate_per_second, burst, created_at, updated_at"


def applying(
    book: Snapshot, account_id: int, sender: str | None, country: str | None
) -> list[LimitRecord]:
    """The limits that a message falls under: those of its account and of the accounts above it."""
    found: list[LimitRecord] = []
    passed = set()
    account = book.accounts.get(account_id)
    while account is not None:
        passed.add(str(account.public_id))
        for one in book.limits.get(account.id, ()):
            if one.kind == "account":
                applies = one.value in passed
            else:
                applies = one.value == (sender if one.kind == "sender" else country)
            if applies:
                found.append(one)
        account = book.accounts.get(account.parent_id) if account.parent_id else None
    return found


def flow_of(book: Snapshot, account_id: int, sender: str | None, country: str | None) -> str | None:
    """The flow of a message: what of it is limited; None when nothing is.

    Messages of an account with the same flow fall under the same limits and wait in one line.
    """
    if not book.limits:
        return None
    found = applying(book, account_id, sender, country)
    if not found:
        return None
    narrow = {f"{one.kind}={one.value}" for one in found if one.kind != "account"}
    return _BETWEEN.join(sorted(narrow)) or _ANY


def of_flow(book: Snapshot, account_id: int, flow: str) -> list[LimitRecord]:
    """The limits of a flow, as they are now."""
    words = dict(word.partition("=")[::2] for word in flow.split(_BETWEEN))
    return applying(book, account_id, words.get("sender"), words.get("country"))


def look_at_country(book: Snapshot, account_id: int) -> bool:
    """Whether any limit over an account is for a country."""
    account = book.accounts.get(account_id)
    while account is not None:
        if any(one.kind == "country" for one in book.limits.get(account.id, ())):
            return True
        account = book.accounts.get(account.parent_id) if account.parent_id else None
    return False


def check(kind: str, value: str) -> str:
    """The value of a sender or country limit as messages have it; raises Problem."""
    if kind == "sender":
        sender = senders.classify(value)
        if isinstance(sender, senders.Sender):
            return sender.value
    elif kind == "country" and value.upper() in SUPPORTED_REGIONS:
        return value.upper()
    raise unusable(value, kind)


def unusable(value: str, kind: str) -> Problem:
    """The problem of a value that no message can have."""
    detail = f"{value!r:.60} is not right for {kind}: {KINDS[kind]}"
    return Problem("invalid_request", detail, (FieldError("/value", "invalid", detail),))


async def create(tx: Connection, account_id: int, fields: dict[str, Any]) -> Any:
    """Store a limit: kind, value, rate_per_second, burst; returns its row.

    Raises Problem `conflict` when the account has one for this already.
    """
    row = await tx.fetchrow(
        "INSERT INTO limits (public_id, account_id, kind, value, rate_per_second, burst)"
        " VALUES ($1, $2, $3, $4, $5, $6)"
        f" ON CONFLICT (account_id, kind, value) DO NOTHING RETURNING {_COLUMNS}",
        ids.uuid7(),
        account_id,
        fields["kind"],
        fields["value"],
        fields["rate_per_second"],
        fields["burst"],
    )
    if row is None:
        detail = f"there is a limit for this {fields['kind']} already: change that one"
        raise Problem("conflict", detail, (FieldError("/value", "taken", detail),))
    return row


async def find(tx: Connection, account_id: int, public_id: UUID | None) -> Any:
    """The row of an account's limit, locked for change, or None."""
    return await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM limits WHERE account_id = $1 AND public_id = $2 FOR UPDATE",
        account_id,
        public_id,
    )


async def listing(tx: Connection, account_id: int, before: UUID | None, limit: int) -> Rows:
    """Limits that an account has set, newest first."""
    rows: Rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM limits WHERE account_id = $1"
        " AND ($2::uuid IS NULL OR public_id < $2) ORDER BY public_id DESC LIMIT $3",
        account_id,
        before,
        limit,
    )
    return rows


async def update(tx: Connection, limit_id: int, rate_per_second: float, burst: int) -> Any:
    """Change how fast; returns the row."""
    return await tx.fetchrow(
        "UPDATE limits SET rate_per_second = $2, burst = $3, updated_at = now() WHERE id = $1"
        f" RETURNING {_COLUMNS}",
        limit_id,
        rate_per_second,
        burst,
    )


async def remove(tx: Connection, limit_id: int) -> None:
    """Take a limit away."""
    await tx.execute("DELETE FROM limits WHERE id = $1", limit_id)
