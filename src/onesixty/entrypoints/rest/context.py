"""What the HTTP door needs of the platform, and who is asking."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import Depends, Request

from onesixty.features.lookups.asking import Lookups
from onesixty.kit.clock import Clock
from onesixty.kit.problems import Problem
from onesixty.kit.secrets import Sealer, key_hash
from onesixty.messages.quality import QualityKeeper
from onesixty.messages.receive import Reader, Reread
from onesixty.messages.types import Caller
from onesixty.nodes.questions import Answers, nobody
from onesixty.records.carrier_configs import CarrierConfigs
from onesixty.records.routes import Router
from onesixty.records.snapshot import SnapshotKeeper
from onesixty.storage.database import Database

BODY_MOST = 8 * 1024 * 1024  # a batch of 10,000 with long texts


async def nobody_bound(esme_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """No ESME is bound: without an SMPP door."""
    return {one: {"sessions": [], "last_refusal": None} for one in esme_ids}


async def nothing_kept(carrier_id: int, after: UUID, read: Reader, steps_most: int) -> Reread:
    """There are no receipts to read again: without the rooms of the walk."""
    return Reread()


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the platform behind the door, wired by `app.py`.

    Kept in `request.app.state.context`.
    """

    database: Database
    keeper: SnapshotKeeper
    sealer: Sealer
    clock: Clock
    acceptor: Any  # messages.accept.Acceptor
    carrier_states: Callable[[], dict[int, dict[str, Any]]]  # live state by carrier number
    wake_webhooks: Callable[[], None]
    is_ready: Callable[[], Awaitable[list[str]]]  # reasons why not, empty when it is
    allow_private_urls: bool
    configs: CarrierConfigs  # of carriers, for those that are built here
    # Who is bound of these ESMEs, by their numbers: `sessions` and `last_refusal`.
    esme_states: Callable[[Sequence[int]], Awaitable[dict[int, dict[str, Any]]]] = nobody_bound
    # The number of a carrier, the id behind which to begin, how to read, how many steps at most.
    reread_receipts: Callable[[int, UUID, Reader, int], Awaitable[Reread]] = nothing_kept
    ask_processes: Callable[[dict[str, Any]], Awaitable[Answers]] = nobody  # for traces
    quality: QualityKeeper | None = None  # of carriers; None: without the rooms of the walk
    lookups: Lookups | None = None  # None: as without quality

    @property
    def router(self) -> Router:
        """What chooses the carriers of messages."""
        router: Router = self.acceptor.router
        return router


def context_of(request: Request) -> Context:
    """FastAPI dependency: the context."""
    context: Context = request.app.state.context
    return context


def authenticate(context: Context, header: str | None) -> Caller:
    """The caller behind an `Authorization: Bearer` header; raises Problem `unauthorized`."""
    scheme, _, text = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise Problem("unauthorized", "no API key was sent", headers={"WWW-Authenticate": "Bearer"})
    key = context.keeper.book.keys.get(key_hash(text.strip()))
    if key is None or (key.expires_at and key.expires_at <= context.clock.now()):
        raise Problem(
            "unauthorized",
            "this API key is unknown, revoked or expired",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return Caller(key.account_id, key.test, key.scopes, key.id)


def require(caller: Caller, scope: str) -> None:
    """Raise Problem `forbidden` unless the key has the scope or `*`."""
    if scope not in caller.scopes and "*" not in caller.scopes:
        raise Problem("forbidden", f"this needs a key with the scope {scope}")


def needs(scope: str) -> Any:
    """FastAPI dependency: the authenticated Caller, whose key has the scope."""

    def caller(request: Request) -> Caller:
        found = authenticate(context_of(request), request.headers.get("authorization"))
        require(found, scope)
        return found

    return Depends(caller)
