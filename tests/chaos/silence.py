"""An SMSC that takes every tenth message and never says so: `python -m chaos.silence`.

Run after the drill by `make chaos`. Receipts come for all, so each doubt must end by its receipt:
every message final, none lost, none sent a second time.
"""

import argparse
import asyncio
import sys
from typing import Final

from onesixty.kit.clock import SystemClock
from onesixty.simulator.faults import parse_faults

from .served import Platform, running

EVERY: Final = 10  # submits, of which the last is not answered
SECONDS: Final = 300.0  # until all of them must be final
_FAULTS: Final = (
    f"drop_answers=every:{EVERY}",
    "answer_delay_seconds=0.01..0.1",
    "receipt_delay_seconds=0..1",
)
_clock = SystemClock()


async def silence(messages: int) -> bool:
    """Send so many; whether all that was promised was kept."""
    async with running(faults=parse_faults(_FAULTS)) as platform:
        began = _clock.monotonic()
        try:
            answers = await platform.load(messages)
            assert answers == {202: messages}, answers
            stands = await platform.check(await platform.come_to_rest(SECONDS, final=True))
            await _doubts_were_met(platform, messages)
            assert stands == {"delivered": messages}, stands
            assert max(platform.taken().values()) == 1
        except AssertionError as broken:
            print(f"BROKEN: {broken}", file=sys.stderr)
            return False
        seconds = _clock.monotonic() - began
    print(
        f"kept: {messages:,} messages, {messages // EVERY:,} submits left unanswered; all delivered"
        f" after {seconds:.0f} s, none lost, none sent twice"
    )
    return True


async def _doubts_were_met(platform: Platform, messages: int) -> None:
    """Else the run proves nothing."""
    assert platform.smsc.statistics.answers_dropped == messages // EVERY
    # A receipt may overtake the end of our patience: then nobody was ever told of a doubt.
    assert len(await platform.doubted()) > messages // EVERY / 2


def main() -> None:
    """The command line; the exit code says whether every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    sys.exit(0 if asyncio.run(silence(parser.parse_args().messages)) else 1)


if __name__ == "__main__":
    main()
