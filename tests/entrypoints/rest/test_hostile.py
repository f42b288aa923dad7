"""Nonsense in every parameter and field of every operation: told what is wrong, never a failure."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import orjson
import pytest
import pytest_asyncio

from .whole import KEY, Api, whole_api

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORDS = [
    "",
    "\0",
    "-1",
    "99999999999999999999",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "%_\\👋\"';--",
    "x" * 5000,
]
IDS = [f"{kind}_7{'z' * 25}" for kind in ("msg", "bat", "evt", "acc", "key", "whk", "cur")]
FIELDS = [
    *(orjson.dumps(word) for word in (*WORDS, *IDS)),
    b"null",
    b"-1",
    b"2147483648",
    b"9223372036854775808",
    b"1e999",
    b"NaN",
    b"[]",
    b"[[]]",
    b'["\\u0000"]',
    b'{"\\u0000":{"a":[9223372036854775808]}}',
    b'"\\ud800"',
    b'"\xed\xa0\x80"',
]
FILES = [
    *FIELDS,
    b"\xff\xfe\0",
    b"prefix,price\n\0,1\n1,\0\n",
    b"prefix,price\r1,1\r\n2,2\n",
    b"prefix,price\n" + b"1" * 200_000,
    b'price,prefix\n"1',
    b"prefix,network,channel,price,valid_from,valid_until\n1,,,999999999.999999,0001-01-01,9999-12-31",
    b"- [",
    b"a: &a [*a]",
]
# Members without an example that others are not looked at without.
NEEDED: dict[str, dict[str, Any]] = {
    "/v1/keys": {"scopes": ["*"]},
    "/v1/messages": {"from": "ACME"},
    "/v1/messages/batch": {"from": "ACME", "recipients": [{"to": "+447700900123"}]},
}
AT_ONCE = 16
Request = tuple[str, str, bytes | None, dict[str, str]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(server_url: str, template: str) -> AsyncIterator[Api]:
    """One API for all tests here."""
    async with whole_api(server_url, template) as found:
        yield found


def requests(api: Api) -> Iterator[Request]:
    """Requests to every operation that ends by itself, with one bad thing in each.

    Of three neighbouring parameters or members each gets a third of the bad things.
    """
    for path, methods in api.openapi["paths"].items():
        if path == "/v1/events/stream":
            continue
        for method, operation in methods.items():
            parameters = operation.get("parameters", ())
            whole = api.filled(path, {})
            body = b"{}" if "requestBody" in operation else None
            for number, one in enumerate(parameters):
                name, place = one["name"], one["in"]
                for word in (*WORDS, *IDS)[number % 3 :: 3]:
                    if place == "path":
                        yield method, api.filled(path, {name: word}), body, {}
                    elif place == "query":
                        yield method, f"{whole}?{quote(name)}={quote(word)}", body, {}
                    elif word.isascii() and word.isprintable():
                        yield method, whole, body, {name: word}
            if body:
                for raw in bodies(api, path, operation):
                    yield method, whole, raw, {}


def bodies(api: Api, path: str, operation: dict[str, Any]) -> Iterator[bytes]:
    """Bodies with one bad member in each, beside good ones where the document shows them."""
    content = operation["requestBody"]["content"]
    schema = content.get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        schema = api.openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "properties" not in schema:  # a file
        yield from FILES
        return
    good = NEEDED.get(path, {}) | {
        name: member["examples"][0]
        for name, member in schema["properties"].items()
        if member.get("examples")
    }
    for place, name in enumerate(schema["properties"]):
        others = b"".join(
            b",%b:%b" % (orjson.dumps(other), orjson.dumps(value))
            for other, value in good.items()
            if other != name
        )
        for raw in FIELDS[place % 3 :: 3]:
            yield b"{%b:%b%b}" % (orjson.dumps(name), raw, others)


async def test_no_operation_fails(api: Api) -> None:
    """No value of any parameter, header or field makes any operation answer 500."""
    waiting, failed = requests(api), []

    async def ask() -> None:
        for method, path, body, headers in waiting:
            status, answer = await api.ask(method, path, body, headers)
            if status >= 500:
                failed.append((method, path[:100], (body or b"")[:200], headers, answer))

    await asyncio.gather(*[ask() for _ in range(AT_ONCE)])
    assert failed == []


async def test_streams(api: Api) -> None:
    """A stream that cannot be meant is refused before it begins."""
    for query, headers in [
        ("?type=message.lost", {}),
        ("?message=bat_7" + "z" * 25, {}),
        ("?colour=red", {}),
        ("", {"Last-Event-ID": "yesterday"}),
    ]:
        status, answer = await api.ask("GET", f"/v1/events/stream{query}", headers=headers)
        assert (status, answer["code"]) == (422, "invalid_request")
    made_up = {"Authorization": f"Bearer {KEY}", "Last-Event-ID": "evt_7" + "z" * 25}
    async with api.session.get(f"{api.url}/v1/events/stream", headers=made_up) as stream:
        assert (stream.status, await stream.content.readline()) == (200, b"retry: 2000\n")
