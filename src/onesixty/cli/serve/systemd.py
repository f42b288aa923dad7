"""What a service manager is told, in the words of sd_notify(3): ready, alive, stopping.

Whoever starts us names a socket in NOTIFY_SOCKET; nothing is said without one. With
`WatchdogSec=` systemd ends and restarts a server whose event loop stands still.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Final

from onesixty.kit.clock import Clock

_MICROSECONDS: Final = 1_000_000


def tell(word: str) -> None:
    """Send one word, such as `READY=1`, if somebody wants to hear it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # of the abstract namespace
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
        way.setblocking(False)
        way.sendto(word.encode(), address)


def beat_seconds() -> float | None:
    """How often to say that we live: twice as often as is asked for; None when nobody does."""
    wanted = os.environ.get("WATCHDOG_USEC", "")
    for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    if not (wanted.isdigit() and int(wanted) and for_us):
        return None
    return int(wanted) / _MICROSECONDS / 2


@contextlib.contextmanager
def attended(clock: Clock) -> Iterator[None]:
    """Say that the server is ready, then that its event loop turns, at last that it stops."""
    tell("READY=1")
    seconds = beat_seconds()
    beating = asyncio.create_task(_beat(clock, seconds)) if seconds else None
    try:
        yield
    finally:
        tell("STOPPING=1")
        if beating is not None:
            beating.cancel()


async def _beat(clock: Clock, seconds: float) -> None:
    while True:
        tell("WATCHDOG=1")
        await clock.sleep(seconds)
