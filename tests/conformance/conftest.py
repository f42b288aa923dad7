"""Carriers of every kind, joined to their far sides."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from onesixty.kit.chance import Chance

from .behaviours import Behaviour
from .bench import Bench, opened

Connect = Callable[[str, Behaviour], Awaitable[Bench]]


@pytest.fixture
async def connect(chance: Chance) -> AsyncIterator[Connect]:
    """Connects a carrier of a kind to a far side that behaves like this."""
    async with AsyncExitStack() as stack:

        async def one(kind: str, behaviour: Behaviour) -> Bench:
            return await stack.enter_async_context(opened(kind, behaviour, chance))

        yield one
