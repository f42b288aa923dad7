"""Price lists on file: making them, and reading, comparing, importing and writing their CSV.

An import says what holds from a moment on. A full one ends what it does not name; a partial one
leaves it. What was planned for later, for rows that it names or ends, is replaced.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from onesixty.carriers.content import CHANNELS
from onesixty.kit import ids, money
from onesixty.kit.problems import FieldError, Problem
from onesixty.storage.arrays import columns
from onesixty.storage.database import Connection, Rows

COLUMNS: Final = ("prefix", "network", "channel", "price", "valid_from", "valid_until")
ROWS_MOST: Final = 200_000
ERRORS_MOST: Final = 20  # that one answer names
PREFIX_MOST: Final = 15  # digits, as E.164 numbers have

Key = tuple[int, str, str]  # channel, network, prefix


@dataclass(frozen=True, slots=True)
class Row:
    """One price."""

    key: Key
    micros: int
    since: datetime
    until: datetime | None = None

    @property
    def name(self) -> tuple[Key, datetime]:
        """What is unique."""
        return self.key, self.since


@dataclass(slots=True)
class Diff:
    """What an import changes. `same` counts what stays."""

    added: list[Row] = field(default_factory=list)
    changed: list[tuple[Row, Row]] = field(default_factory=list)  # before and after
    ended: list[Row] = field(default_factory=list)
    dropped: list[Row] = field(default_factory=list)  # planned for later, and replaced
    same: int = 0
    ends: dict[tuple[Key, datetime], datetime] = field(default_factory=dict)  # by name, when


def read(text: str, at: datetime) -> list[Row]:
    """The rows of a CSV; `at` is from when those without a date of their own hold.

    Raises Problem `invalid_request` that names the lines.
    """
    try:
        read_lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    except csv.Error as error:
        raise Problem("invalid_request", f"this is no CSV: {error}") from None
    head, *lines = read_lines or [[]]
    head = [name.strip().lower() for name in head]
    if "price" not in head or not {"prefix", "network"} & set(head):
        detail = f"the first line names the columns: {', '.join(COLUMNS)}; price is needed"
        raise Problem("invalid_request", detail)
    rows: dict[tuple[Key, datetime], Row] = {}
    errors: list[FieldError] = []
    for number, cells in enumerate(lines, 2):
        if not any(cell.strip() for cell in cells):
            continue
        found = _row({name: cell.strip() for name, cell in zip(head, cells, strict=False)}, at)
        if isinstance(found, Row) and found.name in rows:
            found = "the same prefix, network, channel and date came before"
        if isinstance(found, Row):
            rows[found.name] = found
        else:
            errors.append(FieldError(f"/{number}", "invalid", f"line {number}: {found}"))
        if len(errors) >= ERRORS_MOST or len(rows) > ROWS_MOST:
            break
    if len(rows) > ROWS_MOST:
        raise Problem("invalid_request", f"a price list has at most {ROWS_MOST:,} rows")
    if errors:
        raise Problem("invalid_request", errors[0].detail, tuple(errors))
    return _in_turn(rows.values())


def _row(cells: Mapping[str, str], at: datetime) -> Row | str:
    prefix = cells.get("prefix", "").removeprefix("+").replace(" ", "")
    if prefix and not (prefix.isascii() and prefix.isdigit() and len(prefix) <= PREFIX_MOST):
        return f"{prefix!r:.40} is no prefix: up to {PREFIX_MOST} digits"
    network = network_of(cells.get("network", ""))
    if network is None:
        return f"{cells['network']!r:.40} is no network: MCC and MNC, such as 234-10"
    channel = cells.get("channel") or CHANNELS[0]
    if channel not in CHANNELS:
        return f"{channel!r:.40} is no channel: {', '.join(CHANNELS)}"
    micros = money.micros(cells.get("price", ""))
    if micros is None:
        return f"{cells.get('price', '')!r:.40} is no price: such as 0.0325, up to 6 decimals"
    since, until = _moment(cells.get("valid_from", "")), _moment(cells.get("valid_until", ""))
    if isinstance(since, str) or isinstance(until, str):
        return since if isinstance(since, str) else str(until)
    since = since or at
    if until is not None and until <= since:
        return "valid_until is not after valid_from"
    return Row((CHANNELS.index(channel), network, prefix), micros, since, until)


def network_of(text: str) -> str | None:
    """The digits of an MCC and MNC, such as 234-10 or 23410; None when it is none."""
    digits = text.replace("-", "").replace(" ", "")
    fits = not digits or (digits.isascii() and digits.isdigit() and len(digits) in (5, 6))
    return digits if fits else None


def _moment(text: str) -> datetime | str | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return f"{text!r:.40} is no date: such as 2026-12-01 or 2026-12-01T00:00:00Z"
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not 1970 <= moment.year <= 9998:
        return f"{text!r:.40} is out of range"
    return moment


def _in_turn(rows: Iterable[Row]) -> list[Row]:
    """Rows of one key end where the next one begins."""
    found: list[Row] = []
    for row in sorted(rows, key=lambda one: one.name):
        before = found[-1] if found else None
        if before and before.key == row.key and (not before.until or before.until > row.since):
            found[-1] = Row(before.key, before.micros, before.since, row.since)
        found.append(row)
    return found


def compare(old: Sequence[Row], new: Sequence[Row], at: datetime, *, partial: bool) -> Diff:
    """What changes when `new` is imported over `old`."""
    diff = Diff()
    standing: dict[Key, list[Row]] = {}
    for row in old:
        standing.setdefault(row.key, []).append(row)
    coming: dict[Key, list[Row]] = {}
    for row in new:
        coming.setdefault(row.key, []).append(row)
    for key, rows in coming.items():
        _compare_key(diff, standing.pop(key, []), rows)
    for rows in () if partial else standing.values():
        _end(diff, rows, at, told=True)
    return diff


def _compare_key(diff: Diff, old: list[Row], new: list[Row]) -> None:
    first = new[0]
    current = next((row for row in old if _holds(row, first.since)), None)
    if current and (current.micros, current.until) == (first.micros, first.until):
        new = new[1:]  # goes on as it is
        diff.same += 1
        old = [row for row in old if row is not current]
    kept = set(new)
    same = [row for row in old if row in kept]
    diff.same += len(same)
    _end(diff, [row for row in old if row not in kept], first.since, told=False)
    for row in new:
        if row in same:
            continue
        if row is first and current:
            diff.changed.append((current, row))
        else:
            diff.added.append(row)


def _end(diff: Diff, rows: Sequence[Row], at: datetime, *, told: bool) -> None:
    for row in rows:
        if row.since > at:
            diff.dropped.append(row)
        elif row.until is None or row.until > at:
            diff.ends[row.name] = at
            if told:
                diff.ended.append(row)


def _holds(row: Row, at: datetime) -> bool:
    return row.since <= at and (row.until is None or at < row.until)


async def rows_of(connection: Connection, deck_id: int) -> list[Row]:
    """All rows of a deck, in the order of their keys and dates."""
    found = await connection.fetch(
        "SELECT channel, network, prefix, micros, valid_from, valid_until FROM deck_rows"
        " WHERE deck_id = $1 ORDER BY channel, network, prefix, valid_from",
        deck_id,
    )
    return [
        Row((channel, network, prefix), micros, since, until)
        for channel, network, prefix, micros, since, until in found
    ]


async def apply(tx: Connection, deck_id: int, diff: Diff) -> None:
    """Write what an import changes; the copies in memory follow within a second."""
    # What would end when it begins never held.
    gone = [(*row.key, row.since) for row in diff.dropped]
    gone += [(*key, since) for (key, since), until in diff.ends.items() if since == until]
    await tx.execute(
        "DELETE FROM deck_rows r USING unnest($2::smallint[], $3::text[], $4::text[],"
        " $5::timestamptz[]) AS gone(channel, network, prefix, since)"
        " WHERE r.deck_id = $1 AND r.channel = gone.channel AND r.network = gone.network"
        " AND r.prefix = gone.prefix AND r.valid_from = gone.since",
        deck_id,
        *columns(gone, 4),
    )
    ends = [(*key, since, until) for (key, since), until in diff.ends.items() if since < until]
    await tx.execute(
        "UPDATE deck_rows r SET valid_until = ends.until FROM unnest($2::smallint[], $3::text[],"
        " $4::text[], $5::timestamptz[], $6::timestamptz[])"
        " AS ends(channel, network, prefix, since, until)"
        " WHERE r.deck_id = $1 AND r.channel = ends.channel AND r.network = ends.network"
        " AND r.prefix = ends.prefix AND r.valid_from = ends.since",
        deck_id,
        *columns(ends, 5),
    )
    new = [*diff.added, *(after for _, after in diff.changed)]
    await tx.copy_records_to_table(
        "deck_rows",
        records=[(deck_id, *row.key, row.micros, row.since, row.until) for row in new],
        columns=(
            "deck_id", "channel", "network", "prefix", "micros", "valid_from", "valid_until",
        ),
    )  # fmt: skip
    await tx.execute(
        "UPDATE decks SET revision = revision + 1, updated_at = now() WHERE id = $1", deck_id
    )


def write(rows: Iterable[Row]) -> str:
    """Rows as CSV that an import takes."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(COLUMNS)
    for row in rows:
        channel, network, prefix = row.key
        price = money.amount(row.micros)
        until = row.until.isoformat() if row.until else ""
        named = f"{network[:3]}-{network[3:]}" if network else ""
        lines.writerow((prefix, named, CHANNELS[channel], price, row.since.isoformat(), until))
    return out.getvalue()


