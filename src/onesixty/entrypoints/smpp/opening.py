"""Putting the door together: its parts, and a server for each port."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onesixty.entrypoints.smpp.admission import Admission
from onesixty.entrypoints.smpp.door import Door, Parts
from onesixty.entrypoints.smpp.headcount import Headcount
from onesixty.entrypoints.smpp.message_ids import ShortIds
from onesixty.entrypoints.smpp.requests import Requests
from onesixty.entrypoints.smpp.sessions import Sessions
from onesixty.kit.clock import Clock
from onesixty.messages.accept import Acceptor
from onesixty.nodes.node import Node
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.smpp.server import Server, Timers
from onesixty.storage.database import Database

UNBOUND_MOST: Final = 500  # connections of one address that are not bound yet
WINDOW: Final = 10  # until a bind tells whose session it is


@dataclass(frozen=True, slots=True)
class Platform:
    """What the door stands on."""

    database: Database
    keeper: SnapshotKeeper
    clock: Clock
    acceptor: Acceptor
    node: Node
    wake_webhooks: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How the ports are to be served; a TLS port needs a certificate (PEM)."""

    system_id: str = "ONESIXTY"
    connections_most: int = 2000
    certificate: Path | None = None
    key: Path | None = None  # None: in the file of the certificate


def open_door(platform: Platform, options: Options) -> Door:
    """The door with its servers, none of which listens yet. OSError for an unusable certificate."""
    clock, keeper = platform.clock, platform.keeper
    sessions = Sessions()
    requests = Requests(
        platform.database,
        keeper,
        clock,
        platform.acceptor,
        platform.wake_webhooks,
        ShortIds(platform.node.number),
    )
    parts = Parts(
        keeper,
        clock,
        platform.acceptor,
        requests,
        Headcount(platform.database, clock, platform.node, sessions),
        Admission(clock, lambda: keeper.book),
    )
    door = Door(parts, sessions)
    door.serve("smpp", _server(door, clock, options, None))
    if options.certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        tls.load_cert_chain(options.certificate, options.key)
        door.serve("smpp_tls", _server(door, clock, options, tls))
    return door


def _server(door: Door, clock: Clock, options: Options, tls: ssl.SSLContext | None) -> Server:
    server = Server(
        clock=clock,
        events=door,
        timers=Timers(),
        tls=tls,
        window=WINDOW,
        system_id=options.system_id,
    )
    server.connections_most, server.unbound_most = options.connections_most, UNBOUND_MOST
    return server
