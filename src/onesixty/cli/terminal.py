"""What all commands share: consoles, expected failures, exit codes, how they are run and ended."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, Final, TypeVar

import uvloop
from rich.console import Console
from rich.table import Table

T = TypeVar("T")
FAILED: Final = 1
USAGE: Final = 2
_PIPE_COLUMNS: Final = 240  # nobody's window: lines of a table stay whole for grep


class Failure(Exception):  # noqa: N818 - an end that was to be expected, not a bug
    """The command cannot do it; the text says why, and what to do."""

    def __init__(self, text: str, exit_code: int = FAILED) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_COLUMNS
    # Texts come from outside: nothing in them is markup, and nothing is cut.
    return Console(
        stderr=stderr, width=width, markup=False, highlight=False, emoji=False, soft_wrap=True
    )


out: Final = _console(stderr=False)
err: Final = _console(stderr=True)


def reason(error: OSError) -> str:
    """What the system calls the error, without the address that event loops add."""
    number = error.errno
    return os.strerror(number) if number and number > 0 else str(error)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Rows under headings, as wide as they are; None is shown as a dash."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*("-" if cell is None else str(cell) for cell in row))
    out.print(table)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a fresh uvloop; Ctrl-C cancels it and raises KeyboardInterrupt."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def run_until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Run it until it ends by itself, or Ctrl-C or SIGTERM cancels it, which is no failure."""

    async def guarded() -> None:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    run(guarded())
