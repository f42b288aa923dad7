"""Find the submission that a receipt is about: by the carrier's id, in one reading or another.

The key that the carrier's settings, or what was learnt of it, give is trusted. Every other reading
of the id is a guess: it counts only when the message went to the number that the receipt names, and
when no other guess agrees as well.

A carrier that gives back our own id of the message tells of a submission whose id we do not know,
since its answer was lost. It counts when the message was handed to that carrier.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any, Final

from onesixty.carriers.contract import OutcomeKind, Receipt
from onesixty.kit import ids
from onesixty.messages.screen import SCHEDULE_MOST
from onesixty.storage.database import Connection

CONFIGURED: Final = "configured"
# For older messages receipts are only stored. Nearly all are for messages of the last days; what is
# not among them is looked for once more, since a message may have waited long for its time.
REMEMBERED: Final = (timedelta(days=14), timedelta(days=14) + SCHEDULE_MOST)
_LEAST_DIGITS: Final = 7  # by which two forms of one number are known to be the same

# Equality on both columns of the index. What was found is written by a statement of its own, from
# arrays: joined to the found rows inside one statement, a batch of n would cost n * n.
MATCH: Final = """
SELECT DISTINCT ON (wanted.n) wanted.n, s.account_id, s.message_id, s.attempt, s.part, s.parts,
    s.receipt_state, s.carrier_id, s.answered_at
FROM unnest($1::int[], $2::int[], $3::int[], $4::text[]) AS wanted(n, rank, carrier_id, key)
JOIN submissions s ON s.match_key = wanted.key AND s.carrier_id = wanted.carrier_id
    AND s.message_id >= $5
ORDER BY wanted.n, wanted.rank, s.message_id DESC
"""
ECHOED: Final = f"""
SELECT DISTINCT ON (wanted.n) wanted.n, s.account_id, s.message_id, s.attempt, s.part, s.parts,
    s.receipt_state, s.carrier_id, s.answered_at
FROM unnest($1::int[], $2::int[], $3::uuid[]) AS wanted(n, carrier_id, message_id)
JOIN submissions s ON s.message_id = wanted.message_id AND s.carrier_id = wanted.carrier_id
    AND s.match_key IS NULL AND s.outcome IN ({OutcomeKind.ACCEPTED}, {OutcomeKind.UNKNOWN})
ORDER BY wanted.n, s.attempt, s.part
"""
RECIPIENTS: Final = """
SELECT m.id, m.recipient FROM unnest($1::int[], $2::uuid[]) AS n(account_id, message_id)
JOIN messages m ON m.account_id = n.account_id AND m.id = n.message_id
"""


@dataclass(frozen=True, slots=True)
class Search:
    """Where to look: `learnt` readings by carrier, and carriers that are one account."""

    now: datetime
    one_account: Mapping[int, Sequence[int]]
    learnt: Mapping[int, str]

    def keys(self, receipt: Receipt) -> tuple[str, ...]:
        """The trusted keys of a receipt, in the order to try."""
        reading = self.learnt.get(receipt.carrier_id)
        if reading is None:
            return receipt.match_keys
        return tuple(key for how, key in receipt.guesses() if how == reading) or receipt.match_keys

    def reading(self, receipt: Receipt) -> str:
        """What `keys` read the id of a receipt as."""
        reading = self.learnt.get(receipt.carrier_id)
        if reading is None or all(how != reading for how, _ in receipt.guesses()):
            return CONFIGURED
        return reading

    def carriers(self, receipt: Receipt) -> tuple[int, ...]:
        """The carriers whose receipt it may be; the one that it came over goes first."""
        return (receipt.carrier_id, *self.one_account.get(receipt.carrier_id, ()))


@dataclass(slots=True)
class Finds:
    """Rows of MATCH by the place of their receipt; of those that were guessed, key and reading."""

    rows: dict[int, Any]
    guessed: dict[int, tuple[str, str]]

    def reading(self, place: int, receipt: Receipt, search: Search) -> str:
        """What the id of a receipt that was found was read as."""
        return self.guessed[place][1] if place in self.guessed else search.reading(receipt)


async def find(tx: Connection, receipts: Sequence[Receipt], search: Search) -> Finds:
    """What can be found of these receipts."""
    finds = Finds({}, {})
    learnt = search.learnt
    wanted = [
        (n, rank, carrier_id, key)
        for n, receipt in enumerate(receipts)
        for rank, (carrier_id, key) in enumerate(
            product(
                search.carriers(receipt), search.keys(receipt) if learnt else receipt.match_keys
            )
        )
    ]
    for age in REMEMBERED:
        if wanted := [each for each in wanted if each[0] not in finds.rows]:
            rows = await tx.fetch(MATCH, *zip(*wanted, strict=True), ids.first_at(search.now - age))
            finds.rows |= {row["n"]: row for row in rows}
        if age is REMEMBERED[0] and len(finds.rows) < len(receipts):
            await _find_echoed(tx, receipts, search, finds)
            await _guess(tx, receipts, search, finds)
    return finds


async def _find_echoed(
    tx: Connection, receipts: Sequence[Receipt], search: Search, finds: Finds
) -> None:
    """Add the submission without a known id for each receipt that names its message."""
    wanted = [
        (n, carrier_id, receipt.message_id)
        for n, receipt in enumerate(receipts)
        if receipt.message_id is not None and n not in finds.rows
        for carrier_id in search.carriers(receipt)
    ]
    if wanted:
        rows = await tx.fetch(ECHOED, *zip(*wanted, strict=True))
        finds.rows |= {row["n"]: row for row in rows}


async def _guess(tx: Connection, receipts: Sequence[Receipt], search: Search, finds: Finds) -> None:
    """Add the one guess for each receipt whose message went to the number that it names."""
    guesses = [
        (n, carrier_id, key, CONFIGURED if key in receipt.match_keys else reading)
        for n, receipt in enumerate(receipts)
        if n not in finds.rows
        for reading, key in receipt.guesses()
        for carrier_id in search.carriers(receipt)
    ]
    if not guesses:
        return
    wanted = [(place, 0, one[1], one[2]) for place, one in enumerate(guesses)]
    since = ids.first_at(search.now - REMEMBERED[0])
    rows = await tx.fetch(MATCH, *zip(*wanted, strict=True), since)
    if not rows:
        return
    accounts, messages = zip(*((row["account_id"], row["message_id"]) for row in rows), strict=True)
    known = await tx.fetch(RECIPIENTS, accounts, messages)
    recipients = {row["id"]: row["recipient"] for row in known}
    agreeing: dict[int, list[tuple[Any, str, str]]] = {}
    for row in rows:
        n, _, key, reading = guesses[row["n"]]
        if agrees(receipts[n], recipients.get(row["message_id"], "")):
            agreeing.setdefault(n, []).append((row, key, reading))
    for n, some in agreeing.items():
        if len({(row["message_id"], row["part"]) for row, _, _ in some}) == 1:
            finds.rows[n], finds.guessed[n] = some[0][0], some[0][1:]


def agrees(receipt: Receipt, recipient: str) -> bool:
    """Whether a receipt names this number, in whatever form, as either of its addresses."""
    wanted = _digits(recipient)
    if len(wanted) < _LEAST_DIGITS:
        return False
    for address in (receipt.sender, receipt.recipient):
        given = _digits(address).lstrip("0")
        if len(given) >= _LEAST_DIGITS and (wanted.endswith(given) or given.endswith(wanted)):
            return True
    return False


def _digits(address: str) -> str:
    return "".join(one for one in address if one.isdecimal())
