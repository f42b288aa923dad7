"""`/v1/messages` and `/v1/batches` over HTTP: what is taken, what is refused, and how it is told.

Every answer is also held against the OpenAPI document, by the door.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from messages.walk import NUMBER, Walk
from onesixty.entrypoints.rest.context import BODY_MOST
from onesixty.entrypoints.rest.server import Server
from onesixty.kit import ids
from onesixty.records import keys

from .door import Answer, Door, listening

SEND = "/v1/messages"
BATCH = "/v1/messages/batch"
GOOD = {"to": NUMBER, "from": "ACME", "body": "Your code is 481220"}
METADATA = {"order": 17, "note": "x" * 4070}
# What is wrong with a message, the code of its problem, and the field that is named.
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"to": "+44seven"}, "invalid_number", "/to"),
    ({"to": "+441"}, "invalid_number", "/to"),
    ({"to": "+999123456789"}, "invalid_number", "/to"),
    ({"to": NUMBER[1:]}, "invalid_number", "/to"),
    ({"to": ""}, "invalid_number", "/to"),
    ({"to": "+" + "1" * 64}, "invalid_request", "/to"),
    ({"to": 447700900000}, "invalid_request", "/to"),
    ({"to": None}, "invalid_request", "/to"),
    ({"text": "hello"}, "invalid_request", "/text"),
    ({"body": ""}, "empty_body", "/body"),
    ({"body": None}, "invalid_request", "/body"),
    ({"body": "x" * 40_001}, "invalid_request", "/body"),
    ({"body": "x" * 2_000}, "body_too_long", "/body"),
    ({"body": "x" * 161, "max_segments": 1}, "body_too_long", "/body"),
    ({"max_segments": 0}, "invalid_request", "/max_segments"),
    ({"max_segments": 256}, "invalid_request", "/max_segments"),
    ({"body": "Привет", "encoding": "gsm7"}, "not_encodable", "/body"),
    ({"encoding": "latin1"}, "invalid_request", "/encoding"),
    ({"from": "twelve chars"}, "invalid_sender", "/from"),
    ({"from": "Ünïcode"}, "invalid_sender", "/from"),
    ({"from": "x" * 65}, "invalid_request", "/from"),
    ({"category": "spam"}, "invalid_request", "/category"),
    ({"channel": "fax"}, "invalid_request", "/channel"),
    ({"tags": ["x"] * 21}, "invalid_request", "/tags"),
    ({"tags": ["fine", "x" * 65]}, "invalid_request", "/tags/1"),
    ({"tags": [""]}, "invalid_request", "/tags/0"),
    ({"metadata": METADATA | {"more": 1}}, "invalid_request", "/metadata"),
    ({"metadata": {"number": 1 << 70}}, "invalid_request", "/metadata"),
    ({"metadata": ["no object"]}, "invalid_request", "/metadata"),
    ({"reference": "x" * 256}, "invalid_request", "/reference"),
    ({"send_at": "2030-01-01T00:00:00"}, "invalid_request", "/send_at"),
    ({"send_at": "tomorrow"}, "invalid_request", "/send_at"),
    ({"send_at": "2999-01-01T00:00:00Z"}, "send_at_out_of_range", "/send_at"),
    ({"validity_seconds": 0}, "invalid_request", "/validity_seconds"),
    ({"validity_seconds": 604_801}, "invalid_request", "/validity_seconds"),
    ({"callback_url": "http://127.0.0.1/x"}, "url_not_allowed", "/callback_url"),
    ({"body": "a\0b"}, "invalid_request", "/body"),
    ({"from": "A\0B"}, "invalid_request", "/from"),
    ({"tags": ["a", "b\0"]}, "invalid_request", "/tags/1"),
    ({"metadata": {"a/b": [1, "\0"]}}, "invalid_request", "/metadata/a~1b/1"),
    ({"metadata": {"a\0": 1}}, "invalid_request", "/metadata"),
]
MALFORMED = [
    b"",
    b"{",
    b"hello",
    b'{"to": "+447700900000", "body": "\\ud83d"}',
    b'{"to": "+447700900000", "body": "\xed\xa0\xbd"}',
    b'{"to": "+447700900000", "body": "\xff"}',
    b'{"to": "+447700900000", "body": "a\0b"}',
    b'{"metadata": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
]
# Of an answer, what two ways to the same function must have in common.
OWN = ("id", "created_at", "instance")


@pytest.fixture
async def around(sending: Door, server: Server) -> AsyncIterator[Door]:
    """The same API without the short way in for sends."""
    async with listening(server.api) as url:
        yield replace(sending, url=url)


def encoded(change: dict[str, Any]) -> bytes:
    """A message that is good but for this."""
    return json.dumps(GOOD | change).encode()  # orjson refuses what the server must


def told(problem: dict[str, Any], code: str, pointer: str) -> None:
    """Assert that a problem has this code, names this field, and has words for it."""
    assert problem["code"] == code, problem
    assert pointer in [one["pointer"] for one in problem["errors"]], problem
    assert all(one["detail"] for one in problem["errors"])
    assert problem["detail"]
    assert problem["type"] == f"/problems/{code}"


async def send(door: Door, **more: Any) -> dict[str, Any]:
    """A message that must be taken."""
    answer = await door.ask("POST", SEND, GOOD | more)
    assert answer.status == 202, answer
    found: dict[str, Any] = answer.body
    return found


async def in_chunks(raw: bytes) -> AsyncIterator[bytes]:
    """A body that is sent without a Content-Length."""
    for start in range(0, len(raw), 1 << 20):
        yield raw[start : start + (1 << 20)]


async def test_a_good_message(sending: Door) -> None:
    """A message is answered as queued with what was decided, and reads the same afterwards."""
    more = {"tags": ["otp"], "metadata": METADATA, "reference": "r-1", "category": "otp"}
    made = await send(sending, **more)
    assert (made["status"], made["to"], made["from"]) == ("queued", NUMBER, "ACME")
    assert (made["encoding"], made["segments"], made["route"]) == ("gsm7", 1, "all")
    assert {name: made[name] for name in more} == more
    read = (await sending.ask("GET", f"{SEND}/{made['id']}")).body
    assert {**read, "status": "queued"} == made
    assert (await send(sending, **{"from": None}))["from"] == "ACME", "the account's default"


async def test_wrong_messages(sending: Door, walk: Walk) -> None:
    """Every wrong field is answered with 422, its code and its pointer; nothing is stored."""
    for change, code, pointer in WRONG:
        answer = await sending.ask("POST", SEND, encoded(change))
        assert answer.status == 422, (change, answer)
        told(answer.body, code, pointer)
        assert answer.headers["content-type"] == "application/problem+json"
    for missing in ("to", "body"):
        body = {name: value for name, value in GOOD.items() if name != missing}
        told((await sending.ask("POST", SEND, body)).body, "invalid_request", f"/{missing}")
    assert await walk.count("messages") == 0


async def test_wrong_messages_harm_no_others(sending: Door, walk: Walk) -> None:
    """In a batch every wrong message comes back by its index, and all others are taken."""
    entries = [entry for change, *_ in WRONG for entry in (GOOD | change, GOOD)]
    answer = await sending.ask("POST", BATCH, json.dumps({"messages": entries}).encode())
    assert (answer.status, answer.body["refused"]) == (202, len(WRONG))
    assert [one["index"] for one in answer.body["results"]] == list(range(len(entries)))
    for (_, code, pointer), entry in zip(WRONG, answer.body["results"][::2], strict=True):
        told(entry["problem"], code, pointer)
    assert all(one["id"].startswith("msg_") for one in answer.body["results"][1::2])
    assert await walk.count("messages") == len(WRONG)


async def test_several_wrong_fields(sending: Door) -> None:
    """All wrong fields are told at once, and what no field has is said to be none."""
    answer = await sending.ask("POST", SEND, {"too": NUMBER, "body": 1, "max_segments": "many"})
    pointers = {one["pointer"] for one in answer.body["errors"]}
    assert pointers == {"/to", "/too", "/body", "/max_segments"}
    assert "no such field" in str(answer.body["errors"])


async def test_a_literal_backslash(sending: Door) -> None:
    """A text that spells an escape out is no NUL and passes as it is."""
    assert (await send(sending, body="\\u0000"))["body"] == "\\u0000"


@pytest.mark.parametrize("path", [SEND, BATCH, f"{SEND}/preview"])
async def test_malformed_json(sending: Door, path: str) -> None:
    """What is no JSON or no UTF-8, lone surrogates included, is 400; a wrong kind of JSON 422."""
    for raw in MALFORMED:
        answer = await sending.ask("POST", path, raw)
        assert (answer.status, answer.body["code"]) == (400, "malformed_json"), raw
    for raw in (b"[]", b"null", b"7", b'"text"'):
        assert (await sending.ask("POST", path, raw)).body["code"] == "invalid_request"


async def test_keys(sending: Door, walk: Walk) -> None:
    """No, unknown, revoked and expired keys are 401; a key without the scope is 403 and told it."""
    async with walk.database.write() as tx:
        ends = walk.clock.now() + timedelta(seconds=60)
        old = await keys.create(tx, walk.account, "old", ["*"], expires_at=ends)
    gone = (await sending.ask("POST", "/v1/keys", {"name": "x", "scopes": ["*"]})).body
    await sending.ask("DELETE", f"/v1/keys/{gone['id']}")
    await walk.clock.advance(61)
    for key in ("", "os_live_nonsense", "ü", gone["key"], old.text):
        for method, path in (("POST", SEND), ("GET", SEND), ("POST", BATCH)):
            answer = await sending.ask(method, path, GOOD if method == "POST" else None, key=key)
            assert (answer.status, answer.body["code"]) == (401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
    reader = await sending.key_of(walk.account, "messages:read")
    writer = await sending.key_of(walk.account, "messages:write")
    for key, scope, method, path in (
        (reader, "messages:write", "POST", SEND),
        (reader, "messages:write", "POST", BATCH),
        (writer, "messages:read", "GET", SEND),
        (writer, "messages:read", "POST", f"{SEND}/preview"),
    ):
        answer = await sending.ask(method, path, GOOD if method == "POST" else None, key=key)
        assert (answer.status, answer.body["code"]) == (403, "forbidden")
        assert scope in answer.body["detail"]


@pytest.mark.parametrize("path", [SEND, BATCH, f"{SEND}/preview"])
async def test_oversized_bodies(sending: Door, path: str) -> None:
    """A body over the limit is 413, whether its length is told beforehand or not."""
    raw = b" " * (BODY_MOST + 1)
    headers = {"Authorization": f"Bearer {sending.key}"}
    for data in (raw, in_chunks(raw)):
        async with sending.session.post(sending.url + path, data=data, headers=headers) as answer:
            body = await answer.json(content_type="application/problem+json")
        assert (answer.status, body["code"]) == (413, "body_too_large")
        assert f"{BODY_MOST:,}" in body["detail"]
    await send(sending)


async def test_both_ways_in(sending: Door, around: Door) -> None:
    """The short way in for sends answers what FastAPI's route answers, good or bad."""
    reader = await sending.key_of(sending.account_id, "messages:read")
    cases: list[tuple[bytes, dict[str, Any]]] = [
        (orjson.dumps(GOOD), {}),
        (encoded({"dry_run": True}), {}),
        (orjson.dumps(GOOD), {"key": ""}),
        (orjson.dumps(GOOD), {"key": "os_live_nonsense"}),
        (orjson.dumps(GOOD), {"key": reader}),
        (orjson.dumps(GOOD), {"headers": {"Idempotency-Key": "x" * 256}}),
        (orjson.dumps(GOOD), {"headers": {"Content-Type": "text/plain"}}),
        (b" " * (BODY_MOST + 1), {}),
        *[(raw, {}) for raw in MALFORMED],
        *[(encoded(change), {}) for change, *_ in WRONG],
    ]
    for raw, more in cases:
        one = await sending.ask("POST", SEND, raw, **more)
        other = await around.ask("POST", SEND, raw, **more)
        assert common(one) == common(other), raw[:200]
    for door, key in ((sending, "one"), (around, "other")):
        headers = {"Idempotency-Key": key}
        first = await door.ask("POST", SEND, GOOD, headers=headers)
        for again in (sending, around):
            kept = await again.ask("POST", SEND, GOOD, headers=headers)
            assert (kept.status, kept.body) == (202, first.body)
            assert kept.headers["idempotency-replayed"] == "true"
            other = await again.ask("POST", SEND, GOOD | {"body": "b"}, headers=headers)
            assert other.body["code"] == "idempotency_conflict"


