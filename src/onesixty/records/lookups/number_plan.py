"""The operator's own number plan: its CSV read, compared, written; its rows.

An import is the whole plan; a partial one leaves what it does not name.
"""

import asyncio
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from onesixty.kit.problems import FieldError, Problem
from onesixty.sms.networks import Network, code_of
from onesixty.storage.database import Connection

COLUMNS: Final = ("prefix", "mcc", "mnc", "name")
ROWS_MOST: Final = 300_000
ERRORS_MOST: Final = 20  # that one answer names
PREFIX_MOST: Final = 15  # digits, as E.164 numbers have
NAME_MOST: Final = 100
PAGE: Final = 5000  # rows taken in at once; the loop goes on in between
_MCC: Final = 3

Rows = Mapping[str, Network]  # by digits without +


@dataclass(slots=True)
class Diff:
    """What an import changes, in the order of the prefixes. `same` counts what stays."""

    added: dict[str, Network] = field(default_factory=dict)
    changed: dict[str, tuple[Network, Network]] = field(default_factory=dict)  # before and after
    removed: dict[str, Network] = field(default_factory=dict)
    same: int = 0


def read(text: str) -> Rows:
    """The rows of a CSV. Raises Problem `invalid_request` that names the lines."""
    try:
        read_lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    except csv.Error as error:
        raise Problem("invalid_request", f"this is no CSV: {error}") from None
    first, *lines = read_lines or [[]]
    head = [name.strip().lower() for name in first]
    if not {"prefix", "mcc", "mnc"} <= set(head):
        detail = f"the first line names the columns: {', '.join(COLUMNS)}; name may be left out"
        raise Problem("invalid_request", detail)
    rows: dict[str, Network] = {}
    kept: dict[Network, Network] = {}  # one object for each network, however many prefixes it has
    errors: list[FieldError] = []
    for number, cells in enumerate(lines, 2):
        if not any(cell.strip() for cell in cells):
            continue
        found = _row({name: cell.strip() for name, cell in zip(head, cells, strict=False)})
        if not isinstance(found, str) and found[0] in rows:
            found = f"the prefix {found[0]} came before"
        if isinstance(found, str):
            errors.append(FieldError(f"/{number}", "invalid", f"line {number}: {found}"))
        else:
            rows[found[0]] = kept.setdefault(found[1], found[1])
        if len(errors) >= ERRORS_MOST or len(rows) > ROWS_MOST:
            break
    if len(rows) > ROWS_MOST:
        raise Problem("invalid_request", f"a number plan has at most {ROWS_MOST:,} rows")
    if errors:
        raise Problem("invalid_request", errors[0].detail, tuple(errors))
    return rows


def _row(cells: Mapping[str, str]) -> tuple[str, Network] | str:
    prefix = cells.get("prefix", "").removeprefix("+").replace(" ", "")
    if not (prefix.isascii() and prefix.isdigit() and len(prefix) <= PREFIX_MOST):
        return f"{prefix!r:.40} is no prefix: 1 to {PREFIX_MOST} digits"
    mcc, mnc = cells.get("mcc", ""), cells.get("mnc", "")
    # Programs that write tables make 1 of 01.
    code = code_of(mcc + mnc.rjust(2, "0")) if len(mcc) == _MCC and mnc else None
    if code is None:
        return f"{mcc!r:.20} and {mnc!r:.20} are no MCC and MNC: such as 234 and 10"
    name = cells.get("name", "")
    if len(name) > NAME_MOST or not name.isprintable():
        return f"a name has at most {NAME_MOST} characters, all of them printable"
    return prefix, Network(code, name)


def compare(old: Rows, new: Rows, *, partial: bool) -> Diff:
    """What changes when `new` is imported over `old`."""
    diff = Diff()
    for prefix, network in sorted(new.items()):
        before = old.get(prefix)
        if before is None:
            diff.added[prefix] = network
        elif before == network:
            diff.same += 1
        else:
            diff.changed[prefix] = (before, network)
    if not partial:
        diff.removed = {prefix: old[prefix] for prefix in sorted(old.keys() - new.keys())}
    return diff


def write(rows: Rows) -> str:
    """Rows as CSV that an import takes."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(COLUMNS)
    for prefix, network in sorted(rows.items()):
        lines.writerow((prefix, network.code[:_MCC], network.code[_MCC:], network.name))
    return out.getvalue()


async def rows_of(connection: Connection) -> dict[str, Network]:
    """All rows, read page by page; to be called in a transaction."""
    rows: dict[str, Network] = {}
    kept: dict[tuple[str, str], Network] = {}
    cursor = await connection.cursor("SELECT prefix, network, name FROM number_plan")
    while page := await cursor.fetch(PAGE):
        for prefix, code, name in page:
            network = kept.get((code, name))
            if network is None:
                network = kept[code, name] = Network(code, name)
            rows[prefix] = network
        await asyncio.sleep(0)
    return rows


async def state(connection: Connection) -> Any:
    """revision, rows, updated_at of the plan."""
    return await connection.fetchrow("SELECT revision, rows, updated_at FROM number_plan_state")


async def lock(tx: Connection) -> None:
    """Be the only one that imports until this transaction ends."""
    await tx.execute("SELECT revision FROM number_plan_state FOR UPDATE")


async def apply(tx: Connection, diff: Diff) -> None:
    """Write what an import changes; the copies in memory follow within a second."""
    await tx.execute(
        "DELETE FROM number_plan WHERE prefix = ANY($1::text[])", [*diff.removed, *diff.changed]
    )
    new = diff.added | {prefix: after for prefix, (_, after) in diff.changed.items()}
    await tx.copy_records_to_table(
        "number_plan",
        records=[(prefix, network.code, network.name) for prefix, network in new.items()],
        columns=("prefix", "network", "name"),
    )
    await tx.execute(
        "UPDATE number_plan_state SET revision = revision + 1, updated_at = now(),"
        " rows = rows + $1",
        len(diff.added) - len(diff.removed),
    )
