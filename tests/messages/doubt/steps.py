"""What the tests of messages in doubt do again and again."""

from typing import Any

from messages.walk import Walk
from onesixty.carriers.contract import Submission
from onesixty.messages.types import Message

DAY = 86_400
LONG = "x" * 400  # three segments


async def pass_time(walk: Walk, seconds: float) -> None:
    """Let time pass and look at what is due then; lanes claim what waits."""
    await walk.clock.advance(seconds)
    await walk.swept()
    await walk.claim()


async def end(walk: Walk) -> None:
    """Let validity and grace go by."""
    await pass_time(walk, DAY + 3700)


async def sent(walk: Walk, **more: Any) -> tuple[Message, Submission]:
    """A message that the carrier took."""
    before = len(walk.carrier.taken)
    message = await walk.send(**more)
    one = (await walk.carrier.took(before + 1))[before]
    walk.carrier.accept(one)
    await walk.settled()
    return message, one