def common(answer: Answer) -> tuple[int, dict[str, str], dict[str, Any]]:
    """An answer without what is new in each, or of the moment."""
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    headers.pop("connection", None)
    body = {name: value for name, value in answer.body.items() if name not in OWN}
    assert answer.body.get("instance", SEND) == SEND
    return answer.status, headers, body


async def test_idempotency(sending: Door, walk: Walk) -> None:
    """A repeat is the first answer again and stores nothing; another body with its key is 409."""
    for path, body in ((SEND, GOOD), (BATCH, {"messages": [GOOD, {"to": "x"}]})):
        headers = {"Idempotency-Key": f"key of {path}"}
        first = await sending.ask("POST", path, body, headers=headers)
        assert "idempotency-replayed" not in first.headers
        count = await walk.count("messages")
        second = await sending.ask("POST", path, body, headers=headers)
        assert (second.status, second.body) == (202, first.body)
        assert second.headers["idempotency-replayed"] == "true"
        other = await sending.ask("POST", path, body | {"tags": ["new"]}, headers=headers)
        assert (other.status, other.body["code"]) == (409, "idempotency_conflict")
        assert await walk.count("messages") == count


async def test_dry_run_and_preview(sending: Door, walk: Walk) -> None:
    """Both tell what a send would do, or why not, and store nothing."""
    wanted = GOOD | {"body": "“quoted”", "smart_encoding": True}
    dry = await sending.ask("POST", SEND, wanted | {"dry_run": True})
    seen = await sending.ask("POST", f"{SEND}/preview", wanted)
    assert (dry.status, seen.status, seen.body) == (200, 200, dry.body)
    assert (seen.body["body"], seen.body["body_changed"]) == ('"quoted"', True)
    assert (seen.body["encoding"], seen.body["segments"]) == ("gsm7", 1)
    assert (seen.body["carrier"], seen.body["route"]) == ("main", "all")
    plain = await sending.ask("POST", f"{SEND}/preview", wanted | {"smart_encoding": False})
    assert (plain.body["encoding"], plain.body["body_changed"]) == ("ucs2", False)
    for path, more in ((SEND, {"dry_run": True}), (f"{SEND}/preview", {})):
        refused = await sending.ask("POST", path, GOOD | {"to": "+44seven"} | more)
        told(refused.body, "invalid_number", "/to")
    assert await walk.count("messages") == 0


