"""The doors of records over a real database, without the walk behind them.

They touch five small tables only: one database serves all tests here, emptied for each.
"""

from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import psycopg
import pytest
from fastapi import FastAPI
from psycopg.sql import SQL, Identifier

from onesixty.entrypoints.rest import (
    accounts,
    answers,
    carriers,
    health,
    keys,
    lookup,
    problem_pages,
    routes,
)
from onesixty.entrypoints.rest.context import Context
from onesixty.kit.clock import ManualClock
from onesixty.kit.secrets import Sealer
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.storage.database import Database

from .door import Door, listening

RESOURCES = (carriers, routes, keys, accounts, lookup, health, problem_pages)


@pytest.fixture(scope="package")
def shared_url(server_url: str, template: str) -> Iterator[str]:
    """The URL of a migrated database for all tests of this folder."""
    name = f"{template}_rest"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(
            SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(Identifier, (name, template)))
        )
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture
async def records(shared_url: str) -> AsyncIterator[Database]:
    """A pool on the shared database, without accounts."""
    database = await Database.open(shared_url, connections=2)
    async with database.write() as tx:
        for table in ("routes", "carriers", "api_keys", "idempotency_keys", "accounts"):
            await tx.execute(f"DELETE FROM {table}")
    yield database
    await database.close()


@pytest.fixture
async def door(records: Database, clock: ManualClock, sealer: Sealer) -> AsyncIterator[Door]:
    """The API with one account, "first", and its key that may do everything."""
    states: dict[int, dict[str, object]] = {}
    reasons: list[str] = []

    async def is_ready() -> list[str]:
        return reasons

    context = Context(
        database=records,
        keeper=await SnapshotKeeper.start(records, clock),
        sealer=sealer,
        clock=clock,
        acceptor=None,
        carrier_states=lambda: states,
        wake_webhooks=lambda: None,
        is_ready=is_ready,
        allow_private_urls=False,
    )
    api = _api()
    api.state.context = context
    async with listening(api) as url, aiohttp.ClientSession() as session:
        door = Door(url, context, clock, _document(), session, states, reasons)
        door.account_id = await door.account("first")
        door.key = await door.key_of(door.account_id, "*")
        yield door


def _api() -> FastAPI:
    api = FastAPI(openapi_url=None)
    answers.install(api)
    for resource in RESOURCES:
        api.include_router(resource.router)
    return api


@cache
def _document() -> dict[str, Any]:
    return problem_pages.add_schemas(_api().openapi())
