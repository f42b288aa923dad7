"""A long drill: seeded random trouble for a real server under load, then one look at everything.

`python -m chaos.drill --seed 7 --minutes 5`, or `make chaos SEED=7 MINUTES=5`. The same seed gives
the same schedule; where in the work each trouble hits is up to the machine.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import web

from onesixty.kit.chance import Chance, chance
from onesixty.kit.clock import SystemClock
from onesixty.simulator.faults import parse_faults
from onesixty.storage import embedded

from .outages import OUTAGES
from .served import USUAL, Platform, running, until

REST_SECONDS: Final = 400.0  # a breaker may have to cool down for five minutes
PER_SECOND: Final = 100  # what the load is bounded to
SLICE: Final = 20  # messages posted in one go
_clock = SystemClock()
CARRIER_FAULTS: Final = (
    "drop_answers=0.1",
    "late_answers=0.1 late_answer_seconds=4",
    "answer_delay_seconds=0..1",
    "duplicate_answers=0.2 wrong_sequence=0.05",
    "drop_link_after=50 drop_link_when=half_answer",
    "drop_link_after=50 drop_link_when=before_answer",
    "throttle_above_per_second=50",
    "refuse=0.2 refuse_status=ESME_RMSGQFUL",
    "receipt_early=0.5 receipt_elsewhere=0.5",
    "receipt_duplicates=0.5 receipt_order=final_enroute receipt_delay_seconds=0..3",
    "undelivered=0.3",
    "ignore_enquire_link",
)
ANSWERS: Final = {
    "500": lambda taken: web.Response(status=500),
    "429": lambda taken: web.Response(status=429, headers={"Retry-After": "2"}),
    "redirect": lambda taken: web.Response(status=302, headers={"Location": "/elsewhere"}),
}


@dataclass(slots=True)
class Drill:
    """What goes on while the load lasts."""

    platform: Platform
    luck: Chance
    hits: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    is_over: bool = False

    async def load(self) -> None:
        """Clients who ask again until they are answered, under one key."""
        while not self.is_over:
            began = _clock.monotonic()
            self.answers += await self.platform.load(SLICE, insist=True)
            await _clock.sleep(max(0.0, began + SLICE / PER_SECOND - _clock.monotonic()))

    async def trouble(self, minutes: float) -> None:
        """One thing after another, with a little time between them."""
        until_then, bag = _clock.monotonic() + minutes * 60, list[str]()
        while _clock.monotonic() < until_then:
            await self._wait(1, 4)
            bag = bag or self.luck.sample(list(TROUBLES), len(TROUBLES))
            what = bag.pop()
            detail = await TROUBLES[what](self)
            self.hits[f"{what}: {detail}" if detail else what] += 1
            print(f"  {what} {detail}", flush=True)
        self.is_over = True

    async def kill_server(self) -> str:
        """kill -9, and a new start."""
        self.platform.server.kill()
        await self.platform.start_again()
        return ""

    async def stop_server(self) -> str:
        """SIGTERM, and a new start."""
        code = await asyncio.to_thread(self.platform.server.stop)
        assert code == 0, f"the server ended with {code}"
        await self.platform.start_again()
        return ""

    async def stop_database(self) -> str:
        """One of the ways to end it, and a new start after a while."""
        how = self.luck.choice([signal.SIGKILL, signal.SIGQUIT, signal.SIGINT])
        server = await asyncio.to_thread(embedded.start, self.platform.data_dir)
        os.kill(server.postmaster_pid, how)
        await self._wait(0, 3)
        await asyncio.to_thread(embedded.start, self.platform.data_dir)
        return how.name

    async def refuse_writes(self) -> str:
        """A full disk, or a primary that became a standby, for a while."""
        what = self.luck.choice(list(OUTAGES))
        begin, end = OUTAGES[what]
        async with self.platform.database() as connection:
            await connection.execute(begin)
            await self._wait(1, 4)
            await connection.execute(end)
        return what

    async def confuse_carrier(self) -> str:
        """Some faults of the SMSC at once, for a while."""
        some = self.luck.sample(CARRIER_FAULTS, 2)
        self.platform.smsc.faults = parse_faults([*" ".join(some).split()])
        await self._wait(2, 8)
        self.platform.smsc.faults = USUAL
        return ", ".join(some)

    async def cut_links(self) -> str:
        """Every connection to the SMSC is lost, some times in a row."""
        for _ in range(self.luck.randint(1, 4)):
            self.platform.smsc.break_links()
            await self._wait(0, 1)
        return ""

    async def lose_carrier(self) -> str:
        """The SMSC takes no bind for a while; what it has it keeps."""
        self.platform.smsc.faults = parse_faults(["bind_status=ESME_RBINDFAIL"])
        self.platform.smsc.break_links()
        await self._wait(0, 5)
        self.platform.smsc.faults = USUAL
        return ""

    async def fail_webhooks(self) -> str:
        """The receiver of webhooks answers with errors for a while."""
        what, usual = self.luck.choice(list(ANSWERS)), self.platform.hooks.answer
        self.platform.hooks.answer = ANSWERS[what]
        await self._wait(1, 8)
        self.platform.hooks.answer = usual
        return what

    async def _wait(self, least: float, most: float) -> None:
        await _clock.sleep(self.luck.uniform(least, most))


TROUBLES: Final[dict[str, Callable[[Drill], Awaitable[str]]]] = {
    "server killed": Drill.kill_server,
    "server stopped": Drill.stop_server,
    "database ended": Drill.stop_database,
    "writes refused": Drill.refuse_writes,
    "carrier confused": Drill.confuse_carrier,
    "links cut": Drill.cut_links,
    "carrier away": Drill.lose_carrier,
    "webhooks failed": Drill.fail_webhooks,
}


async def drill(seed: int, minutes: float, processes: int) -> bool:
    """Run it; whether all that was promised was kept."""
    print(f"seed {seed}, {minutes:g} minutes, {processes} processes", flush=True)
    async with running(seed, processes=processes) as platform:
        run = Drill(platform, chance(seed))
        try:
            await asyncio.gather(run.load(), run.trouble(minutes))
            await until(platform.is_ready)
            stands = await platform.check(await platform.come_to_rest(REST_SECONDS, final=True))
        except AssertionError as broken:
            print((platform.data_dir.parent / "serve.log").read_text()[-4000:], file=sys.stderr)
            print(f"BROKEN with seed {seed}: {broken}", file=sys.stderr)
            return False
        _report(run, stands, len(await platform.doubted()), _memory(platform.server.process.pid))
    return True


def _report(run: Drill, stands: Counter[str], doubted: int, memory: str) -> None:
    table = {
        **{f"trouble: {what}": times for what, times in sorted(run.hits.items())},
        **{f"answers: {status or 'broken off'}": n for status, n in sorted(run.answers.items())},
        "acknowledged": len(run.platform.acknowledged),
        **{f"  {status}": times for status, times in sorted(stands.items())},
        "in doubt meanwhile": doubted,
        "sent twice, and marked": sum(n > 1 for n in run.platform.taken().values()),
        "webhook calls": len(run.platform.hooks.taken),
        "server memory": memory,
    }
    for what, count in table.items():
        print(f"{what:<70} {count:>10}")
    print("kept: nothing lost, nothing sent twice, everybody told")


def _memory(pid: int) -> str:
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if "VmRSS" in line), "?")


def main() -> None:
    """The command line; the exit code says whether every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else chance().randrange(10**6)
    sys.exit(0 if asyncio.run(drill(seed, given.minutes, given.processes)) else 1)


if __name__ == "__main__":
    main()
