"""`onesixty serve`: started, refused, killed, started again, stopped."""

import json
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from .programs import Served, data_folder, onesixty, postmaster_runs, process, serve


@pytest.fixture
def own_dir() -> object:
    """A data directory for one test alone."""
    with data_folder() as path:
        yield path


def test_it_survives_kill_9(own_dir: Path) -> None:
    """What was sent before a kill -9 is there after it; only the first start shows a key.

    Ctrl-C ends it with 0, its database with it, and an open stream of events in order. Its service
    manager hears of that.
    """
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(own_dir.parent / "notify"))
    server = serve(own_dir)
    (key,) = server.keys
    sandboxed = onesixty(
        "keys", "create", "try", "--test", "--data-dir", str(own_dir)
    ).stdout.strip()
    reach = {"ONESIXTY_URL": server.url, "ONESIXTY_KEY": sandboxed}
    sent = process("send", "--to", "+14155550123", "--from", "ACME", "Hello", **reach)
    assert sent.returncode == 0, sent.stderr
    message = sent.stdout.split()[0]
    server.kill()
    server = serve(own_dir, NOTIFY_SOCKET=manager.getsockname())
    stream = HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    try:
        assert server.keys == []
        shown = onesixty("messages", "show", message, "--url", server.url, "--key", key)
        assert "delivered" in shown.stdout
        stream.request("GET", "/v1/events/stream", headers={"Authorization": f"Bearer {key}"})
        events = stream.getresponse()
        assert events.readline().startswith(b"retry:")
    finally:
        server.process.send_signal(signal.SIGINT)
        rest, _ = server.process.communicate(timeout=30)
    assert (server.process.returncode, rest) == (0, "stopped\n")
    with manager:
        assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"STOPPING=1"]
    assert "error" not in (own_dir.parent / "serve.log").read_text()
    assert not postmaster_runs(own_dir)


def test_a_given_key_is_not_shown(served: Served, reach: dict[str, str]) -> None:
    """The key of ONESIXTY_BOOTSTRAP_KEY opens the API of a new database, and nobody prints it."""
    assert served.keys == []
    assert onesixty("messages", "list", **reach).returncode == 0


def test_a_taken_port_changes_nothing(own_dir: Path) -> None:
    """Where the port is taken, serve says so and makes no data directory."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        refused = onesixty("serve", "--port", port, "--data-dir", str(own_dir))
    assert refused.returncode == 1
    assert f"port {port}: Address already in use" in refused.stderr
    assert not own_dir.exists()


def test_one_server_for_a_data_directory(served: Served, data_dir: Path) -> None:
    """A second server on the same data directory is refused, and the first one goes on."""
    refused = onesixty("serve", "--port", "0", "--data-dir", str(data_dir))
    assert refused.returncode == 1
    assert f"process {served.process.pid} serves {data_dir}" in refused.stderr
    assert onesixty("keys", "list", "--data-dir", str(data_dir)).returncode == 0


def test_more_processes_than_connections(own_dir: Path) -> None:
    """More processes than the embedded database has connections for are refused at once."""
    refused = onesixty("serve", "--processes", "20", "--data-dir", str(own_dir))
    assert refused.returncode == 1
    assert "20 processes want 240 connections" in refused.stderr
    assert not own_dir.exists()


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"ONESIXTY_PORT": "http"}, "ONESIXTY_PORT='http' is not a"),
        ({"ONESIXTY_PROCESSES": "0"}, "ONESIXTY_PROCESSES=0 is not"),
        ({"ONESIXTY_ROLE": "king"}, "ONESIXTY_ROLE=king is not one of all, api"),
        ({"ONESIXTY_LOG_LEVEL": "loud"}, "ONESIXTY_LOG_LEVEL is"),
    ],
)
def test_wrong_settings_are_wrong_usage(environment: dict[str, str], told: str) -> None:
    """A setting that does not fit ends the program with 2 and its name, without a traceback."""
    refused = onesixty("serve", **environment)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")
    assert told in refused.stderr


def test_libraries_log_in_the_same_form() -> None:
    """With JSON logs every line is JSON, those of uvicorn and asyncio too."""
    code = (
        "import logging; from onesixty.kit import log; log.configure('info', as_json=True);"
        "logging.getLogger('uvicorn.error').error('boom %s', 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    line = json.loads(done.stderr)
    assert (line["level"], line["logger"], line["event"]) == ("error", "uvicorn.error", "boom 1")
