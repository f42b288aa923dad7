"""Every setting with its type, unit, default and meaning.

Only `cli` and `app` read it; parts get values.
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

PREFIX: Final = "ONESIXTY_"
ROLES: Final = ("all", "api", "dispatch", "notify")
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class SettingError(Exception):
    """A setting that cannot be used; the text names it and says what to do."""


def _setting(default: Any, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process.

    In the environment `ONESIXTY_<NAME>`, in a TOML file the name in lower case.
    """

    data_dir: Path = _setting(
        Path("onesixty-data"), "Where the embedded database, its key and its log live."
    )
    database_url: str | None = _setting(
        None, "A PostgreSQL of your own, 15 or newer; the embedded one when it is not set."
    )
    host: str = _setting("127.0.0.1", "Address that the HTTP server listens on.")
    port: int = _setting(8160, "TCP port of the HTTP server; 0 takes a free one.")
    smpp_host: str | None = _setting(
        None, "Address that SMPP is listened on for customers; that of HTTP when it is not set."
    )
    smpp_port: int | None = _setting(
        None,
        "TCP port that customers bind to over SMPP, by custom 2775; 0 takes a free one."
        " Nobody listens when it is not set.",
    )
    smpp_tls_port: int | None = _setting(None, "The same with TLS, by custom 3550.")
    smpp_tls_certificate: Path | None = _setting(
        None, "PEM file with the certificate of the TLS port, and the chain behind it."
    )
    smpp_tls_key: Path | None = _setting(
        None, "PEM file with its private key; that of the certificate when it is not set."
    )
    smpp_system_id: str = _setting(
        "ONESIXTY", "What SMPP customers see as our system_id, at most 15 characters."
    )
    smpp_connections: int = _setting(
        2000, "SMPP connections at most, for each process and port; more are closed at once."
    )
    bootstrap_key: str | None = _setting(
        None,
        "API key to create on an empty database;"
        " else the first start makes one and prints it once.",
    )
    secret_key: str | None = _setting(
        None, "Master key for secrets at rest; else one is made in the data directory, mode 0600."
    )
    public_url: str | None = _setting(
        None,
        "How the world reaches this server, such as https://sms.example.com. Carriers over HTTP are"
        " given callback URLs below it.",
    )
    allow_private_urls: bool = _setting(
        False, "Let webhooks and callbacks go to private and loopback addresses."
    )
    processes: int = _setting(
        1, "Processes of this start, which share the port, the database and the carriers' sessions."
    )
    role: str = _setting(
        "all",
        "What these processes do: api (answer HTTP, let customers bind over SMPP), dispatch (hold"
        " the carriers' sessions), notify (send webhooks), or all.",
    )
    database_connections: int = _setting(
        10, "Connections to the database at most, for each process; two more have other uses."
    )
    failover_otp_seconds: float = _setting(
        2.0,
        "How long a carrier may take nothing before waiting otp and emergency messages go to their"
        " next one.",
    )
    failover_seconds: float = _setting(30.0, "The same for messages of the other categories.")
    uncertain_otp: str = _setting(
        "5",
        "Seconds without a sign after which an otp message that its carrier never answered is sent"
        " once more, or never.",
    )
    uncertain_transactional: str = _setting("60", "The same for transactional messages.")
    uncertain_emergency: str = _setting("60", "The same for emergency messages.")
    uncertain_marketing: str = _setting("never", "The same for marketing messages.")
    grace_seconds: float = _setting(
        3600.0,
        "How long the carrier's word is waited for beyond the validity of a message; then it ends"
        " as expired, with no_answer or no_receipt.",
    )
    inbound_parts_seconds: float = _setting(
        86_400.0,
        "How long the missing parts of a long message from a handset are waited for after its last"
        " one; then it is shown without them.",
    )
    stop_seconds: float = _setting(30.0, "Time to finish what is in flight when asked to stop.")
    log_level: str = _setting("info", "debug, info, warning or error.")
    log_json: bool = _setting(False, "Write the log as JSON lines.")


def load(environment: Mapping[str, str], config: Path | None = None, **given: Any) -> Settings:
    """Settings from these, in order of weight: `given`, the environment, the TOML file, defaults.

    None in `given` counts as not given. Raises SettingError for unknown names and values that do
    not fit.
    """
    values: dict[str, Any] = {}
    if config is not None:
        values.update(_from_file(config))
    known = {one.name: one for one in dataclasses.fields(Settings)}
    for name in known:
        if (text := environment.get(PREFIX + name.upper())) is not None:
            values[name] = text
    values.update({name: value for name, value in given.items() if value is not None})
    if unknown := [name for name in values if name not in known]:
        raise SettingError(f"unknown setting {unknown[0]}; there are: {', '.join(known)}")
    settings = Settings(
        **{name: _fit(name, str(known[name].type), value) for name, value in values.items()}
    )
    _check(settings)
    return settings


