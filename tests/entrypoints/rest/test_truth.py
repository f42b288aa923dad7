"""What the OpenAPI document says of answers is true of those of the running server."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator

from .whole import Api, whole_api

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(server_url: str, template: str) -> AsyncIterator[Api]:
    """One API for all tests here."""
    async with whole_api(server_url, template) as found:
        yield found


def reads(api: Api) -> dict[str, dict[str, Any]]:
    """The GET operations that answer JSON, by their paths."""
    return {
        path: methods["get"]
        for path, methods in api.openapi["paths"].items()
        if "get" in methods
        if "application/json" in methods["get"]["responses"]["200"].get("content", {})
    }


async def test_what_is_there(api: Api) -> None:
    """Every read finds something, and answers what the document says, to the last member."""
    for path, operation in reads(api).items():
        status, found = await api.ask("GET", api.filled(path, {}))
        assert status == 200, (path, found)
        if "data" in found and "deliveries" not in path:
            assert found["data"], path
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        errors = list(Draft202012Validator(api.schema(schema)).iter_errors(found))
        assert errors == [], path


async def test_what_is_not_there(api: Api) -> None:
    """Every read of something that is not there answers a documented problem, whole."""
    nothing = {"name": "nothing", "code": "nothing", "number": "nothing", "revision": "9"} | {
        name: made.partition("_")[0] + "_0" for name, made in api.there.items() if "_id" in name
    }
    problem = Draft202012Validator(api.schema({"$ref": "#/components/schemas/ProblemDocument"}))
    for path, operation in reads(api).items():
        if "{" not in path:
            continue
        status, found = await api.ask("GET", api.filled(path, nothing))
        assert status in (404, 422), (path, found)
        assert str(status) in operation["responses"], path
        problem.validate(found)


async def test_examples_of_requests(api: Api) -> None:
    """The examples of members of request bodies fit the schemas that they are examples of."""
    for methods in api.openapi["paths"].values():
        for operation in methods.values():
            content = operation.get("requestBody", {}).get("content", {})
            for schema in (one["schema"] for one in content.values()):
                whole = schema
                if "$ref" in schema:
                    whole = api.openapi["components"]["schemas"][schema["$ref"].split("/")[-1]]
                for member in whole.get("properties", {}).values():
                    for example in member.get("examples", ()):
                        Draft202012Validator(api.schema(member)).validate(example)
