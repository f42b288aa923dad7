"""What a service manager hears of a server."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from onesixty.cli.serve import systemd
from onesixty.kit.clock import SystemClock
from onesixty.kit.manual_clock import ManualClock


class Listener:
    """Stands for systemd: the socket that NOTIFY_SOCKET names."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        """The words since the last look."""
        words = []
        while True:
            try:
                words.append(self._socket.recv(100).decode())
            except BlockingIOError:
                return words

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()


@pytest.fixture(params=["file", "abstract"])
def listener(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Listener]:
    """A socket of either kind, and the environment that systemd would give."""
    name = str(tmp_path / "notify") if request.param == "file" else f"@onesixty-{tmp_path}"
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    made = Listener(name.replace("@", "\0", 1))
    yield made
    made.close()


async def test_it_beats_twice_as_often_as_asked(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ready, one beat for each half of the watchdog's time, stopping."""
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    clock = ManualClock(SystemClock().now())
    with systemd.attended(clock):
        await asyncio.sleep(0)
        assert listener.heard() == ["READY=1", "WATCHDOG=1"]
        await clock.advance(9.9)
        assert listener.heard() == []
        await clock.advance(0.1)
        assert listener.heard() == ["WATCHDOG=1"]
    assert listener.heard() == ["STOPPING=1"]


@pytest.mark.parametrize("ours", [{}, {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}])
async def test_no_beat_that_nobody_wants(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, ours: dict[str, str]
) -> None:
    """Without a watchdog, or with that of another process, only the states are told."""
    for name, text in ours.items():
        monkeypatch.setenv(name, text)
    clock = ManualClock(SystemClock().now())
    with systemd.attended(clock):
        await clock.advance(100)
    assert listener.heard() == ["READY=1", "STOPPING=1"]


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A socket that is gone, and none at all, harm nobody."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    systemd.tell("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    systemd.tell("READY=1")
