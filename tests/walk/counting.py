"""Counts the statements that a pool of connections runs."""

from collections import Counter
from contextlib import AsyncExitStack

from asyncpg.connection import LoggedQuery

from onesixty.storage.database import Database

Counted = Counter[str]
# What asyncpg says for itself: the ends of transactions, and once on each connection about types.
_OF_THE_DRIVER = ("BEGIN", "COMMIT", "WITH RECURSIVE typeinfo_tree", "SELECT current_setting")


async def counting(database: Database, connections: int = 10) -> Counted:
    """How often each statement is run from now on, over all connections that the pool may have."""
    counted: Counted = Counter()

    def count(query: LoggedQuery) -> None:
        text = " ".join(query.query.split())
        if not text.startswith(_OF_THE_DRIVER):
            counted[text[:60]] += 1

    async with AsyncExitStack() as stack:
        for _ in range(connections):
            connection = await stack.enter_async_context(database.read())
            connection.add_query_logger(count)
    return counted
