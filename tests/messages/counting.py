"""Counts the statements that a database is asked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from onesixty.storage.database import Database

_TRANSACTION = ("BEGIN", "COMMIT", "ROLLBACK")
_OF_THE_DRIVER = ("pg_catalog.", "'jit'")  # it looks types up, once for each connection


@contextlib.asynccontextmanager
async def statements(database: Database) -> AsyncIterator[list[str]]:
    """The statements inside the block, without those that begin and end transactions."""
    asked: list[str] = []

    def heard(record: Any) -> None:
        driver = any(mark in record.query for mark in _OF_THE_DRIVER)
        if not driver and not record.query.startswith(_TRANSACTION):
            asked.append(record.query)

    async with _every(database) as connections:
        for connection in connections:
            connection.add_query_logger(heard)
    yield asked
    await asyncio.sleep(0)  # the driver tells of a statement in the next turn of the loop
    async with _every(database) as connections:
        for connection in connections:
            connection.remove_query_logger(heard)


@contextlib.asynccontextmanager
async def _every(database: Database) -> AsyncIterator[list[Any]]:
    """All connections that the pool may have."""
    most = database._pool.most
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(database.read()) for _ in range(most)]
