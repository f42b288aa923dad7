"""A worker of `serve --processes N`: settings from the environment, connections from a channel."""

import signal
import socket
import sys

from onesixty import cli
from onesixty.cli import local
from onesixty.cli.serve.channel import Channel
from onesixty.cli.serve.process import serve_process
from onesixty.cli.terminal import run
from onesixty.kit import log


def main() -> None:
    """Serve over the channel whose descriptor is the only argument."""
    # Until it serves, SIGTERM is as Ctrl-C: what was begun is taken back in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = local.load()
    log.configure(settings.log_level, as_json=settings.log_json)
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    assert settings.database_url is not None
    run(
        serve_process(
            settings, settings.database_url, local.sealer(settings), channel, lambda _: None
        )
    )


if __name__ == "__main__":
    cli.guard(main)
