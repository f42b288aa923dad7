"""The doors of records over a real database, without the walk behind them."""

from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI

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
from onesixty.kit.clock import Clock
from onesixty.kit.secrets import Sealer
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.storage.database import Database

from .door import Door, listening

RESOURCES = (carriers, routes, keys, accounts, lookup, health, problem_pages)


@pytest.fixture
async def door(database: Database, clock: Clock, sealer: Sealer) -> AsyncIterator[Door]:
    """The API with one account, "first", and its key that may do everything."""
    states: dict[int, dict[str, object]] = {}
    reasons: list[str] = []

    async def is_ready() -> list[str]:
        return reasons

    context = Context(
        database=database,
        keeper=await SnapshotKeeper.start(database, clock),
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
        door = Door(url, context, _document(), session, states, reasons)
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
