"""The doors of webhooks and events over a database of their own, with the deliverer behind them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import aiohttp
from fastapi import FastAPI

from features.webhooks.platform import Platform
from onesixty.entrypoints.rest import answers, events, problem_pages, webhooks
from onesixty.entrypoints.rest.context import Context
from onesixty.kit.chance import chance
from onesixty.records.carrier_configs import CarrierConfigs

from .door import PUBLIC_URL, Door, listening


@asynccontextmanager
async def telling(platform: Platform) -> AsyncIterator[Door]:
    """The API for the platform's account, allowed to call private addresses."""

    async def is_ready() -> list[str]:
        return []

    context = Context(
        database=platform.database,
        keeper=platform.keeper,
        sealer=platform.sealer,
        clock=platform.clock,
        acceptor=None,
        carrier_states=dict,
        wake_webhooks=lambda: None,
        is_ready=is_ready,
        allow_private_urls=True,
        configs=CarrierConfigs(platform.sealer, platform.clock, chance(), PUBLIC_URL),
    )
    api = _api()
    api.state.context = context
    async with listening(api) as url, aiohttp.ClientSession() as session:
        door = Door(url, context, platform.clock, _document(), session, {}, [])
        door.account_id = platform.account_id
        door.key = await door.key_of(door.account_id, "*")
        yield door


@asynccontextmanager
async def public_only(door: Door) -> AsyncIterator[Door]:
    """The same door as the default has it: URLs must be public."""
    api = _api()
    api.state.context = replace(door.context, allow_private_urls=False)
    async with listening(api) as url:
        yield replace(door, url=url)


def _api() -> FastAPI:
    api = FastAPI(openapi_url=None)
    answers.install(api)
    for resource in (webhooks, events):
        api.include_router(resource.router)
    return api


@cache
def _document() -> dict[str, Any]:
    return problem_pages.add_schemas(_api().openapi())