async def test_pages(sending: Door) -> None:
    """Messages are listed newest first, over three pages, each once."""
    made = [(await send(sending))["id"] for _ in range(5)]
    found, after, sizes = [], "", []
    while True:
        page = (await sending.ask("GET", f"{SEND}?limit=2{after}")).body
        found += [one["id"] for one in page["data"]]
        sizes.append(len(page["data"]))
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert (found, sizes) == (made[::-1], [2, 2, 1])


async def test_filters(sending: Door) -> None:
    """Each filter finds the message that has it and no other."""
    when = sending.clock.now() + timedelta(hours=1)
    later = (await send(sending, send_at=when.isoformat()))["id"]
    odd = {"to": "+447700900999", "from": "ODD", "body": "an unusual pineapple"}
    wanted = (await send(sending, **odd, tags=["rare"], reference="r-9"))["id"]
    result = (await sending.ask("POST", BATCH, {"messages": [GOOD]})).body
    in_batch = result["results"][0]["id"]
    for query, expected in (
        ("status=scheduled", [later]),
        ("status=scheduled,canceled", [later]),
        ("to=%2B447700900999", [wanted]),
        ("from=ODD", [wanted]),
        ("tag=rare", [wanted]),
        ("reference=r-9", [wanted]),
        ("q=pineapple", [wanted]),
        (f"batch={result['id']}", [in_batch]),
        ("carrier=main", [in_batch, wanted, later]),
        ("carrier=none", []),
        ("direction=outbound&tag=rare", [wanted]),
        ("direction=inbound", []),
        ("created_before=2001-01-01T00:00:00Z", []),
        ("created_after=2001-01-01T00:00:00Z", [in_batch, wanted, later]),
    ):
        found = (await sending.ask("GET", f"{SEND}?{query}")).body["data"]
        assert [one["id"] for one in found] == expected, query


