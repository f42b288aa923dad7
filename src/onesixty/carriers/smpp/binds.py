"""From settings to binds: where to connect, as whom, with what TLS, under which timers."""

import ssl
import tempfile
from collections.abc import Callable, Mapping
from typing import Any, Final

from onesixty.carriers.smpp.settings import VERSIONS
from onesixty.smpp.client import Bind, BindMode, Timers

_TIMERS: Final = (
    "connect_seconds", "bind_seconds", "enquire_link_seconds", "enquire_answer_seconds",
    "response_seconds", "unbind_seconds", "reconnect_min_seconds", "reconnect_max_seconds",
    "refused_seconds", "already_bound_seconds",
)  # fmt: skip


def timers(s: Mapping[str, Any]) -> Timers:
    """Every wait of a link."""
    return Timers(**{name: float(s[name]) for name in _TIMERS})


def binds(s: Mapping[str, Any], permits: Callable[[str], bool] | None = None) -> list[Bind]:
    """Every bind: `binds` of each mode. Raises ValueError for settings that make none.

    `permits`: whether an IP address may be connected to; None: any may.
    """
    context = _tls(s) if s["tls"] else None
    modes = (
        [BindMode.TRANSCEIVER]
        if s["bind"] == "transceiver"
        else [BindMode.TRANSMITTER, BindMode.RECEIVER]
    )
    return [
        Bind(
            host=s["host"],
            port=s["port"],
            fallbacks=_fallbacks(s["fallback_hosts"]),
            system_id=s["system_id"],
            password=s["password"],
            long_credentials=s["long_password"],
            system_type=s["system_type"],
            mode=mode,
            interface_version=VERSIONS[s["interface_version"]],
            addr_ton=s["address_range_ton"],
            addr_npi=s["address_range_npi"],
            address_range=s["address_range"],
            tls=context,
            tls_server_name=s.get("tls_server_name") or "",
            permits=permits,
        )
        for _ in range(s["binds"])
        for mode in modes
    ]


def _fallbacks(text: str) -> tuple[tuple[str, int], ...]:
    found = []
    for one in filter(None, (piece.strip() for piece in text.split(","))):
        host, _, port = one.rpartition(":")
        if not (host and port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError(f"fallback_hosts: {one} is not host:port")
        found.append((host.strip("[]"), int(port)))
    return tuple(found)


def _tls(s: Mapping[str, Any]) -> ssl.SSLContext:
    certificate, key = s.get("tls_certificate"), s.get("tls_key")
    try:
        context = ssl.create_default_context(cadata=s.get("tls_ca") or None)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"tls_ca holds no PEM certificate: {error}") from error
    if not s["tls_verify"]:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if bool(certificate) is not bool(key):
        raise ValueError("tls_certificate and tls_key belong together: give both or neither")
    if certificate and key:
        _present(context, certificate, key)
    return context


def _present(context: ssl.SSLContext, certificate: str, key: str) -> None:
    # OpenSSL reads them from files only; this one is gone before anything else happens.
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{certificate}\n{key}\n")
        file.flush()
        try:
            context.load_cert_chain(file.name, password=_no_passphrase)
        except (ssl.SSLError, ValueError) as error:
            detail = "tls_certificate and tls_key are no pair of PEM certificate and open key"
            raise ValueError(f"{detail}: {error}") from error


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase")
