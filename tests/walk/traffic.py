"""Many messages at once, and what became of them."""

import asyncio
from collections import Counter

from onesixty.simulator.smsc import Smsc

from .platform import Walk


def handsets(count: int) -> list[str]:
    """As many numbers."""
    return [f"+4477009{number:05d}" for number in range(count)]


async def send_all(walk: Walk, count: int, **more: str) -> list[str]:
    """The ids of messages to as many handsets, sent at once."""
    return list(await asyncio.gather(*[walk.send(to, **more) for to in handsets(count)]))


async def all_ended(walk: Walk, messages: list[str]) -> Counter[str]:
    """How many of these messages ended at each status."""
    await walk.hooks.end(*messages)
    last = [walk.hooks.types(message)[-1] for message in messages]
    return Counter(last)


def taken(smsc: Smsc) -> Counter[str]:
    """How often each handset's message was taken by an SMSC."""
    assert smsc.record is not None
    return Counter(f"+{one.destination}" for one in smsc.record.submissions)
