"""The doors of records over a real database, without the walk behind them.

They touch five small tables only: one database serves all tests here, emptied for each.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import psycopg
import pytest
from fastapi import FastAPI
from psycopg.sql import SQL, Identifier

from messages.walk import Walk
from on_file import OnFile
from onesixty.entrypoints.rest import (
    access,
    answers,
    carriers,
    health,
    lookup,
    problem_pages,
    routes,
    smpp,
)
from onesixty.entrypoints.rest.context import Context
from onesixty.entrypoints.rest.server import Server
from onesixty.kit.chance import chance
from onesixty.kit.manual_clock import ManualClock
from onesixty.kit.secrets import Sealer
from onesixty.records.carrier_configs import CarrierConfigs
from onesixty.records.routes import Facts, Router
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.storage.database import Database

from .door import PUBLIC_URL, Door, listening

RESOURCES = (carriers, routes, smpp, access, lookup, health, problem_pages)


@dataclass(frozen=True, slots=True)
class Deciding:
    """As much of an acceptor as doors of records ask."""

    router: Router


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
        for table in (
            "limits", "routes", "route_revisions", "channel_templates", "channel_template_syncs",
            "contact_windows", "carriers", "esmes", "api_keys", "idempotency_keys", "accounts",
        ):  # fmt: skip
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

    def is_up(carrier_id: int) -> bool:
        return states.get(carrier_id, {}).get("status") == "up"

    context = Context(
        database=records,
        keeper=await SnapshotKeeper.start(records, clock),
        sealer=sealer,
        clock=clock,
        acceptor=Deciding(Router(Facts(is_up, chance(160), clock.now))),
        carrier_states=lambda: states,
        wake_webhooks=lambda: None,
        is_ready=is_ready,
        allow_private_urls=False,
        configs=CarrierConfigs(sealer, clock, chance(), PUBLIC_URL),
    )
    api = _api()
    api.state.context = context
    async with listening(api) as url, aiohttp.ClientSession() as session:
        door = Door(url, context, clock, _document(), session, states, reasons)
        door.account_id = await door.account("first")
        door.key = await door.key_of(door.account_id, "*")
        yield door


@pytest.fixture
async def walk(database: Database, clock: ManualClock, on_file: OnFile) -> AsyncIterator[Walk]:
    """The walk behind the doors of messages; its carrier answers when the test tells it to."""
    account = await on_file.account("first")
    sandbox = await on_file.carrier(account, name="sandbox")
    number = await on_file.carrier(account, name="main")
    await on_file.route(account, number, name="all")
    walk = await Walk.open(database, clock, account, sandbox)
    await walk.lane(number)
    yield walk
    await walk.close()


@pytest.fixture
def server(walk: Walk, sealer: Sealer) -> Server:
    """The whole application, as it is served."""

    async def is_ready() -> list[str]:
        return []

    context = Context(
        database=walk.database,
        keeper=walk.keeper,
        sealer=sealer,
        clock=walk.clock,
        acceptor=walk.acceptor,
        carrier_states=dict,
        wake_webhooks=lambda: walk.hooks.append("door"),
        is_ready=is_ready,
        allow_private_urls=False,
        configs=CarrierConfigs(sealer, walk.clock, chance(), PUBLIC_URL),
    )
    return Server(context)


@pytest.fixture
async def sending(server: Server, walk: Walk) -> AsyncIterator[Door]:
    """The whole API, for the account of the walk."""
    if not _WHOLE:
        _WHOLE.update(server.api.openapi())
    context: Context = server.api.state.context
    async with listening(server) as url, aiohttp.ClientSession() as session:
        door = Door(url, context, walk.clock, _WHOLE, session, {}, [], walk.account)
        door.key = await door.key_of(walk.account, "*")
        yield door


_WHOLE: dict[str, Any] = {}  # the document is the same for all tests, and slow to make


@cache  # to make its routes takes longer than most tests; each puts its own context into it
def _api() -> FastAPI:
    api = FastAPI(openapi_url=None)
    answers.install(api)
    for resource in RESOURCES:
        api.include_router(resource.router)
    return api


@cache
def _document() -> dict[str, Any]:
    return problem_pages.add_schemas(_api().openapi())
