"""How problems are explained: in the OpenAPI document, and on the pages that `type` points to."""

from html import escape
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from onesixty.kit.problems import KINDS, Kind, Problem, document

MEDIA_TYPE: Final = "application/problem+json"
# For `openapi_extra` of paths that take no key.
WITHOUT_KEY: Final[dict[str, Any]] = {"security": []}
# Any door with a key can answer these.
_EVERYWHERE: Final = ("unauthorized", "forbidden", "unavailable", "internal_error")

router = APIRouter(tags=["Server"])


class ProblemField(BaseModel):
    """One wrong field of the request."""

    pointer: str = Field(description="JSON pointer (RFC 6901) into the body", examples=["/to"])
    code: str = Field(examples=["missing"])
    detail: str = Field(examples=["Field required"])


class ProblemDocument(BaseModel):
    """What is wrong, for programs (`code`) and for people (`detail`): RFC 9457."""

    type: str = Field(description="A page of this server that explains the problem")
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable; decide by it", json_schema_extra={"enum": list(KINDS)})
    errors: list[ProblemField] = Field(default_factory=list, description="The wrong fields")
    instance: str | None = Field(default=None, description="The path that was asked")


def problem_responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a path: these problems and those of every door, with examples."""
    by_status: dict[int | str, list[Kind]] = {}
    if "malformed_json" in codes:  # then there is a body
        codes = (*codes, "body_too_large")
    for code in dict.fromkeys((*codes, *_EVERYWHERE)):
        by_status.setdefault(KINDS[code].http_status, []).append(KINDS[code])
    responses = {status: _response(kinds) for status, kinds in by_status.items()}
    return responses | {"default": {"description": "Another problem", "content": _content()}}


def _response(kinds: list[Kind]) -> dict[str, Any]:
    examples = {
        kind.code: {"summary": kind.title, "value": document(Problem(kind.code, kind.advice))}
        for kind in kinds
    }
    content = _content()
    content[MEDIA_TYPE]["examples"] = examples
    return {"description": "; ".join(kind.title for kind in kinds), "content": content}


def _content() -> dict[str, dict[str, Any]]:
    return {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}


@router.get(
    "/problems", response_class=HTMLResponse, summary="All problems", openapi_extra=WITHOUT_KEY
)
async def list_problems() -> HTMLResponse:
    """A page with every problem that this server can answer."""
    rows = "".join(
        f'<tr><td>{kind.http_status}</td><td><a href="/problems/{kind.code}">{kind.code}</a></td>'
        f"<td>{escape(kind.title)}</td></tr>"
        for kind in sorted(KINDS.values(), key=lambda kind: (kind.http_status, kind.code))
    )
    table = f"<table><tr><th>Status</th><th>Code</th><th>Meaning</th></tr>{rows}</table>"
    return HTMLResponse(_page("Problems", table))


@router.get(
    "/problems/{code}",
    response_class=HTMLResponse,
    summary="One problem",
    responses={key: problem_responses("not_found")[key] for key in (404, "default")},
    openapi_extra=WITHOUT_KEY,
)
async def show_problem(code: str) -> HTMLResponse:
    """The page that the `type` of a problem points to: what it means and what to do."""
    kind = KINDS.get(code)
    if kind is None:
        raise Problem("not_found", f"there is no problem {code}; /problems lists them all")
    return HTMLResponse(_page(kind.title, _explanation(kind)))


def add_schemas(openapi: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with the schema that `problem_responses` refers to."""
    schema = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = openapi.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(schema.pop("$defs"))
    schemas["ProblemDocument"] = schema
    return openapi


def _explanation(kind: Kind) -> str:
    numbers = [("Code", kind.code), ("HTTP status", str(kind.http_status))]
    if kind.twilio_code is not None:
        numbers.append(("Error number at the Twilio-compatible door", str(kind.twilio_code)))
    if kind.smpp_status is not None:
        numbers.append(("SMPP command_status", f"0x{kind.smpp_status:08X}"))
    rows = "".join(
        f"<tr><th>{name}</th><td><code>{value}</code></td></tr>" for name, value in numbers
    )
    return (
        f"<h2>What to do</h2><p>{_with_code(kind.advice)}</p><table>{rows}</table>"
        '<p><a href="/problems">All problems</a></p>'
    )


def _with_code(text: str) -> str:
    pieces = escape(text).split("`")
    return "".join(
        f"<code>{piece}</code>" if number % 2 else piece for number, piece in enumerate(pieces)
    )


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} - Onesixty</title><style>"
        "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem}"
        "table{border-collapse:collapse;margin:1rem 0}"
        "th,td{text-align:left;padding:.3rem 1rem .3rem 0}"
        "code{background:#f2f2f2;color:#222;padding:.1rem .3rem;border-radius:.2rem}"
        "@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}a{color:#8bf}}"
        f"</style></head><body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )
