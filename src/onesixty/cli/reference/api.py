"""The page of the HTTP API, and the OpenAPI document that it is made from."""

from collections.abc import Iterator
from typing import Any, Final

import orjson

from onesixty.cli.reference.markdown import code, page, table
from onesixty.entrypoints.rest.context import Context
from onesixty.entrypoints.rest.server import create_api

_PROBLEM: Final = "application/problem+json"
# What every door with a key can answer, said once at the top.
_EVERYWHERE: Final = ("401", "403", "500", "default")


def document() -> dict[str, Any]:
    """The OpenAPI document. It needs no running platform: nothing is asked, only described."""
    nothing: Any = None
    parts = (nothing,) * 8
    return create_api(Context(*parts, allow_private_urls=False, configs=nothing)).openapi()


def as_json(openapi: dict[str, Any]) -> str:
    """The document as a file."""
    return orjson.dumps(openapi, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def listing(openapi: dict[str, Any]) -> str:
    """Every path with its parameters, fields and answers, and every object."""
    operations = [
        (method.upper(), path, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    tags = dict.fromkeys(operation["tags"][0] for _, _, operation in operations)
    blocks = []
    for tag in tags:
        blocks.append(f"## {tag.capitalize()}")
        blocks += [_operation(*one) for one in operations if one[2]["tags"][0] == tag]
    objects = [
        f"### {name}\n\n{_description(schema)}\n\n{_fields(schema)}".strip()
        for name, schema in openapi["components"]["schemas"].items()
        if "properties" in schema
    ]
    return page("HTTP API", _INTRODUCTION, *blocks, "## Objects", *objects)


_INTRODUCTION: Final = """\
A server describes itself at `/openapi.json` (OpenAPI 3.1), as does [openapi.json](openapi.json).

Every request but those under "Server" carries `Authorization: Bearer <key>`. Bodies are JSON in
UTF-8, unknown fields are refused, times are RFC 3339 in UTC. Lists are newest first: `limit` takes
1 to 1000, and `next` of a page, given as `after`, leads to the page behind it. Errors are
[problems](problems.md): any path can answer 401 `unauthorized`, 403 `forbidden`, 500
`internal_error` and 503 `unavailable`."""


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [
        f"### {method} {path}",
        f"{operation['summary'].removesuffix('.')}. {operation.get('description', '')}".strip(),
        table(
            ("Parameter", "Type", "Meaning"),
            [_parameter(one) for one in operation.get("parameters", ())],
        ),
        _body(operation),
        table(("Answer", "Meaning"), list(_answers(operation["responses"]))),
    ]
    return "\n\n".join(part for part in parts if part)


def _parameter(one: dict[str, Any]) -> tuple[str, str, str]:
    schema = one["schema"]
    meaning = one.get("description") or schema.get("description", "")
    place = "" if one["in"] == "query" else f" ({one['in']})"
    return code(one["name"]) + place, _type(schema), _with_default(meaning, schema)


def _body(operation: dict[str, Any]) -> str:
    body = operation.get("requestBody", {})
    content = body.get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        return f"Body: {_type(schema)}"
    if "properties" in schema:
        return _fields(schema)
    return f"Body: {body['description']}" if "description" in body else ""


def _answers(responses: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for status, response in sorted(responses.items()):
        if status in _EVERYWHERE:
            continue
        content = response.get("content", {})
        if _PROBLEM in content:
            codes = list(content[_PROBLEM].get("examples", {}))
            if codes != ["unavailable"]:
                yield status, ", ".join(map(code, codes))
            continue
        schemas = [kind.get("schema") for kind in content.values()]
        shown = " or ".join(_type(schema) for schema in schemas if schema and "$ref" in schema)
        said = response["description"]
        yield status, shown or ("Done" if said == "Successful Response" else said)


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        (
            code(name)
            + (" (required)" if name in required and "additionalProperties" in schema else ""),
            _type(field),
            _with_default(_description(field), field),
        )
        for name, field in schema["properties"].items()
    ]
    return table(("Field", "Type", "Meaning"), rows)


def _description(schema: dict[str, Any]) -> str:
    found: str = schema.get("description", "")
    for one in schema.get("anyOf", ()):
        found = found or one.get("description", "")
    return found


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(code(one) for one in schema["enum"])
    if "const" in schema:
        return code(schema["const"])
    if schema.get("type") == "array":
        inner = _type(schema.get("items", {}))
        return f"list of {inner}" if inner != "any" else "list"
    if schema.get("format") == "date-time":
        return "time"
    kind: str = schema.get("type", "any")
    return kind + _bounds(schema)


def _bounds(schema: dict[str, Any]) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f", {schema['minimum']:g} to {schema['maximum']:,.10g}".replace(",.", ".")
    if "maxLength" in schema:
        return f", at most {schema['maxLength']:,} characters"
    return ""


def _with_default(meaning: str, schema: dict[str, Any]) -> str:
    default = schema.get("default")
    if default in (None, "", [], {}):
        return meaning
    return f"{meaning} Default: {code(orjson.dumps(default).decode())}.".strip()
