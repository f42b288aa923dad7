"""An SMSC that does everything wrong at once: nothing is lost, nothing is sent twice."""

import asyncio
from collections import Counter

import pytest

from onesixty.simulator.faults import parse_faults

from .served import Platform

MESSAGES = 250
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def under(platform: Platform, *faults: str) -> tuple[Counter[str], int]:
    """How messages stand after such a load, and how many of them were in doubt meanwhile."""
    before = await platform.doubted()
    platform.smsc.faults = parse_faults(faults)
    assert await platform.load(MESSAGES) == {202: MESSAGES}
    stands = await platform.check(await platform.come_to_rest())
    return stands, len(await platform.doubted() - before)


async def test_answers(platform: Platform) -> None:
    """Answers that are lost, late, repeated and in any order: receipts end every doubt."""
    stands, doubted = await under(
        platform, "drop_answers=0.1", "late_answers=0.05", "late_answer_seconds=3",
        "duplicate_answers=0.1", "answer_delay_seconds=0..0.2", "receipt_delay_seconds=0..0.5",
    )  # fmt: skip
    assert MESSAGES / 20 < doubted < MESSAGES / 3
    assert stands.keys() == {"delivered"}


async def test_receipts(platform: Platform) -> None:
    """Receipts that come before the answer, on another bind, twice and in any order."""
    stands, doubted = await under(
        platform, "receipt_early=0.3", "receipt_duplicates=0.3", "receipt_elsewhere=0.5",
        "receipt_order=final_enroute", "receipt_delay_seconds=0..0.5", "undelivered=0.2",
    )  # fmt: skip
    assert MESSAGES / 10 < stands["undelivered"] < MESSAGES / 3
    assert not doubted


async def test_links(platform: Platform) -> None:
    """Links that break in the middle of an answer, and an SMSC that throttles."""
    statistics = platform.smsc.statistics
    platform.smsc.break_links()  # new ones break at their 90th submit
    await under(
        platform, "drop_link_after=90", "drop_link_when=half_answer",
        "throttle_above_per_second=100", "answer_delay_seconds=0..0.05",
    )  # fmt: skip
    assert statistics.links_broken
    assert statistics.throttled


async def test_links_cut_without_a_word(platform: Platform) -> None:
    """Connections that are lost again and again under load cost doubts, never a message."""
    load = asyncio.create_task(platform.load(MESSAGES))
    for count in range(80, MESSAGES, 80):
        await platform.promised(count)
        platform.smsc.break_links()
    assert await load == {202: MESSAGES}
    await platform.check(await platform.come_to_rest())
