"""The OpenAPI document: whole, resolvable, and true of what is answered."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from messages.walk import NUMBER
from onesixty.kit.problems import KINDS

from .door import Door

METHODS = {"get", "post", "put", "patch", "delete"}
PROBLEM = "application/problem+json"


@pytest.fixture
def document(sending: Door) -> dict[str, Any]:
    """The document of the whole API."""
    return sending.openapi


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation with its name."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method} {path}", operation


def schema_of(document: dict[str, Any], name: str) -> Draft202012Validator:
    """A validator of one component, strict about members that it does not have."""
    components = document["components"]
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": components})


def found(document: Any, name: str) -> Iterator[Any]:
    """The values of a member, at any depth."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == name:
                yield value
            yield from found(value, name)
    elif isinstance(document, list):
        for entry in document:
            yield from found(entry, name)


async def test_served(sending: Door) -> None:
    """The document is served to everybody as it is here, and is OpenAPI 3.1."""
    answer = await sending.ask("GET", "/openapi.json", key="")
    assert (answer.status, answer.body) == (200, sending.openapi)
    assert answer.body["openapi"].startswith("3.1.")
    assert answer.body["info"].keys() >= {"title", "version"}
    assert answer.body["security"] == [{"key": []}]
    assert answer.body["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


async def test_operations(document: dict[str, Any]) -> None:
    """Every operation has a known method, a summary, an id of its own, and all path parameters."""
    names = set()
    for name, operation in operations(document):
        method, _, path = name.partition(" ")
        assert method in METHODS
        assert operation["summary"], name
        assert operation["operationId"] not in names
        names.add(operation["operationId"])
        given = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
        assert given == {part[1:-1] for part in path.split("/") if part.startswith("{")}, name
        assert any(status.startswith("2") for status in operation["responses"]), name
        assert all(one["description"] for one in operation["responses"].values()), name


async def test_problems(document: dict[str, Any]) -> None:
    """Every operation that takes a key documents its problems, each with a true example."""
    problems = schema_of(document, "ProblemDocument")
    for name, operation in operations(document):
        if operation.get("security") == []:
            continue
        assert {"401", "403", "500", "503"} <= operation["responses"].keys(), name
        assert PROBLEM in operation["responses"]["default"]["content"], name
        assert "422" in operation["responses"] or "requestBody" not in operation, name
        for status, response in operation["responses"].items():
            content = response.get("content", {}).get(PROBLEM, {})
            assert status.startswith("2") or content, (name, status)
            for code, example in content.get("examples", {}).items():
                problems.validate(example["value"])
                assert KINDS[code].http_status == int(status)


async def test_references(document: dict[str, Any]) -> None:
    """Every reference leads to a schema of the document, and all schemas are JSON Schema."""
    schemas = document["components"]["schemas"]
    for reference in found(document, "$ref"):
        assert reference.removeprefix("#/components/schemas/") in schemas, reference
    for schema in [*schemas.values(), *found(document["paths"], "schema")]:
        Draft202012Validator.check_schema(schema)


async def test_bodies(document: dict[str, Any]) -> None:
    """Every request body has a schema of an object with described or typed members."""
    bodies = {
        name: one["requestBody"]
        for name, one in operations(document)
        if "application/json" in one.get("requestBody", {}).get("content", {})
    }
    assert {"post /v1/messages", "post /v1/messages/batch", "post /v1/messages/preview"} <= set(
        bodies
    )
    schemas = document["components"]["schemas"]
    for name, body in bodies.items():
        schema = body["content"]["application/json"]["schema"]
        schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        assert schema["type"] == "object", name
        assert schema["properties"], name


async def test_answers_fit(sending: Door) -> None:
    """Messages, lists, previews, batches, timelines and problems are what their schemas say."""
    body = {"to": NUMBER, "from": "ACME", "body": "hello", "metadata": {"a": [1]}, "tags": ["t"]}
    when = (sending.clock.now() + timedelta(hours=1)).isoformat()
    batch = {"messages": [body, {"to": "x"}]}
    made = (await sending.ask("POST", "/v1/messages", body | {"send_at": when})).body
    path = f"/v1/messages/{made['id']}"
    result = (await sending.ask("POST", "/v1/messages/batch", batch)).body
    for schema, answer in (
        ("MessageShown", made),
        ("MessageShown", (await sending.ask("GET", path)).body),
        ("MessageShown", (await sending.ask("POST", f"{path}/cancel")).body),
        ("MessagePage", (await sending.ask("GET", "/v1/messages")).body),
        ("Timeline", (await sending.ask("GET", f"{path}/timeline")).body),
        ("Preview", (await sending.ask("POST", "/v1/messages/preview", body)).body),
        ("BatchResult", result),
        ("Batch", (await sending.ask("GET", f"/v1/batches/{result['id']}")).body),
        ("ProblemDocument", (await sending.ask("POST", "/v1/messages", {})).body),
    ):
        schema_of(sending.openapi, schema).validate(answer)
