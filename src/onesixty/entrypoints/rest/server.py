"""The HTTP application: a router for each resource, and a short way in for sends."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from onesixty import __version__
from onesixty.entrypoints.rest import (
    access,
    answers,
    billing,
    carriers,
    events,
    health,
    lookup,
    messages,
    problem_pages,
    routes,
    smpp,
    webhooks,
)
from onesixty.entrypoints.rest.context import Context
from onesixty.kit.problems import Problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Door = Callable[[Scope, Receive, Send], Awaitable[None]]

ABOUT: Final = (
    "The SMS API you run yourself. Errors are RFC 9457 problem documents; every POST that creates"
    " takes an\n`Idempotency-Key`; lists are newest first with a cursor."
)
RESOURCES: Final = (
    messages,
    carriers,
    routes,
    smpp,
    webhooks,
    events,
    billing,
    access,
    lookup,
    health,
    problem_pages,
)


def create_api(context: Context, *, only_health: bool = False) -> FastAPI:
    """The API with every resource and its OpenAPI 3.1 document, or what machines ask alone."""
    api = FastAPI(title="Onesixty", version=__version__, description=ABOUT, redirect_slashes=False)
    api.state.context = context
    answers.install(api)
    for part in (health,) if only_health else RESOURCES:
        api.router.routes += part.router.routes  # to include a router makes each of them anew

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            found = get_openapi(
                title=api.title,
                version=api.version,
                description=api.description,
                routes=api.routes,
                openapi_version="3.1.0",
            )
            components = found.setdefault("components", {})
            components.setdefault("schemas", {}).update(messages.schemas())
            components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            found["security"] = [{"key": []}]
            api.openapi_schema = problem_pages.add_schemas(found)
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]
    return api


class Server:
    """The ASGI application, and a direct way to its hottest function.

    A plain `POST /v1/messages` goes straight to `messages.Door`; FastAPI's routing and middleware,
    through which all else goes, cost more than all our own work on a send.
    """

    def __init__(
        self,
        context: Context,
        *,
        only_health: bool = False,
        beside: Mapping[str, Door] | None = None,
    ) -> None:
        """`only_health`: without the API, for processes that do other work.

        `beside` are other doors on the same port, by what their paths begin with.
        """
        self._beside = tuple((beside or {}).items())
        self.api = create_api(context, only_health=only_health)
        # see kit/http_direct.py
        self.direct = {} if only_health else {messages.PATH.encode(): messages.Door(context).take}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the server's lifespan."""
        await self._door_of(scope)(scope, receive, send)

    def end_streams(self) -> None:
        """Let open streams of events end by themselves: a server that stops waits for no reader."""
        events.streams_of(self.api).is_ending = True

    def _door_of(self, scope: Scope) -> Door:
        if scope["type"] != "http":
            return self.api
        path = scope["path"]
        for start, door in self._beside:
            if path.startswith(start):
                return door
        if "\0" in path:  # no database takes it
            return answers.problem(Problem("not_found", "no path has U+0000 in it"), path)
        return self.api
