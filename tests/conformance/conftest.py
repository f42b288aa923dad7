"""Carriers of every kind, joined to their far sides."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from onesixty.kit.chance import Chance
from onesixty.kit.clock import SystemClock

from .bench import Bench
from .peers import PEERS, Behaviour, built

Connect = Callable[[str, Behaviour], Awaitable[Bench]]


@pytest.fixture
async def connect(chance: Chance) -> AsyncIterator[Connect]:
    """Connects a carrier of a kind to a far side that behaves like this."""
    clock = SystemClock()
    async with AsyncExitStack() as opened:

        async def one(kind: str, behaviour: Behaviour) -> Bench:
            peer = PEERS[kind]()
            await peer.start(clock, chance)
            opened.push_async_callback(peer.stop)
            carrier = built(kind, peer.settings(), clock, chance)
            bench = Bench(carrier, peer, clock)
            opened.push_async_callback(carrier.stop, 0.0)
            await bench.up()
            peer.behave(behaviour)
            return bench

        yield one