def seconds_or_never(name: str, text: str) -> float | None:
    """What such a setting says: seconds, or None for "never". Raises SettingError."""
    if text.lower() == "never":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise SettingError(f"ONESIXTY_{name.upper()}={text} is neither 0 to 86400 nor never")
    return seconds


def table() -> list[tuple[str, str, str, str]]:
    """Name in the environment, type, default and meaning of every setting, for the reference."""
    return [
        (
            PREFIX + one.name.upper(),
            _type_name(str(one.type)),
            "" if one.default is None else str(one.default),
            one.metadata["doc"],
        )
        for one in dataclasses.fields(Settings)
    ]


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"the configuration file {path} cannot be read: {error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} is not TOML: {error}") from None


def _type_name(annotation: str) -> str:
    plain = annotation.removeprefix("<class '").removesuffix("'>").rpartition(".")[2]
    return plain.partition(" ")[0]


def _fit(name: str, annotation: str, value: Any) -> Any:
    kind = _type_name(annotation)
    try:
        if kind == "bool":
            return value if isinstance(value, bool) else _boolean(str(value))
        whole = kind != "int" or not isinstance(value, float)
        if not whole or isinstance(value, bool | list | dict):
            value = None  # TOML knows more types than these settings have
        return {"int": int, "float": float, "Path": Path}.get(kind, _text)(value)
    except (TypeError, ValueError):
        raise SettingError(f"{PREFIX}{name.upper()}={value!r} is not a {kind}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(text)


def _check_ports(settings: Settings) -> None:
    for name in ("port", "smpp_port", "smpp_tls_port"):
        if not 0 <= (getattr(settings, name) or 0) <= 65535:
            value = getattr(settings, name)
            raise SettingError(f"{PREFIX}{name.upper()}={value} is not a port: use 0 to 65535")
    if settings.smpp_tls_port is not None and settings.smpp_tls_certificate is None:
        raise SettingError("ONESIXTY_SMPP_TLS_PORT needs ONESIXTY_SMPP_TLS_CERTIFICATE, a PEM file")
    name = settings.smpp_system_id
    if not (0 < len(name) <= 15 and name.isascii() and name.isprintable()):
        raise SettingError("ONESIXTY_SMPP_SYSTEM_ID has 1 to 15 ASCII characters")
    if settings.smpp_connections < 1:
        raise SettingError("ONESIXTY_SMPP_CONNECTIONS is at least 1")


def _check_public_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise SettingError(
            f"ONESIXTY_PUBLIC_URL={url} is no URL such as https://sms.example.com, which has no"
            " query"
        )


def _check(settings: Settings) -> None:
    _check_ports(settings)
    if settings.public_url:
        _check_public_url(settings.public_url)
    if settings.log_level.lower() not in ("debug", "info", "warning", "error"):
        raise SettingError("ONESIXTY_LOG_LEVEL is debug, info, warning or error")
    if not 0 < settings.stop_seconds < 3600:
        raise SettingError("ONESIXTY_STOP_SECONDS is more than 0 and less than 3600")
    for name in ("otp", "transactional", "emergency", "marketing"):
        seconds_or_never(f"uncertain_{name}", getattr(settings, f"uncertain_{name}"))
    for name in (
        "failover_otp_seconds",
        "failover_seconds",
        "grace_seconds",
        "inbound_parts_seconds",
    ):
        if not getattr(settings, name) >= 0:
            raise SettingError(f"ONESIXTY_{name.upper()} is 0 or more")
    if not 1 <= settings.processes <= 256:
        raise SettingError(f"ONESIXTY_PROCESSES={settings.processes} is not from 1 to 256")
    if settings.role not in ROLES:
        raise SettingError(f"ONESIXTY_ROLE={settings.role} is not one of {', '.join(ROLES)}")
    if settings.database_connections < 4:
        raise SettingError("ONESIXTY_DATABASE_CONNECTIONS must be at least 4")
    key = settings.bootstrap_key
    if key is not None and not (key.startswith(("os_live_", "os_test_")) and len(key) >= 24):
        raise SettingError(
            "ONESIXTY_BOOTSTRAP_KEY must begin with os_live_ and have at least 24 characters"
        )
