"""Whether the ledger adds up: everything is added up anew and compared with what is kept."""

from collections.abc import Mapping
from typing import Any, Final

from onesixty.kit import money
from onesixty.records.billing.books import Book, Kind
from onesixty.storage.database import Connection

_VALUES: Final = ", ".join(
    f"coalesce(sum(CASE {book} WHEN target THEN micros WHEN source THEN -micros END), 0)::bigint"
    f" AS {book.name.lower()}"
    for book in Book
)
_KINDS: Final = ", ".join(
    f"coalesce(sum(micros) FILTER (WHERE kind = {kind}), 0)::bigint AS {kind.name.lower()}"
    for kind in Kind
)
_TRANSFERS: Final = f"SELECT account_id, {_VALUES}, {_KINDS} FROM transfers GROUP BY account_id"
_OPEN: Final = """
SELECT payer_id, sum(micros)::bigint AS micros FROM holds WHERE charged IS NULL GROUP BY payer_id
"""
_KEPT: Final = """
SELECT b.*, a.name, p.mode FROM balances b JOIN accounts a ON a.id = b.account_id
LEFT JOIN payers p USING (account_id) ORDER BY b.account_id
"""
_DAYS: Final = """
WITH again AS (
    SELECT day, sum(messages) AS messages, sum(charged) AS charged, sum(cost) AS cost
    FROM charges GROUP BY day
), kept AS (
    SELECT day, sum(messages) AS messages, sum(charged) AS charged, sum(cost) AS cost
    FROM usage GROUP BY day
)
SELECT day FROM again FULL JOIN kept USING (day)
WHERE (again.messages, again.charged, again.cost)
    IS DISTINCT FROM (kept.messages, kept.charged, kept.cost)
ORDER BY day
"""
_NOTHING: Final[Mapping[str, int]] = dict.fromkeys([one.name.lower() for one in (*Book, *Kind)], 0)


async def check(tx: Connection) -> list[str]:
    """What does not add up, in words; nothing when all is well. Reads every transfer.

    To be the first in its transaction: all is read as of one moment.
    """
    await tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    for setting in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
        await tx.execute(f"SET LOCAL {setting} = on")
    added = {row["account_id"]: dict(row) for row in await tx.fetch(_TRANSFERS)}
    held = {row["payer_id"]: row["micros"] for row in await tx.fetch(_OPEN)}
    kept = await tx.fetch(_KEPT)
    days = await tx.fetch(_DAYS)
    found = [
        f"{row['name']}: {text}"
        for row in kept
        for text in _wrong(
            row, added.pop(row["account_id"], _NOTHING), held.pop(row["account_id"], 0)
        )
    ]
    found += [f"account {number} has transfers and no balance" for number in added]
    found += [f"account {number} has holds and no balance" for number in held]
    return found + [f"usage of {row['day']} is not what its lines add up to" for row in days]


def _wrong(kept: Any, added: Mapping[str, int], held: int) -> list[str]:
    found = []
    for book in Book:
        name = book.name.lower()
        if kept[name] != added[name]:
            values = money.amount(kept[name]), money.amount(added[name])
            found.append(f"{name} is {values[0]}, its transfers add up to {values[1]}")
    if sum(kept[book.name.lower()] for book in Book):
        found.append("its books do not add up to zero")
    if held != added["hold"] - added["charge"] - added["release"]:
        found.append("holds less charges and releases are not what is still held")
    if kept["mode"] == "prepaid" and kept["available"] < 0:
        found.append("it is prepaid, and less than nothing is available")
    return found