async def test_wrong_filters(sending: Door) -> None:
    """A filter that cannot be meant is refused by name."""
    for query, pointer in (
        ("status=lost", "/status"),
        ("status=", "/status"),
        ("after=cur_1", "/after"),
        ("after=%00", "/after"),
        ("limit=0", "/limit"),
        ("limit=1001", "/limit"),
        ("limit=few", "/limit"),
        ("batch=msg_1", "/batch"),
        ("direction=up", "/direction"),
        ("created_after=2026-01-01T00:00:00", "/created_after"),
        ("to=%00", "/to"),
        ("tag=a%00", "/tag"),
        ("q=%00", "/q"),
        ("reference=%00", "/reference"),
        ("from=%00", "/from"),
        ("colour=red", "/colour"),
    ):
        answer = await sending.ask("GET", f"{SEND}?{query}")
        assert answer.status == 422, query
        told(answer.body, "invalid_request", pointer)


async def test_another_account(sending: Door) -> None:
    """What belongs to another account is not found, whatever is asked of it, nor listed."""
    message = f"{SEND}/{(await send(sending))['id']}"
    batch = (await sending.ask("POST", BATCH, {"messages": [GOOD]})).body["id"]
    stranger = await sending.key_of(await sending.account("other"), "*")
    for method, path in (
        ("GET", message),
        ("GET", f"{message}/timeline"),
        ("POST", f"{message}/cancel"),
        ("GET", f"/v1/batches/{batch}"),
        ("POST", f"/v1/batches/{batch}/cancel"),
    ):
        answer = await sending.ask(method, path, key=stranger)
        assert (answer.status, answer.body["code"]) == (404, "not_found")
    assert (await sending.ask("GET", SEND, key=stranger)).body["data"] == []
    told_no_route = await sending.ask("POST", SEND, GOOD, key=stranger)
    told(told_no_route.body, "no_route", "/to")


