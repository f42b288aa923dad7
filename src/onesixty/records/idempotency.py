"""Idempotency keys: the first request with a key does the work, later ones get its answer.

Answers are kept 24 hours.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from onesixty.kit.problems import Problem
from onesixty.kit.secrets import Sealer
from onesixty.storage.database import Connection

KEPT: Final = timedelta(hours=24)
LONGEST_KEY: Final = 255


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that carries a key."""

    account_id: int
    key: str
    fingerprint: bytes

    @property
    def name(self) -> tuple[int, str]:
        """What is taken once."""
        return self.account_id, self.key


@dataclass(frozen=True, slots=True)
class Answer:
    """What the first request was answered."""

    status_code: int
    body: bytes


def claim(account_id: int, key: str, method: str, path: str, body: bytes) -> Claim:
    """The claim of a request.

    Raises Problem when the key is empty, over 255 characters, or not printable ASCII.
    """
    if not 0 < len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Problem(
            "invalid_request",
            f"Idempotency-Key must be 1 to {LONGEST_KEY} printable ASCII characters",
        )
    digest = hashlib.sha256(f"{method} {path}\n".encode() + body).digest()
    return Claim(account_id, key, digest)


async def take(
    tx: Connection, sealer: Sealer, claims: Sequence[Claim], now: datetime
) -> list[Answer | Problem | None]:
    """For each claim: None for the first request, else the kept answer or a conflict.

    The first one does the work and calls `keep` in this transaction. A concurrent request with the
    same key waits on the unique index until this transaction ends. All claims must have different
    keys. One statement a batch; a second one only where keys were taken.
    """
    taken = {
        (row["account_id"], row["key"])
        for row in await tx.fetch(
            "INSERT INTO idempotency_keys AS k (account_id, key, fingerprint, created_at)"
            " SELECT account_id, key, fingerprint, $4"
            " FROM unnest($1::int[], $2::text[], $3::bytea[])"
            " AS claim(account_id, key, fingerprint) ORDER BY account_id, key"
            " ON CONFLICT (account_id, key) DO UPDATE SET fingerprint = excluded.fingerprint,"
            " status_code = NULL, answer = NULL, created_at = excluded.created_at"
            " WHERE k.created_at < $5"
            " RETURNING account_id, key",
            [one.account_id for one in claims],
            [one.key for one in claims],
            [one.fingerprint for one in claims],
            now,
            now - KEPT,
        )
    }
    kept = [one for one in claims if one.name not in taken]
    answers = dict(zip(kept, await look(tx, sealer, kept), strict=True)) if kept else {}
    return [answers.get(one) for one in claims]


async def look(tx: Connection, sealer: Sealer, claims: Sequence[Claim]) -> list[Answer | Problem]:
    """What later requests with taken keys are told: the kept answer, or a conflict.

    Keys may come more than once.
    """
    names = list({one.name for one in claims})
    rows = await tx.fetch(
        "SELECT k.account_id, k.key, k.fingerprint, k.status_code, k.answer FROM idempotency_keys k"
        " JOIN unnest($1::int[], $2::text[]) AS claim(account_id, key) USING (account_id, key)",
        [account_id for account_id, _ in names],
        [key for _, key in names],
    )
    kept = {
        (row["account_id"], row["key"]): (
            row["fingerprint"],
            Answer(row["status_code"], sealer.open(row["answer"])),
        )
        for row in rows
    }
    found: list[Answer | Problem] = []
    for one in claims:
        fingerprint, answer = kept[one.name]
        if fingerprint == one.fingerprint:
            found.append(answer)
        else:
            detail = f"the key {one.key} came before with another body"
            found.append(Problem("idempotency_conflict", detail))
    return found


async def keep(
    tx: Connection, sealer: Sealer, answers: Sequence[tuple[Claim, Answer | None]]
) -> None:
    """Store the answers of claims that were the first.

    None gives the key free again: the work was refused.
    """
    done = [(one, answer) for one, answer in answers if answer is not None]
    freed = [one for one, answer in answers if answer is None]
    if done:
        await tx.execute(
            "UPDATE idempotency_keys k SET status_code = kept.status_code, answer = kept.answer"
            " FROM unnest($1::int[], $2::text[], $3::smallint[], $4::bytea[])"
            " AS kept(account_id, key, status_code, answer)"
            " WHERE k.account_id = kept.account_id AND k.key = kept.key",
            [one.account_id for one, _ in done],
            [one.key for one, _ in done],
            [answer.status_code for _, answer in done],
            [sealer.seal(answer.body) for _, answer in done],
        )
    if freed:
        await tx.execute(
            "DELETE FROM idempotency_keys k"
            " USING unnest($1::int[], $2::text[]) AS freed(account_id, key)"
            " WHERE k.account_id = freed.account_id AND k.key = freed.key",
            [one.account_id for one in freed],
            [one.key for one in freed],
        )


async def forget_old(tx: Connection, now: datetime) -> None:
    """Delete keys older than 24 hours."""
    await tx.execute("DELETE FROM idempotency_keys WHERE created_at < $1", now - KEPT)
