"""What machines ask the server: is it alive, can it take messages, how is it doing."""

from ipaddress import ip_address
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from onesixty.entrypoints.rest.answers import json
from onesixty.entrypoints.rest.billing.money import only_operator
from onesixty.entrypoints.rest.context import Context, authenticate, context_of, require
from onesixty.entrypoints.rest.problem_pages import WITHOUT_KEY, problem_responses
from onesixty.kit import metrics

router = APIRouter(tags=["Server"])

Here = Annotated[Context, Depends(context_of)]
# Set by proxies: then the peer is the proxy, and who asks may be anybody.
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")


class Alive(BaseModel):
    """The process turns."""

    status: str = Field(examples=["ok"])


class Readiness(BaseModel):
    """Whether messages can be taken, and if not, why."""

    status: str = Field(examples=["ready"], json_schema_extra={"enum": ["ready", "not_ready"]})
    reasons: list[str] = Field(examples=[[]])


@router.get("/healthz", response_model=Alive, summary="Is it alive?", openapi_extra=WITHOUT_KEY)
async def show_health() -> Response:
    """Restart the process when this does not answer. It asks nobody else."""
    return json({"status": "ok"})


@router.get(
    "/readyz",
    response_model=Readiness,
    summary="Can it take messages?",
    responses={503: {"model": Readiness, "description": "Not now, for these reasons"}},
    openapi_extra=WITHOUT_KEY,
)
async def show_readiness(context: Here) -> Response:
    """Send traffic here only while this answers 200."""
    reasons = await context.is_ready()
    if reasons:
        return json({"status": "not_ready", "reasons": reasons}, 503)
    return json({"status": "ready", "reasons": []})


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    summary="Metrics for Prometheus",
    responses=problem_responses(),
    openapi_extra={"security": [{}, {"key": []}]},
)
async def show_metrics(request: Request, context: Here) -> Response:
    """Metrics of this server, of all accounts together.

    From another machine it takes a key with `metrics:read` of the account at the top.
    """
    if not _is_local(request):
        caller = authenticate(context, request.headers.get("authorization"))
        require(caller, "metrics:read")
        only_operator(caller, context.keeper.book)
    return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _is_local(request: Request) -> bool:
    """Whether the peer is this machine itself, and not a proxy on it that asks for another."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        peer = ip_address(request.client.host)
    except ValueError:
        return False
    return (getattr(peer, "ipv4_mapped", None) or peer).is_loopback
