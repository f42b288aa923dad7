"""The whole API on a real socket, over the protocol that `serve` uses, with the walk behind."""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import aiohttp
import orjson
import psycopg

from onesixty import app as composition
from onesixty.carriers.content import TemplateState
from onesixty.kit.clock import SystemClock
from onesixty.kit.ids import uuid7
from onesixty.kit.secrets import Sealer
from onesixty.records import channel_templates
from onesixty.records.billing.usage import Line, count
from onesixty.settings import Settings
from simulator.esme import Esme
from walk.platform import serving, until

KEY = "os_live_wholewholewholewhole"
# What is there to be found, by the path or by the name of its parameter.
_THERE = {
    "/v1/carriers/{name}/trace": "deaf",
    "/v1/carriers/{name}/templates": "chat",
    "/v1/carriers/{name}": "sandbox",
    "/v1/routes/{name}": "all",
    "/v1/prices/{name}": "retail",
    "/v1/lookup-sources/{name}": "main",
}
_THERE_BY_NAME = {"number": "+447700900123", "revision": "1", "code": "not_found"}
_numbers = itertools.count()


@dataclass(slots=True)
class Api:
    """A running API whose messages go to the sandbox; `there` are the ids of what was made."""

    app: composition.App
    url: str
    session: aiohttp.ClientSession
    openapi: dict[str, Any]
    there: dict[str, str] = field(default_factory=lambda: dict(_THERE_BY_NAME))

    async def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and body of an answer; a body to send is an object, or octets as they are."""
        sent = {"Authorization": f"Bearer {KEY}"} | (headers or {})
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        async with self.session.request(
            method, self.url + path, data=data, headers=sent
        ) as response:
            raw = await response.read()
            json = response.content_type.endswith("json")
            return response.status, orjson.loads(raw) if json else raw

    async def make(self, path: str, body: dict[str, Any]) -> Any:
        """What a POST that must succeed answers."""
        status, made = await self.ask("POST", path, body)
        assert status < 300, made
        return made

    def filled(self, path: str, words: dict[str, str]) -> str:
        """A path of the document with these words in their places, and with what is there."""
        for template, name in _THERE.items():
            path = path.replace(template, template.replace("{name}", words.get("name", name)))
        while "{" in path:
            before, _, rest = path.partition("{")
            name, _, rest = rest.partition("}")
            word = words.get(name, self.there.get(name, "none"))
            path = f"{before}{quote(word, safe='') or '%20'}{rest}"
        return path

    def schema(self, found: dict[str, Any]) -> dict[str, Any]:
        """A schema of the document, with what it refers to."""
        return {**found, "components": self.openapi["components"]}


@contextmanager
def fresh(server_url: str, template: str) -> Iterator[str]:
    """The URL of a fresh, migrated database."""
    name = f"{template}_whole_{next(_numbers)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def whole_api(server_url: str, template: str) -> AsyncIterator[Api]:
    """The API with something of everything: a message, a batch, a webhook, a key, an account."""
    settings = Settings(bootstrap_key=KEY, stop_seconds=1.0)
    with fresh(server_url, template) as database_url:
        app = await composition.build(settings, database_url, Sealer(b"whole"), SystemClock())
        await app.start()
        try:
            async with serving(app) as url, aiohttp.ClientSession() as session:
                async with session.get(f"{url}/openapi.json") as response:
                    api = Api(app, url, session, await response.json())
                await _fill(api)
                yield api
        finally:
            await app.stop()


async def _fill(api: Api) -> None:
    message = {"to": "+447700900123", "from": "ACME", "body": "Hello"}
    webhook = {"url": "https://example.com/hook", "events": ["carrier.down"]}
    made: list[tuple[str, str, dict[str, Any]]] = [
        ("message_id", "/v1/messages", message),
        ("batch_id", "/v1/messages/batch", {"messages": [message, {}]}),
        ("webhook_id", "/v1/webhooks", webhook),
        ("key_id", "/v1/keys", {"name": "another", "scopes": ["*"]}),
        ("account_id", "/v1/accounts", {"name": "below"}),
        ("limit_id", "/v1/limits", {"kind": "country", "value": "FR", "rate_per_second": 9}),
        ("cap_id", "/v1/caps", {"amount": "9"}),
    ]
    await api.make("/v1/routes", {"name": "all", "carriers": [{"carrier": "sandbox"}]})
    for name, path, body in made:
        api.there[name] = (await api.make(path, body))["id"]
    await _fill_money(api)
    question = {"request": {"url": "http://127.0.0.1:1/{to}"}, "answer": {"network": "/mccmnc"}}
    await api.ask("PUT", "/v1/lookup-sources/main", {"settings": question})
    nowhere = {"host": "127.0.0.1", "port": 1, "system_id": "x", "password": "x"}
    await api.make("/v1/carriers", {"name": "deaf", "kind": "smpp", "settings": nowhere})
    chat = {"phone_number_id": "1", "access_token": "x", "waba_id": "2"}
    await api.make("/v1/carriers", {"name": "chat", "kind": "whatsapp", "settings": chat})
    await _fill_quality(api)
    await api.make("/v1/esmes", {"system_id": "acme01", "password": "secret"})
    api.there["system_id"] = "acme01"
    port = await api.app.door.servers["smpp"].start("127.0.0.1", 0)
    customer = await Esme.connect(port)
    await customer.bind(name="acme01")
    await customer.close()

    async def has_failed() -> bool:
        _, trace = await api.ask("GET", "/v1/carriers/deaf/trace")
        return bool(trace["data"])

    await until(has_failed)


async def _fill_quality(api: Api) -> None:
    now = SystemClock().now()
    known = [TemplateState("hello", "en", "APPROVED", "UTILITY")]
    async with api.app.database.write() as tx:
        number = await tx.fetchval("SELECT id FROM carriers WHERE name = 'chat'")
        await channel_templates.replace(tx, number, known, now)
        await tx.execute(
            "INSERT INTO carrier_standings (carrier_id, country, level, at)"
            " VALUES ($1, 'GB', 'good', $2)",
            number,
            now,
        )


async def _fill_money(api: Api) -> None:
    below = f"/v1/accounts/{api.there['account_id']}"
    await api.ask("PUT", f"{below}/billing", {"mode": "prepaid"})
    await api.make(f"{below}/topups", {"amount": "1"})
    prices = {"name": "retail", "kind": "sell", "currency": "EUR", "account": below[13:]}
    await api.make("/v1/prices", prices)
    await api.ask("PUT", "/v1/currencies/USD", {"rate": "0.9"})
    line = Line(uuid7(), 0, SystemClock().now().date(), 1, "GB", 1, 0, "EUR", messages=1, charged=2)
    async with api.app.database.write() as tx:
        await count(tx, [line])