async def test_unknown_paths_and_methods(sending: Door) -> None:
    """Unknown ids and paths are 404, wrong methods 405 with those that are allowed."""
    for path in (
        f"{SEND}/{ids.to_text('msg', ids.uuid7())}",
        f"{SEND}/msg_1",
        f"{SEND}/%00",
        f"{SEND}/",
        "/v1/nothing",
        "/v2/messages",
        "/v1/batches/bat_1",
    ):
        answer = await sending.ask("GET", path)
        assert (answer.status, answer.body["code"]) == (404, "not_found"), path
    for method, path in (("DELETE", SEND), ("PUT", SEND), ("PATCH", SEND), ("PUT", BATCH)):
        answer = await sending.ask(method, path)
        assert (answer.status, answer.body["code"]) == (405, "method_not_allowed")
        assert answer.headers["allow"]


async def test_cancel(sending: Door, walk: Walk) -> None:
    """A scheduled message is cancelled, again without effect; one that was sent is 409."""
    when = (sending.clock.now() + timedelta(hours=1)).isoformat()
    made = await send(sending, send_at=when)
    assert made["status"] == "scheduled"
    for _ in range(2):
        canceled = await sending.ask("POST", f"{SEND}/{made['id']}/cancel")
        assert (canceled.status, canceled.body["status"]) == (200, "canceled")
    timeline = (await sending.ask("GET", f"{SEND}/{made['id']}/timeline")).body
    assert [one["type"] for one in timeline["events"]] == ["message.canceled"]
    sent = (await send(sending))["id"]
    walk.carrier.accept(*await walk.carrier.took(1))
    await walk.settled()
    late = await sending.ask("POST", f"{SEND}/{sent}/cancel")
    assert (late.status, late.body["code"]) == (409, "conflict")
    assert "it is sent" in late.body["detail"]


