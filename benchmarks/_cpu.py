"""CPU seconds and memory of processes, from /proc: Linux only."""

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

_TICK: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_SAMPLE_SECONDS: Final = 0.2


class Meter:
    """What some processes and all below them use within a `with` block.

    `seconds` by name of the program, and the peak of their resident memory, shared pages counted in
    each of them. A process that begins within the block counts once its parent has waited for it.
    """

    def __init__(self, roots: Iterable[int]) -> None:
        self.seconds: dict[str, float] = {}
        self.peak_mb = 0.0
        self._processes = _with_children(roots)
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._before = {pid: _used(pid) for pid in self._processes}
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        for pid, before in self._before.items():
            after = _used(pid)
            if before and after:
                name, seconds = after
                self.seconds[name] = self.seconds.get(name, 0.0) + seconds - before[1]
        self._done.set()
        self._sampler.join()

    def _sample(self) -> None:
        while not self._done.wait(_SAMPLE_SECONDS):
            resident = sum(_resident(pid) for pid in self._processes)
            self.peak_mb = max(self.peak_mb, resident * _PAGE / 1e6)


def _with_children(roots: Iterable[int]) -> list[int]:
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (status := _status(int(folder.name))):
            children.setdefault(int(status[1][1]), []).append(int(folder.name))
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.append(pid)
            waiting += children.get(pid, [])
    return found


def _used(pid: int) -> tuple[str, float] | None:
    """Its name, and its seconds so far with those of children that it has waited for."""
    status = _status(pid)
    return status and (status[0], sum(map(int, status[1][11:15])) / _TICK)


def _status(pid: int) -> tuple[str, list[str]] | None:
    """Name, and the fields of proc_pid_stat(5) from the third on; None when it is gone."""
    try:
        head, _, tail = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:
        return None
    return head.partition("(")[2], tail.split()


def _resident(pid: int) -> int:
    """Pages in memory."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
