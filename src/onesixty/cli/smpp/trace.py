"""`onesixty smpp trace`: what goes over the sessions of a carrier or a customer of a server."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final
from urllib.parse import quote

import orjson
import typer

from onesixty.cli import client
from onesixty.cli.client import Api
from onesixty.cli.smpp.lines import print_line
from onesixty.cli.terminal import USAGE, Failure, err, out, run, run_until_interrupted
from onesixty.kit.clock import SystemClock
from onesixty.smpp.trace.pcap import Conversation, Endpoint, file_header

app = typer.Typer(add_completion=False)
LOOK_SECONDS: Final = 0.5
LIMIT_MOST: Final = 1000
# Where the beginning of a connection is not kept any more, its addresses are not known.
_UNKNOWN_OWN, _UNKNOWN_PEER = Endpoint.parse("192.0.2.1:10000"), Endpoint.parse("192.0.2.2:2775")


@app.command()
def trace(
    carrier: Annotated[
        str | None, typer.Argument(metavar="CARRIER", help="Name of a carrier over SMPP.")
    ] = None,
    esme: Annotated[
        str | None, typer.Option(metavar="SYSTEM_ID", help="A customer's sessions instead.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    show_text: Annotated[
        bool, typer.Option(help="Texts and whole numbers too; the key needs traces:read_text.")
    ] = False,
    pcap: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write packets for Wireshark; - is stdout.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a PDU.")] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=LIMIT_MOST, help="So many at most, the newest.")
    ] = LIMIT_MOST,
    url: client.Url = client.URL,
    key: client.Key = None,
) -> None:
    """Show the last PDUs of each session of a carrier, and with --follow those to come."""
    if (carrier is None) == (esme is None):
        raise Failure("name a carrier, or a customer with --esme", USAGE)
    path = (
        f"/v1/carriers/{quote(carrier, safe='')}" if carrier else f"/v1/esmes/{quote(esme or '')}"
    )
    query = {"limit": limit, "show_text": str(show_text).lower()}
    try:
        sink: _Sink = _Packets(pcap, accepted=esme is not None) if pcap else _Lines(as_json=as_json)
    except OSError as error:
        raise Failure(f"cannot write {pcap}: {error.strerror}") from None
    work = _trace((url, key), f"{path}/trace", query, sink, follow=follow)
    if follow:
        run_until_interrupted(work)
    else:
        run(work)
    sink.close()


class _Lines:
    """Prints."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json, self.count = as_json, 0

    def take(self, entry: dict[str, Any]) -> None:
        """Print one."""
        self.count += 1
        if self._as_json:
            out.print(orjson.dumps(entry).decode())
        else:
            print_line(entry)

    def flush(self) -> None:
        """Show it now."""
        out.file.flush()

    def close(self) -> None:
        """Nothing to do."""


class _Packets:
    """Writes a file of packets; sessions that follow one another on a line are connections."""

    def __init__(self, path: Path, *, accepted: bool) -> None:
        """OSError when the file cannot be written."""
        self._path, self._accepted, self.count = path, accepted, 0
        self._file: BinaryIO = sys.stdout.buffer if str(path) == "-" else path.open("wb")
        self._conversations: dict[tuple[int, str], Conversation] = {}
        self._file.write(file_header())

    def take(self, entry: dict[str, Any]) -> None:
        """Write one."""
        at, session = datetime.fromisoformat(entry["time"]), (entry["process"], entry["session"])
        talk = self._conversations.get(session)
        if entry["kind"] == "opened":
            own, peer = (Endpoint.parse(one) for one in entry["detail"].split(" "))
            talk = self._conversations[session] = Conversation(own, peer, accepted=self._accepted)
            self._file.write(talk.opened(at))
        elif entry["kind"] == "closed":
            if talk is not None:
                self._file.write(self._conversations.pop(session).closed(at))
        else:
            if talk is None:
                talk = Conversation(_UNKNOWN_OWN, _UNKNOWN_PEER, accepted=self._accepted)
                self._conversations[session] = talk
            octets, outgoing = bytes.fromhex(entry["hex"]), entry["kind"] == "out"
            self._file.write(talk.pdu(at, octets, entry["length"], outgoing=outgoing))
            self.count += 1

    def flush(self) -> None:
        """Into the file now."""
        self._file.flush()

    def close(self) -> None:
        """Say what is in the file."""
        self._file.close()
        err.print(f"{self.count} PDUs written to {self._path}", style="dim")


_Sink = _Lines | _Packets


async def _trace(
    server: tuple[str, str | None],
    path: str,
    query: dict[str, Any],
    sink: _Sink,
    *,
    follow: bool,
) -> None:
    clock = SystemClock()
    async with client.connect(*server) as api:
        after = await _show(api, path, query, sink)
        if not sink.count and not follow:
            err.print("nothing is kept: there is no session over SMPP, or nothing went over it yet")
        while follow:
            await clock.sleep(LOOK_SECONDS)
            after = await _show(api, path, query | {"limit": LIMIT_MOST, "after": after}, sink)


async def _show(api: Api, path: str, query: dict[str, Any], sink: _Sink) -> str:
    """Show what there is; the cursor to go on with."""
    found = await api.get(path, **query)
    if found["silent"]:
        err.print(f"no answer from the processes {found['silent']}", style="yellow")
    if found["left_out"]:
        err.print(f"{found['left_out']} earlier ones are left out", style="dim")
    for entry in found["data"]:
        sink.take(entry)
    sink.flush()
    cursor = found["next"]
    assert isinstance(cursor, str)
    return cursor
