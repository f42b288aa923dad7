"""Messages that wait in the queue, written as `accept` stores them, and a client of the API."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any, Final

import psycopg

from onesixty.kit import ids
from onesixty.messages.states import Status
from onesixty.messages.types import Category, Direction, Encoding

CHUNK: Final = 50_000
_HEAD: Final = f"0\t{Direction.OUTBOUND}\t{Category.MARKETING}\t{Encoding.GSM7}\t1"


class Client:
    """Speaks to a gateway, over a connection for each request: a kept one may end while idle."""

    def __init__(self, port: int, headers: tuple[str, ...]) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)
        self._headers = dict(line.split(": ", 1) for line in headers)

    def post(self, path: str, body: dict[str, Any]) -> None:
        """Ask for something that must be granted; SystemExit when it is refused."""
        self._connection.request("POST", path, json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        told = answer.read().decode()
        self._connection.close()
        if answer.status >= 300:
            raise SystemExit(f"{path} was refused: {told}")


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whose the messages are."""

    account: int
    carrier: int
    route: int


def wait_in_queue(
    url: str, carrier: str, messages: int, due_at: Callable[[float], datetime | None]
) -> None:
    """Write so many marketing messages for a carrier into a database, and vacuum.

    `due_at` says when each is to be sent, of its place from 0 to 1; None: now.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT account_id, id, (SELECT max(id) FROM routes) FROM carriers WHERE name = %s",
            (carrier,),
        ).fetchone()
        assert row is not None
        owner = _Owner(*row)
        for start in range(0, messages, CHUNK):
            places = range(start, min(start + CHUNK, messages))
            with connection.transaction(), connection.cursor() as cursor:
                _write(cursor, owner, [(n, due_at(n / messages)) for n in places])
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _write(
    cursor: psycopg.Cursor, owner: _Owner, numbered: list[tuple[int, datetime | None]]
) -> None:
    now, messages, queue = datetime.now(UTC), [], []
    for number, at in numbered:
        id_, due = ids.uuid7(), at or now
        expires = due + timedelta(days=1)
        status, send_at = (Status.SCHEDULED, at) if at else (Status.QUEUED, r"\N")
        messages.append(
            f"{owner.account}\t{id_}\t{status}\t{_HEAD}\t{owner.carrier}\t{owner.route}\tbench"
            f"\t+447700{number % 1_000_000:06d}\tYour appointment is tomorrow.\t{send_at}"
            f"\t{expires}\t{now}\n"
        )
        queue.append(
            f"{id_}\t{owner.account}\t{owner.carrier}\t{Category.MARKETING}\t{due}\t{expires}\n"
        )
    _copy(
        cursor,
        "messages (account_id, id, status, sequence, direction, category, encoding, segments,"
        " carrier_id, route_id, sender, recipient, body, send_at, expires_at, created_at)",
        iter(messages),
    )
    _copy(
        cursor,
        "queue (message_id, account_id, carrier_id, priority, due_at, expires_at)",
        iter(queue),
    )


def _copy(cursor: psycopg.Cursor, target: str, rows: Iterator[str]) -> None:
    with cursor.copy(f"COPY {target} FROM STDIN".encode()) as copy:
        copy.write("".join(rows))
