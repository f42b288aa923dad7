"""A platform with an SMPP door."""

from collections.abc import AsyncIterator

import pytest

from .customer import Office, office


@pytest.fixture
async def desk(url: str) -> AsyncIterator[Office]:
    """It listens, and nobody is on file yet."""
    async with office(url) as found:
        yield found
