"""What is rung in one process is heard in the others."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from onesixty.kit.clock import SystemClock
from onesixty.nodes import bell
from onesixty.nodes.bell import Bell

SECONDS = 10


class Ear:
    """A bell and what was heard by it."""

    def __init__(self, url: str) -> None:
        self.bell = Bell(url, SystemClock())
        self.words: list[str] = []
        self._news = asyncio.Event()
        self.bell.on(bell.QUEUE, self._hear)

    def _hear(self, word: str) -> None:
        self.words.append(word)
        self._news.set()

    async def heard(self, count: int) -> list[str]:
        """Wait for so many words in all."""
        async with asyncio.timeout(SECONDS):
            while len(self.words) < count:
                self._news.clear()
                await self._news.wait()
        return self.words


@pytest.fixture
async def ears(url: str) -> AsyncIterator[tuple[Ear, Ear]]:
    """Two processes that listen, and know that they may have missed something before."""
    ears = (Ear(url), Ear(url))
    for ear in ears:
        await ear.bell.run_once()
        assert ear.words == [""]
    yield ears
    for ear in ears:
        await ear.bell.stop()


async def test_others_hear_it_once(ears: tuple[Ear, Ear]) -> None:
    """Words go to the others, each once however often it was rung, and not to oneself."""
    one, two = ears
    for word in ("7", "8", "7"):
        one.bell.ring(bell.QUEUE, word)
    await one.bell.run_once()
    assert await two.heard(3) == ["", "7", "8"]
    assert one.words == [""]


async def test_after_a_break_it_listens_again(ears: tuple[Ear, Ear]) -> None:
    """A lost connection is made again, and everybody looks: something may have been missed."""
    one, two = ears
    assert two.bell._connection
    two.bell._connection.terminate()
    await two.bell.run_once()
    assert two.words == ["", ""]
    one.bell.ring(bell.QUEUE, "7")
    await one.bell.run_once()
    assert await two.heard(3) == ["", "", "7"]
