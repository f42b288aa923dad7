"""`onesixty doctor`: look at all that can be wrong from outside, and say what to do about it."""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from onesixty.cli import client, local
from onesixty.cli.client import Api
from onesixty.cli.migrate import explained
from onesixty.cli.terminal import FAILED, Failure, out, run
from onesixty.kit.clock import SystemClock
from onesixty.kit.secrets import Sealer, SealError
from onesixty.records import accounts, snapshot, webhooks
from onesixty.settings import SettingError, Settings
from onesixty.storage import migrate
from onesixty.storage.database import Connection
from onesixty.storage.embedded import EmbeddedError

app = typer.Typer(add_completion=False)

CLOCKS_APART_SECONDS: Final = 2.0  # beyond it, times of events and of the database mislead
LISTED_MOST: Final = 1000
MASTER_KEY: Final = "secret.key"
_SECRET: Final = ("bootstrap_key", "secret_key")
_STYLES: Final = {"ok": "green", "note": "yellow", "wrong": "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice` says what to do, where there is something to do."""

    verdict: str  # "ok", "note" or "wrong"
    text: str
    advice: str = ""


@app.command()
def doctor(
    data_dir: local.DataDir = None,
    database_url: local.DatabaseUrl = None,
    config: local.ConfigFile = None,
    url: Annotated[
        str | None,
        typer.Option("--url", envvar="ONESIXTY_URL", help="The server, if not where it is set to."),
    ] = None,
    key: client.Key = None,
) -> None:
    """Check settings, data, database, clock, server, carriers and webhooks; say what to do."""
    wrong = 0
    for finding in _findings(
        config, {"data_dir": data_dir, "database_url": database_url}, url, key
    ):
        out.print(f"{finding.verdict:<6}", style=_STYLES[finding.verdict], end="")
        out.print(finding.text)
        if finding.advice:
            out.print(f"      -> {finding.advice}")
        wrong += finding.verdict == "wrong"
    if wrong:
        raise typer.Exit(FAILED)


def _findings(
    config: Path | None, given: dict[str, Any], url: str | None, key: str | None
) -> Iterator[Finding]:
    try:
        settings = local.load(config, **given)
    except SettingError as error:
        yield Finding("wrong", f"settings: {error}", "correct it; the rest cannot be looked at")
        return
    yield _settings(settings)
    yield from _data_dir(settings)
    yield from _database(settings)
    yield from run(_collect(_server(url or f"http://{settings.host}:{settings.port}", key)))


def _settings(settings: Settings) -> Finding:
    """The settings that are not the default."""
    changed = [
        f"{one.name}={'****' if one.name in _SECRET else _public(getattr(settings, one.name))}"
        for one in fields(Settings)
        if getattr(settings, one.name) != one.default
    ]
    return Finding("ok", f"settings: {', '.join(changed) or 'all as they come'}")


def _public(value: Any) -> str:
    return local.shown(value) if isinstance(value, str) else str(value)


def _data_dir(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir.resolve()
    if not folder.is_dir():
        if settings.database_url is None:
            advice = "`onesixty serve` makes it at its first start; or name yours with --data-dir"
            yield Finding("note", f"data directory: there is no {folder}", advice)
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        advice = "run Onesixty as the user who owns it"
        yield Finding("wrong", f"data directory: {folder} cannot be written", advice)
        return
    key = folder / MASTER_KEY
    if key.exists() and key.stat().st_mode & 0o077:
        advice = f"chmod 600 {key}: it opens every secret in the database"
        yield Finding("wrong", f"data directory: others can read {key}", advice)
        return
    yield Finding("ok", f"data directory: {folder}")


def _database(settings: Settings) -> Iterator[Finding]:
    if settings.database_url is None and not settings.data_dir.is_dir():
        return
    try:
        with local.database_url(settings) as url:
            with explained(url):
                missing = migrate.pending(url)
            if missing:
                text = f"database: it lacks the revisions {', '.join(missing)}"
                yield Finding("wrong", text, "`onesixty migrate`, or start `onesixty serve`")
            elif settings.secret_key is None and not (settings.data_dir / MASTER_KEY).exists():
                advice = "restore it from your backup: what is sealed opens with no other"
                yield Finding(
                    "wrong", f"master key: there is no {settings.data_dir / MASTER_KEY}", advice
                )
            else:
                yield from run(_collect(_schema(url, local.sealer(settings))))
    except (Failure, EmbeddedError) as error:
        yield Finding("wrong", f"database: {error}", "start it, or correct --database-url")


async def _schema(url: str, sealer: Sealer) -> AsyncIterator[Finding]:
    """What a migrated database tells: version, clock, the master key, disabled webhooks."""
    async with local.transaction(url) as tx:
        version = await tx.fetchval("SHOW server_version")
        yield Finding("ok", f"database: PostgreSQL {version.split()[0]} with the newest schema")
        yield await _clock(tx)
        book = await snapshot.load(tx)
        try:
            for account in book.accounts.values():
                sealer.open(account.signing_secret)
        except SealError as error:
            yield Finding("wrong", "master key: it is another one", str(error))
        for row in await accounts.listing(tx):
            for endpoint in await webhooks.listing(tx, row["id"], None, LISTED_MOST):
                if endpoint["disabled_at"] is not None:
                    text = f"webhook {endpoint['url']} of {row['name']} is disabled"
                    advice = 'repair it, then PATCH /v1/webhooks/{id} with {"enabled": true}'
                    yield Finding("wrong", f"{text}: {endpoint['disabled_reason']}", advice)


async def _clock(tx: Connection) -> Finding:
    clock = SystemClock()
    before = clock.now()
    there = await tx.fetchval("SELECT clock_timestamp()")
    after = clock.now()
    apart = (there - (before + (after - before) / 2)).total_seconds()
    text = f"clock: {apart * 1000:+.0f} ms from this machine to the database"
    if abs(apart) > CLOCKS_APART_SECONDS:
        return Finding("wrong", text, "keep both by NTP (chrony, systemd-timesyncd)")
    return Finding("ok", text)


async def _server(url: str, key: str | None) -> AsyncIterator[Finding]:
    async with client.connect(url, key or "none") as api:
        try:
            ready = await api.ask("GET", "/readyz")
        except Failure as failure:
            yield Finding("note", f"server: {failure}")
            return
        if ready.status == 200:
            yield Finding("ok", f"server: {url} can take messages")
        else:
            reasons = "; ".join(ready.body["reasons"])
            yield Finding("wrong", f"server: {url} cannot take messages: {reasons}", "see its log")
        if key is None:
            yield Finding("note", "carriers: not asked for", "give --key or set ONESIXTY_KEY")
            return
        try:
            async for finding in _carriers(api):
                yield finding
        except Failure as failure:
            yield Finding("wrong", f"carriers: {failure}", "use a key that may do everything")


async def _carriers(api: Api) -> AsyncIterator[Finding]:
    for carrier in (await api.get("/v1/carriers", limit=LISTED_MOST))["data"]:
        name = f"carrier {carrier['name']}"
        if not carrier["enabled"]:
            yield Finding("note", f"{name}: it is disabled")
            continue
        tested = await api.post(f"/v1/carriers/{carrier['name']}/test")
        if tested["ok"] and not carrier["paused"]:
            yield Finding("ok", f"{name}: {tested['detail']}")
        elif tested["ok"]:
            yield Finding("note", f"{name}: {tested['detail']}")
        else:
            advice = "check host, port, system_id and password with the carrier"
            yield Finding("wrong", f"{name}: {tested['detail']}", advice)


async def _collect(found: AsyncIterator[Finding]) -> list[Finding]:
    return [one async for one in found]
