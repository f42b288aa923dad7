"""One server for the tests that can share it: its sandbox takes every message."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from onesixty.cli import client

from .programs import Served, data_folder, serve

KEY = "os_live_" + "k" * 40


@pytest.fixture(scope="package")
def data_dir() -> Iterator[Path]:
    """The data directory of the shared server."""
    with data_folder() as path:
        yield path


@pytest.fixture(scope="package")
def served(data_dir: Path) -> Iterator[Served]:
    """A running server with a route to its sandbox."""
    server = serve(data_dir, ONESIXTY_BOOTSTRAP_KEY=KEY)

    async def set_up() -> None:
        async with client.connect(server.url, KEY) as api:
            route = {"name": "all", "carriers": [{"carrier": "sandbox"}]}
            await api.post("/v1/routes", route)

    try:
        asyncio.run(set_up())
        yield server
    finally:
        assert server.stop() == 0


@pytest.fixture
def reach(served: Served) -> dict[str, str]:
    """The environment in which commands find the shared server."""
    return {"ONESIXTY_URL": served.url, "ONESIXTY_KEY": KEY}