async def test_a_batch_for_recipients(sending: Door) -> None:
    """One text for many: entries have references of their own, wrong ones come back by index."""
    entries = [{"to": NUMBER, "reference": "a"}, {"to": "x"}, NUMBER, {"to": NUMBER, "body": "b"}]
    body = {"from": "ACME", "body": "one text", "tags": ["all"], "recipients": entries}
    answer = await sending.ask("POST", BATCH, body)
    first, *others = answer.body["results"]
    assert (answer.status, answer.body["accepted"], answer.body["refused"]) == (202, 1, 3)
    codes = [one["problem"]["code"] for one in others]
    assert codes == ["invalid_number", "invalid_request", "invalid_request"]
    message = (await sending.ask("GET", f"{SEND}/{first['id']}")).body
    assert (message["reference"], message["body"], message["tags"]) == ("a", "one text", ["all"])
    assert message["batch"] == answer.body["id"]


async def test_wrong_batches(sending: Door, walk: Walk) -> None:
    """What is wrong with a batch as a whole is 422 and stores nothing."""
    for body, pointer in (
        ({}, ""),
        ({"messages": []}, ""),
        ({"recipients": [{"to": NUMBER}]}, "/body"),
        ({"body": "x", "recipients": [{"to": NUMBER}], "messages": [GOOD]}, ""),
        ({"messages": [GOOD] * 10_001}, "/messages"),
        ({"messages": GOOD}, "/messages"),
        ({"messages": [GOOD], "colour": "red"}, "/colour"),
        ({"body": "a\0", "recipients": [{"to": NUMBER}]}, "/body"),
        ({"messages": [GOOD], "callback_url": "http://10.0.0.1"}, "/callback_url"),
    ):
        answer = await sending.ask("POST", BATCH, body)
        assert answer.status == 422
        told(answer.body, answer.body["code"], pointer)
    assert await walk.count("messages") == 0


async def test_a_batch_as_it_stands(sending: Door) -> None:
    """A batch tells where its messages stand, and cancels those that no carrier has."""
    when = (sending.clock.now() + timedelta(hours=1)).isoformat()
    entries = [GOOD, GOOD | {"send_at": when}, GOOD | {"send_at": when}, GOOD | {"to": "x"}]
    made = (await sending.ask("POST", BATCH, {"messages": entries})).body
    path = f"/v1/batches/{made['id']}"
    shown = (await sending.ask("GET", path)).body
    assert (shown["accepted"], shown["refused"]) == (3, 1)
    assert shown["statuses"] == {"sending": 1, "scheduled": 2}
    for _ in range(2):
        canceled = await sending.ask("POST", f"{path}/cancel")
        assert canceled.body["statuses"] == {"sending": 1, "canceled": 2}
