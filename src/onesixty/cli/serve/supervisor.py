"""The supervisor of `serve --processes N`.

It starts the workers, gives each new connection to the one that has the fewest, starts dead ones
again, kills those that hang, and passes on the wish to stop. It serves nothing itself: a connection
that waits to be accepted outlives any worker.
"""

import asyncio
import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import multiprocess

from onesixty.cli.serve import systemd
from onesixty.cli.serve.channel import BEAT, HTTP, LEAVING, SIGNALS, WORDS
from onesixty.kit.clock import Clock
from onesixty.settings import PREFIX, Settings

_log = structlog.get_logger()
_ACCEPT_MOST: Final = 64  # connections in one turn
STEADY_SECONDS: Final = 60.0  # a worker that ran so long is started again at once
BACKOFF_FIRST_SECONDS, BACKOFF_MOST_SECONDS = 0.5, 30.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a worker may be silent before it is killed, in seconds."""

    starting: float = 120.0
    running: float = 20.0
    stopping: float = 40.0


class Worker:
    """A worker process and our end of the channel to it."""

    def __init__(self, process: "subprocess.Popen[bytes]", channel: socket.socket) -> None:
        self.process, self.channel = process, channel
        self.is_ready = self.is_leaving = False
        # Connections of HTTP and of SMPP that it has: as it said last, and those given since.
        self.loads = [0, 0]
        self.heard_at = 0.0
        self._unread = b""

    def hear(self, now: float) -> bool:
        """Read its beats; False when its end is closed."""
        try:
            data = self.channel.recv(4096)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        self._unread += data
        while len(self._unread) >= BEAT.size:
            http, smpp = BEAT.unpack_from(self._unread)
            self._unread = self._unread[BEAT.size :]
            self.heard_at = now
            if http == LEAVING:
                self.is_leaving = True
            else:
                self.is_ready, self.loads = True, [http, smpp]
        return bool(data)

    def give(self, kind: str, connection: socket.socket) -> bool:
        """Hand a connection to one of the ports over; False when it takes none."""
        try:
            socket.send_fds(self.channel, [WORDS[kind]], [connection.fileno()])
        except OSError:
            return False
        self.loads[kind != HTTP] += 1
        return True

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


class Supervisor:
    """Keeps so many workers, all fed from the same listening sockets."""

    def __init__(
        self,
        settings: Settings,
        url: str,
        ports: Mapping[str, socket.socket],
        clock: Clock,
        patience: Patience | None = None,
    ) -> None:
        self._settings, self._url, self._ports, self._clock = settings, url, ports, clock
        self._patience = patience or Patience(stopping=settings.stop_seconds + 10)
        self.workers: dict[int, Worker] = {}
        self._metrics = ""
        self._all_ready = asyncio.Event()
        self._stop = asyncio.Event()
        self._failed = False
        self._accepting = False

    async def run(self, ready: Callable[[], None]) -> bool:
        """Run until SIGTERM or SIGINT; call `ready` once. Whether every worker ended in order.

        A worker that cannot even start ends all.
        """
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.stop)
        for listener in self._ports.values():
            listener.setblocking(False)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._metrics_folder() as self._metrics:
            keepers = [
                asyncio.create_task(self._keep(number))
                for number in range(self._settings.processes)
            ]
            watch = asyncio.create_task(self._watch())
            telling = asyncio.create_task(self._tell(ready))
            try:
                await asyncio.gather(*keepers)
            finally:
                for task in (watch, telling, *keepers):
                    task.cancel()
                for worker in self.workers.values():
                    worker.signal(signal.SIGKILL)
        return not self._failed

    def stop(self) -> None:
        """Ask every worker to stop; at the second call end them at once."""
        number = signal.SIGTERM
        if self._stop.is_set():
            number, self._failed = signal.SIGKILL, True
        self._stop.set()
        self._accept_no_more()
        for worker in self.workers.values():
            if not (worker.is_leaving and number is signal.SIGTERM):
                worker.is_leaving, worker.heard_at = True, self._clock.monotonic()
                worker.signal(number)

    def _metrics_folder(self) -> "tempfile.TemporaryDirectory[str]":
        """Where workers keep their metrics. One that a killed supervisor left goes first."""
        prefix, parent = "onesixty-metrics-", None
        if self._settings.database_url is None:  # else somebody else may serve from there too
            parent = self._settings.data_dir
            for old in parent.glob(f"{prefix}*"):
                shutil.rmtree(old, ignore_errors=True)
        return tempfile.TemporaryDirectory(prefix=prefix, dir=parent)

    async def _tell(self, ready: Callable[[], None]) -> None:
        await self._all_ready.wait()
        ready()
        with systemd.attended(self._clock):
            await self._stop.wait()

    async def _keep(self, number: int) -> None:
        backoff = BACKOFF_FIRST_SECONDS
        while not self._stop.is_set():
            began = self._clock.monotonic()
            code = await self._run_worker(number)
            if self._stop.is_set():
                self._failed |= code != 0
                return
            if not self._all_ready.is_set():
                _log.error("worker.cannot_start", code=code)
                self._failed = True
                self.stop()
                return
            if code == 0 or self._clock.monotonic() - began > STEADY_SECONDS:
                backoff = BACKOFF_FIRST_SECONDS
            if code:
                _log.error("worker.died", worker=number, code=code, wait=backoff)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(backoff):
                        await self._stop.wait()
                backoff = min(backoff * 2, BACKOFF_MOST_SECONDS)

    async def _run_worker(self, number: int) -> int:
        """Start a worker and wait for its end; its exit code, negative for a signal."""
        worker = self._start()
        self.workers[number] = worker
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def on_beat() -> None:
            if not worker.hear(self._clock.monotonic()):
                loop.remove_reader(worker.channel.fileno())
                ended.set()
            elif worker.is_ready and not worker.is_leaving:
                self._on_ready()

        loop.add_reader(worker.channel.fileno(), on_beat)
        await ended.wait()
        worker.is_leaving = True
        code = await asyncio.to_thread(worker.process.wait)
        del self.workers[number]
        worker.channel.close()
        multiprocess.mark_process_dead(  # type: ignore[no-untyped-call]
            worker.process.pid, self._metrics
        )
        return code

    def _start(self) -> Worker:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-P", "-m", __name__.replace("supervisor", "worker"),
                 str(theirs.fileno())],
                env=self._environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C on a terminal is for us: we pass it on, once
            )  # fmt: skip
        worker = Worker(process, ours)
        worker.heard_at = self._clock.monotonic()
        return worker

    def _environment(self) -> dict[str, str]:
        given = dataclasses.replace(
            self._settings, database_url=self._url, data_dir=Path(self._settings.data_dir).resolve()
        )
        values = {one.name: getattr(given, one.name) for one in dataclasses.fields(given)}
        ours = {PREFIX + name.upper(): str(v) for name, v in values.items() if v is not None}
        others = {name: v for name, v in os.environ.items() if not name.startswith(PREFIX)}
        return others | ours | {"PROMETHEUS_MULTIPROC_DIR": str(Path(self._metrics).resolve())}

    def _on_ready(self) -> None:
        if len(self._taking()) == self._settings.processes:
            self._all_ready.set()
        if not self._accepting and not self._stop.is_set() and self._all_ready.is_set():
            self._accepting = True
            for kind, listener in self._ports.items():
                asyncio.get_running_loop().add_reader(listener.fileno(), self._accept, kind)

    def _taking(self) -> list[Worker]:
        return [one for one in self.workers.values() if one.is_ready and not one.is_leaving]

    def _accept(self, kind: str) -> None:
        for _ in range(_ACCEPT_MOST):
            workers = sorted(self._taking(), key=lambda one: one.loads[kind != HTTP])
            if not workers:
                self._accept_no_more()  # until one is ready
                return
            try:
                connection, _ = self._ports[kind].accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # out of descriptors
                _log.error("accept.failed", error=repr(error))
                self._accept_no_more()  # until the next beat
                return
            with connection:
                if not any(worker.give(kind, connection) for worker in workers):
                    _log.error("accept.nobody_takes", workers=len(workers))

    def _accept_no_more(self) -> None:
        self._accepting = False
        for listener in self._ports.values():
            asyncio.get_running_loop().remove_reader(listener.fileno())

    async def _watch(self) -> None:
        """Kill what has been silent for too long: its locks go with it, and others take over."""
        looked_at = self._clock.monotonic()
        while True:
            await self._clock.sleep(1.0)
            now = self._clock.monotonic()
            if now - looked_at > 5.0:  # we slept ourselves, and so may all have done
                for worker in self.workers.values():
                    worker.heard_at = now
            looked_at = now
            for worker in self.workers.values():
                silent = now - worker.heard_at
                if silent > self._patience_for(worker):
                    _log.error("worker.hangs", pid=worker.process.pid, silent=round(silent, 1))
                    worker.signal(signal.SIGKILL)

    def _patience_for(self, worker: Worker) -> float:
        if worker.is_leaving:
            return self._patience.stopping
        return self._patience.running if worker.is_ready else self._patience.starting
