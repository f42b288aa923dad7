"""A past for a database: `python benchmarks/history.py --data-dir DIR --messages 1000000`.

Writes by COPY what delivered messages leave in every big table, spread evenly over the days that
are past. `onesixty serve` must have been started once on the database; the messages belong to its
first account, and went by its newest carrier, route and endpoint.
"""

import argparse
import asyncio
import os
import secrets
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

import asyncpg
import psycopg

from onesixty.carriers.contract import OutcomeKind, ReceiptState
from onesixty.kit import ids
from onesixty.messages.states import Status
from onesixty.messages.types import Category, Direction, Encoding
from onesixty.storage import embedded, partitions

CHUNK: Final = 10_000  # messages that are written together
BODY: Final = (
    "Your parcel is on its way and arrives tomorrow from 10 to 12; track it: example.com/t/"
)
SENT_AFTER, DELIVERED_AFTER, TOLD_AFTER = 20, 5_000, 5_010  # milliseconds after it was accepted
_DAY_MILLIS: Final = 86_400_000
COLUMNS: Final[dict[str, str]] = {
    "messages": "account_id id status sequence direction category encoding segments parts_sent"
    " attempts carrier_id route_id sender recipient body expires_at created_at sent_at delivered_at"
    " final_at",
    "submissions": "account_id message_id attempt part parts carrier_id outcome carrier_message_id"
    " match_key submitted_at answered_at receipt_state receipt_error receipt_at",
    "receipts": "id carrier_id account_id message_id part carrier_message_id match_key state error"
    " sender recipient raw received_at",
    "events": "account_id id type sequence message_id at",
    "deliveries": "account_id id event_id endpoint_id attempt url status_code response milliseconds"
    " at",
}
ROWS_EACH: Final = 7  # of a message: one in each table, and two events more


@dataclass(frozen=True, slots=True)
class Owners:
    """Whose messages they are, and by which records they went."""

    account: int
    carrier: int
    route: int
    endpoint: int


@dataclass(frozen=True, slots=True)
class Span:
    """So many messages, the first at a time in milliseconds, the others at even steps after it."""

    first_millis: float
    step_millis: float
    count: int


def main() -> None:
    """Write the history that is asked for."""
    options = _options()
    url = options.database_url or embedded.start(options.data_dir).url
    began = time.perf_counter()
    write(url, options.messages, options.days, even_if_used=options.yes)
    seconds = time.perf_counter() - began
    rows = options.messages * ROWS_EACH
    print(f"{options.messages:,} messages in {seconds:,.1f} s, {rows / seconds:,.0f} rows/s")


def write(url: str, messages: int, days: float, *, even_if_used: bool = False) -> None:
    """Write so many messages, from so many days ago until five minutes ago, and vacuum.

    Raises SystemExit when there are messages already and `even_if_used` is not set.
    """
    until = datetime.now(UTC) - timedelta(minutes=5)
    since = until - timedelta(days=days)
    owners = _owners(url, even_if_used)
    asyncio.run(_make_parts(url, since, until))
    first, step = since.timestamp() * 1000, days * _DAY_MILLIS / messages
    spans = [
        Span(first + start * step, step, min(CHUNK, messages - start))
        for start in range(0, messages, CHUNK)
    ]
    workers = min(os.cpu_count() or 1, len(spans))
    with ProcessPoolExecutor(workers) as pool:
        each = [pool.submit(_copy, url, owners, spans[n::workers]) for n in range(workers)]
        for one in each:
            one.result()
    # As autovacuum has long done with a real one; else it would while something is measured.
    with psycopg.connect(url, autocommit=True) as connection:
        for table in COLUMNS:
            connection.execute(f"VACUUM (FREEZE, ANALYZE) {table}".encode())
        connection.execute("CHECKPOINT")


def _owners(url: str, even_if_used: bool) -> Owners:
    with psycopg.connect(url) as connection:
        used = connection.execute("SELECT EXISTS (SELECT FROM messages)").fetchone()
        if used == (True,) and not even_if_used:
            raise SystemExit("this database has messages; --yes writes into it all the same")
        row = connection.execute(
            "SELECT (SELECT min(id) FROM accounts), (SELECT max(id) FROM carriers),"
            " coalesce((SELECT max(id) FROM routes), 0),"
            " coalesce((SELECT max(id) FROM webhook_endpoints), 0)"
        ).fetchone()
    if row is None or row[0] is None:
        raise SystemExit("start `onesixty serve` once on this database, it makes its account")
    return Owners(*row)


