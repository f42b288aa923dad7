"""CPU seconds and memory of processes and all below them, from /proc: Linux only."""

import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_TICK: Final = os.sysconf("SC_CLK_TCK")
_SAMPLE_SECONDS: Final = 0.5
# Of the time between two looks at memory: the kernel walks all pages of each process for one, which
# costs tens of milliseconds where many share large buffers.
_SAMPLE_SHARE: Final = 0.01
_MB: Final = 1024 / 1e6  # of a kilobyte


class Meter:
    """CPU seconds spent within a `with` block, by name of the program."""

    def __init__(self, roots: Iterable[int]) -> None:
        self.seconds: dict[str, float] = {}
        self._roots = list(roots)

    def __enter__(self) -> Self:
        self._before = {pid: _used(pid)[1] for pid in with_children(self._roots)}
        return self

    def __exit__(self, *_: object) -> None:
        for pid in with_children(self._roots):
            name, after = _used(pid)
            spent = after - self._before.get(pid, 0.0)
            self.seconds[name] = self.seconds.get(name, 0.0) + spent


class Memory:
    """Peak of the memory in use within a `with` block, of some looks at it; pages that are shared
    count once.
    """

    def __init__(self, roots: Iterable[int]) -> None:
        self.peak_mb = 0.0
        self._roots = list(roots)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        is_last = False
        while True:
            began = time.thread_time()
            held = footprints(self._roots).values()
            self.peak_mb = max(self.peak_mb, sum(one.own_mb + one.shared_mb for one in held))
            if is_last:
                return
            took = time.thread_time() - began
            is_last = self._done.wait(max(_SAMPLE_SECONDS, took / _SAMPLE_SHARE))


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory of all processes of one program, in MB.

    `shared_mb` is what they share by purpose, such as PostgreSQL's buffers, counted once; `own_mb`
    is the rest.
    """

    own_mb: float
    shared_mb: float


def footprints(roots: Iterable[int]) -> dict[str, Footprint]:
    """What these processes and all below them hold now, by name of the program."""
    found: dict[str, Footprint] = {}
    for pid in with_children(roots):
        name, _ = _status(pid)
        before, held = found.get(name, Footprint(0.0, 0.0)), _proportional_kilobytes(pid)
        shared = held.get("Pss_Shmem", 0)
        own = held.get("Pss", 0) - shared
        found[name] = Footprint(before.own_mb + own * _MB, before.shared_mb + shared * _MB)
    return found


def with_children(roots: Iterable[int]) -> list[int]:
    """These processes and all below them."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            _, fields = _status(int(folder.name))
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.append(pid)
            waiting += children.get(pid, [])
    return found


def _used(pid: int) -> tuple[str, float]:
    """Name and CPU seconds so far, with those of children that it has waited for."""
    name, fields = _status(pid)
    return name, sum(map(int, fields[11:15])) / _TICK


def _status(pid: int) -> tuple[str, list[str]]:
    """Name, and the fields of proc_pid_stat(5) from the third on; zeros when it is gone."""
    try:
        head, _, tail = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:
        return "", ["0"] * 50
    return head.partition("(")[2], tail.split()


def _proportional_kilobytes(pid: int) -> dict[str, int]:
    """Pss and its parts: pages that several processes have count a fraction in each."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split()[:2] for line in lines if line.startswith("Pss"))
    return {name.rstrip(":"): int(kilobytes) for name, kilobytes in pairs}