_DECK: Final = (
    "SELECT d.id, d.public_id, d.name, d.kind, d.carrier_id, d.account_id, d.currency, d.charge,"
    " d.created_at, d.updated_at, c.name AS carrier, a.public_id AS account,"
    " (SELECT count(*) FROM deck_rows r WHERE r.deck_id = d.id) AS rows FROM decks d"
    " LEFT JOIN carriers c ON c.id = d.carrier_id LEFT JOIN accounts a ON a.id = d.account_id"
)


async def create(tx: Connection, fields: Mapping[str, Any]) -> None:
    """Make an empty deck: name, kind, carrier_id, account_id, currency, charge.

    Raises Problem `conflict` when the name is taken, or the carrier or account has one already.
    """
    made = await tx.fetchval(
        "INSERT INTO decks (public_id, name, kind, carrier_id, account_id, currency, charge)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING id",
        ids.uuid7(),
        *(
            fields[name]
            for name in ("name", "kind", "carrier_id", "account_id", "currency", "charge")
        ),
    )
    if made is None:
        whose = "carrier" if fields["kind"] == "cost" else "account"
        detail = f"there is a price list of this name, or another one of this {whose}"
        raise Problem("conflict", detail, (FieldError("/name", "taken", detail),))


async def find(tx: Connection, name: str) -> Any:
    """A deck by its name, locked for change, or None; `rows` tells how many it has."""
    return await tx.fetchrow(_DECK + " WHERE d.name = $1 FOR UPDATE OF d", name)


async def listing(tx: Connection) -> Rows:
    """All decks, as `find` gives them, by name."""
    rows: Rows = await tx.fetch(_DECK + " ORDER BY d.name")
    return rows


async def change_charge(tx: Connection, deck_id: int, charge: str) -> None:
    """Set when messages are charged, for those that are accepted from now on."""
    await tx.execute(
        "UPDATE decks SET charge = $2, updated_at = now() WHERE id = $1", deck_id, charge
    )


async def remove(tx: Connection, deck_id: int) -> None:
    """Take a deck away, with its rows."""
    await tx.execute("DELETE FROM decks WHERE id = $1", deck_id)