async def _make_parts(url: str, since: datetime, until: datetime) -> None:
    months = (until.year - since.year) * 12 + until.month - since.month + 1
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await partitions.ensure(connection, since, months)
    finally:
        await connection.close()


def _copy(url: str, owners: Owners, spans: list[Span]) -> None:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        for span in spans:
            for table, rows in _rows(owners, span).items():
                columns = COLUMNS[table].replace(" ", ", ")
                with cursor.copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as copy:
                    copy.write("".join(rows))
            connection.commit()


def _rows(owners: Owners, span: Span) -> dict[str, list[str]]:
    """The rows of a span by table, in COPY's text format."""
    tables: dict[str, list[str]] = {table: [] for table in COLUMNS}
    messages, submissions, receipts, events, deliveries = tables.values()
    account, carrier, route, endpoint = (
        owners.account,
        owners.carrier,
        owners.route,
        owners.endpoint,
    )
    for number in range(span.count):
        millis = int(span.first_millis + number * span.step_millis)
        created, expires = _stamp(millis), _stamp(millis + _DAY_MILLIS)
        sent, delivered = _stamp(millis + SENT_AFTER), _stamp(millis + DELIVERED_AFTER)
        id_, key = ids.uuid7(millis), secrets.token_hex(8)
        to, told = f"+44770{number % 10_000_000:07d}", ids.uuid7(millis + DELIVERED_AFTER)
        messages.append(
            f"{account}\t{id_}\t{_DELIVERED}\t3\t{_OUTBOUND}\t{_CATEGORY}\t{_GSM7}\t1\t1\t1"
            f"\t{carrier}\t{route}\tbench\t{to}\t{BODY}{number}\t{expires}\t{created}\t{sent}"
            f"\t{delivered}\t{delivered}\n"
        )
        submissions.append(
            f"{account}\t{id_}\t1\t1\t1\t{carrier}\t{_ACCEPTED}\t{key}\t{key}\t{created}"
            f"\t{sent}\t{_ARRIVED}\t000\t{delivered}\n"
        )
        receipts.append(
            f"{ids.uuid7(millis + DELIVERED_AFTER)}\t{carrier}\t{account}\t{id_}\t1\t{key}\t{key}"
            f"\t{_ARRIVED}\t000\t{to[1:]}\tbench\tid:{key} sub:001 dlvrd:001 submit"
            f" date:2611221200 done date:2611221200 stat:DELIVRD err:000 text:{BODY[:20]}"
            f"\t{delivered}\n"
        )
        events.append(
            f"{account}\t{ids.uuid7(millis)}\t{_QUEUED}\t1\t{id_}\t{created}\n"
            f"{account}\t{ids.uuid7(millis + SENT_AFTER)}\t{_SENT}\t2\t{id_}\t{sent}\n"
            f"{account}\t{told}\t{_DELIVERED}\t3\t{id_}\t{delivered}\n"
        )
        deliveries.append(
            f"{account}\t{ids.uuid7(millis + TOLD_AFTER)}\t{told}\t{endpoint}\t1"
            f"\thttps://example.com/hooks/sms\t200\tok\t12\t{delivered}\n"
        )
    return tables


_ACCEPTED, _ARRIVED = int(OutcomeKind.ACCEPTED), int(ReceiptState.DELIVERED)
_QUEUED, _SENT, _DELIVERED = int(Status.QUEUED), int(Status.SENT), int(Status.DELIVERED)
_OUTBOUND, _CATEGORY, _GSM7 = (
    Direction.OUTBOUND.value,
    Category.TRANSACTIONAL.value,
    Encoding.GSM7.value,
)


def _stamp(millis: int) -> str:
    return f"{_second(millis // 1000)}.{millis % 1000:03d}+00"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--data-dir", type=Path, help="of a server with an embedded database")
    place.add_argument("--database-url", help="of another PostgreSQL")
    parser.add_argument("--messages", type=int, default=100_000, help="[%(default)s]")
    parser.add_argument("--days", type=float, default=90, help="of the past [%(default)s]")
    parser.add_argument("--yes", action="store_true", help="though there are messages already")
    return parser.parse_args()


if __name__ == "__main__":
    main()
