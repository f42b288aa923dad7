"""A door of the API on a real socket; every answer is held against the OpenAPI document."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from onesixty.entrypoints.callbacks.door import Door as CallbackDoor
from onesixty.entrypoints.rest import problem_pages
from onesixty.entrypoints.rest.context import Context
from onesixty.entrypoints.rest.server import Server
from onesixty.kit.manual_clock import ManualClock
from onesixty.records import accounts, keys

Application = FastAPI | Server | CallbackDoor
PUBLIC_URL = "https://sms.example.com/sub"  # of all doors here, as proxies have it


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: headers by lower-case name; `body` is decoded JSON, or the text."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class Door:
    """The API and what a test may turn on it."""

    url: str
    context: Context
    clock: ManualClock
    openapi: dict[str, Any]
    session: aiohttp.ClientSession
    states: dict[int, dict[str, Any]]
    reasons: list[str]
    account_id: int = 0
    key: str = ""

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request, by default with the key of the first account; "" sends none."""
        sent = dict(headers or {})
        text = self.key if key is None else key
        if text:
            sent["Authorization"] = f"Bearer {text}"
        data = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self.session.request(
            method, self.url + path, data=data, headers=sent
        ) as response:
            raw = await response.read()
            kind = response.content_type
            found = orjson.loads(raw) if kind.endswith("json") else raw.decode()
            names = {name.lower(): value for name, value in response.headers.items()}
            answer = Answer(response.status, names, found)
        self._check(method, path.partition("?")[0], kind, answer)
        return answer

    async def account(self, name: str, parent_id: int | None = None) -> int:
        """The number of a new account."""
        async with self.context.database.write() as tx:
            number = await accounts.create(tx, self.context.sealer, name, parent_id)
        await self.context.keeper.refresh()
        return number

    async def key_of(self, account_id: int, *scopes: str, test: bool = False) -> str:
        """The text of a new key."""
        async with self.context.database.write() as tx:
            made = await keys.create(tx, account_id, "made by a test", list(scopes), test=test)
        await self.context.keeper.refresh()
        return made.text

    def _check(self, method: str, path: str, kind: str, answer: Answer) -> None:
        """Assert that the document says what was answered."""
        for template, operations in self.openapi["paths"].items():
            pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
            operation = operations.get(method.lower())
            if operation is None or not re.fullmatch(pattern, path):
                continue
            documented = operation["responses"].get(str(answer.status))
            assert documented, f"{method} {template} answers {answer.status}: {answer.body}"
            if answer.status == 204:
                return
            told = documented["content"]
            content = told[kind if kind in told else "*/*"]
            if kind == problem_pages.MEDIA_TYPE:
                assert answer.body["code"] in content["examples"], (template, answer.body)
                assert answer.body["status"] == answer.status
            self._fits(content["schema"], answer.body, f"{method} {template}")
            return

    def _fits(self, schema: dict[str, Any], value: Any, where: str) -> None:
        """Assert that objects have exactly the members that their schemas have, at any depth."""
        if "$ref" in schema:
            schema = self.openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        for choice in schema.get("anyOf", ()):
            if (choice.get("type") == "null") is (value is None):
                self._fits(choice, value, where)
        if isinstance(value, list):
            for entry in value:
                self._fits(schema.get("items", {}), entry, where)
        if isinstance(value, dict) and "properties" in schema:
            required = set(schema.get("required", ()))
            assert required <= value.keys() <= schema["properties"].keys(), (where, value)
            for name, entry in value.items():
                self._fits(schema["properties"][name], entry, f"{where} {name}")


@asynccontextmanager
async def listening(api: Application) -> AsyncIterator[str]:
    """Serve on a free port of this machine; gives the base URL.

    uvicorn's own `serve` waits a fifth of a second to stop, for every test.
    """
    config = uvicorn.Config(api, lifespan="off", log_config=None, access_log=False)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: HttpToolsProtocol(config, state, {}), "127.0.0.1", 0
    )
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
