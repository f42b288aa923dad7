"""The running platform on a database of its own."""

from collections.abc import AsyncIterator

import pytest

from .platform import Walk, walking


@pytest.fixture
async def walk(url: str) -> AsyncIterator[Walk]:
    """The platform with the carrier "acme", a route to it, and a webhook for every event."""
    async with walking(url) as found:
        yield found
