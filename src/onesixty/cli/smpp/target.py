"""Which message centre a command talks to, as whom, and with which password."""

import os
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from onesixty.cli import client
from onesixty.cli.smpp.talk import Where
from onesixty.cli.terminal import USAGE, Failure
from onesixty.smpp.pdus import Pdu
from onesixty.smpp.states import BindMode

Host = Annotated[str | None, typer.Option(metavar="HOST", help="The message centre.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Its TCP port.")]
SystemId = Annotated[str | None, typer.Option(metavar="NAME", help="The account's name there.")]
SystemType = Annotated[str, typer.Option(metavar="TYPE", help="Often empty; some want SMPP.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Its password; else ONESIXTY_SMPP_PASSWORD, or a prompt."),
]
Tls = Annotated[bool, typer.Option("--tls", help="Connect with TLS.")]
TlsCa = Annotated[Path | None, typer.Option(metavar="FILE", help="Authorities to trust, PEM.")]
TlsInsecure = Annotated[bool, typer.Option("--tls-insecure", help="Check no certificate.")]
Seconds = Annotated[float, typer.Option(min=0.1, help="Wait so long for each answer.")]

MODES: Final = {mode.name.lower(): mode for mode in BindMode}
VERSIONS: Final = {"3.3": 0x33, "3.4": 0x34, "5.0": 0x50}
_VARIABLE: Final = "ONESIXTY_SMPP_PASSWORD"


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect and as whom."""

    where: Where
    system_id: str
    password: str
    system_type: str = ""

    def bind(self, mode: BindMode, version: int) -> Pdu:
        """The request to be bound."""
        return Pdu(
            mode.value,
            fields={
                "system_id": self.system_id,
                "password": self.password,
                "system_type": self.system_type,
                "interface_version": version,
            },
        )


@dataclass(frozen=True, slots=True)
class Given:
    """The options of a command that say where to; None and "" where nothing was said."""

    host: str | None
    port: int
    system_id: str | None
    system_type: str
    password_file: Path | None
    tls: bool
    tls_ca: Path | None
    tls_insecure: bool
    seconds: float

    def target(self) -> Target:
        """The message centre of the options. Raises Failure when something is missing."""
        if not self.host or not self.system_id:
            raise Failure("name a message centre: --host and --system-id", USAGE)
        where = Where(self.host, self.port, self._context(), seconds=self.seconds)
        return Target(where, self.system_id, _password(self.password_file), self.system_type)

    async def target_of(self, carrier: str, server: tuple[str, str | None]) -> Target:
        """The message centre of a carrier on file; its password no API tells. Raises Failure."""
        async with client.connect(*server) as api:
            found = await api.get(f"/v1/carriers/{quote(carrier, safe='')}")
        if found["kind"] != "smpp":
            raise Failure(f"{carrier} is a carrier of the kind {found['kind']}, not smpp")
        settings: dict[str, Any] = found["settings"]
        context = None
        if settings["tls"] or self.tls:
            context = self._context(settings.get("tls_ca"), verify=settings["tls_verify"])
        server_name = settings.get("tls_server_name") or ""
        where = Where(settings["host"], settings["port"], context, server_name, self.seconds)
        password = _password(self.password_file)
        return Target(where, settings["system_id"], password, settings["system_type"])

    def _context(
        self, authorities: str | None = None, *, verify: bool | None = None
    ) -> ssl.SSLContext | None:
        if not self.tls and verify is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca, cadata=authorities or None)
        except OSError as error:
            raise Failure(f"--tls-ca {self.tls_ca}: {error.strerror or error}", USAGE) from None
        if self.tls_insecure or verify is False:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


def _password(file: Path | None) -> str:
    """From the file, the environment, or whoever sits there; never from the command line."""
    if file is not None:
        try:
            return file.read_text(encoding="latin-1").rstrip("\r\n")
        except OSError as error:
            raise Failure(f"--password-file {file}: {error.strerror}", USAGE) from None
    if (known := os.environ.get(_VARIABLE)) is not None:
        return known
    if not sys.stdin.isatty():
        raise Failure(f"a password is needed: --password-file, or {_VARIABLE}", USAGE)
    asked: str = typer.prompt("Password", hide_input=True, default="", show_default=False, err=True)
    return asked
