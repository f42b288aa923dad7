"""Endpoints over the API: who may make them, how they are tested, watched and replayed."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from features.webhooks.platform import Platform
from features.webhooks.receiver import Receiver, receiving
from onesixty.kit import ids
from onesixty.kit.chance import Chance
from onesixty.kit.manual_clock import ManualClock
from onesixty.kit.secrets import Sealer
from onesixty.messages.states import Status
from onesixty.records import webhooks
from onesixty.storage.database import Database

from .door import Door
from .telling import public_only, telling

HOOK = {"url": "https://example.com/hook"}


@pytest.fixture
async def platform(
    database: Database, clock: ManualClock, sealer: Sealer, chance: Chance
) -> AsyncIterator[Platform]:
    """An account and its deliverers."""
    made = await Platform.build(database, clock, sealer, chance)
    yield made
    await made.stop()


@pytest.fixture
async def door(platform: Platform) -> AsyncIterator[Door]:
    """The API over that platform."""
    async with telling(platform) as found:
        yield found


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A server that takes webhooks."""
    async with receiving() as found:
        yield found


async def number_of(platform: Platform, hook: dict[str, Any]) -> int:
    """The number of an endpoint."""
    rows = await platform.database.fetch(
        "SELECT id FROM webhook_endpoints WHERE public_id = $1", ids.from_text("whk", hook["id"])
    )
    number: int = rows[0]["id"]
    return number


async def test_lifecycle(door: Door) -> None:
    """An endpoint is made, shown, listed, changed and removed; its secret is shown once."""
    made = await door.ask("POST", "/v1/webhooks", HOOK | {"events": ["message.sent"]})
    assert made.status == 201
    assert made.body["secret"].startswith("whsec_")
    shown = {name: value for name, value in made.body.items() if name != "secret"}
    path = f"/v1/webhooks/{shown['id']}"
    assert (await door.ask("GET", path)).body == shown
    assert (await door.ask("GET", "/v1/webhooks")).body == {"data": [shown], "next": None}
    change = {"events": ["message.*", "carrier.up"], "description": "orders"}
    changed = (await door.ask("PATCH", path, change)).body
    assert (changed["events"], changed["description"]) == (["message.*", "carrier.up"], "orders")
    assert changed["url"] == HOOK["url"]
    assert (await door.ask("DELETE", path)).status == 204
    for method in ("GET", "DELETE"):
        assert (await door.ask(method, path)).status == 404


async def test_pages(door: Door) -> None:
    """Endpoints are listed newest first, page by page; an account has at most 100."""
    made = [(await door.ask("POST", "/v1/webhooks", HOOK)).body["id"] for _ in range(5)]
    first = (await door.ask("GET", "/v1/webhooks?limit=3")).body
    rest = (await door.ask("GET", f"/v1/webhooks?limit=3&after={first['next']}")).body
    assert [one["id"] for one in first["data"] + rest["data"]] == made[::-1]
    async with door.context.database.write() as tx:
        for _ in range(webhooks.ENDPOINTS_MOST - 5):
            new = webhooks.NewEndpoint(HOOK["url"], 1)
            await webhooks.create(tx, door.context.sealer, door.account_id, new, door.clock.now())
    full = await door.ask("POST", "/v1/webhooks", HOOK)
    assert (full.status, full.body["code"]) == (409, "conflict")


async def test_another_account(door: Door) -> None:
    """Endpoints of another account are not found, whatever is asked of them."""
    path = f"/v1/webhooks/{(await door.ask('POST', '/v1/webhooks', HOOK)).body['id']}"
    stranger = await door.key_of(await door.account("other"), "*")
    for method, below, body in (
        ("GET", "", None),
        ("PATCH", "", {}),
        ("DELETE", "", None),
        ("POST", "/rotate-secret", None),
        ("POST", "/test", None),
        ("GET", "/deliveries", None),
        ("POST", "/replay", {}),
    ):
        assert (await door.ask(method, path + below, body, key=stranger)).status == 404
    assert (await door.ask("GET", "/v1/webhooks", key=stranger)).body["data"] == []
    assert (await door.ask("GET", path)).status == 200


async def test_scopes(door: Door) -> None:
    """Reading needs webhooks:read, changing webhooks:write."""
    path = f"/v1/webhooks/{(await door.ask('POST', '/v1/webhooks', HOOK)).body['id']}"
    reader = await door.key_of(door.account_id, "webhooks:read")
    assert (await door.ask("GET", path, key=reader)).status == 200
    for method, where in (
        ("POST", "/v1/webhooks"),
        ("PATCH", path),
        ("POST", f"{path}/test"),
        ("GET", "/v1/webhooks/callbacks/secret"),
    ):
        assert (await door.ask(method, where, HOOK, key=reader)).status == 403


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/url"),
        (HOOK | {"events": []}, "/events"),
        (HOOK | {"events": ["message.lost"]}, "/events"),
        (HOOK | {"events": "message.sent"}, "/events"),
        (HOOK | {"secret": "whsec_c2hvcnQ="}, "/secret"),
        (HOOK | {"secret": "a secret of my own that is long enough"}, "/secret"),
        (HOOK | {"description": "x" * 501}, "/description"),
        (HOOK | {"color": "red"}, "/color"),
    ],
)
async def test_wrong_fields(door: Door, body: dict[str, Any], pointer: str) -> None:
    """What is wrong with a new endpoint is told by field."""
    answer = await door.ask("POST", "/v1/webhooks", body)
    assert answer.status == 422
    assert answer.body["errors"][0]["pointer"].startswith(pointer)


@pytest.mark.parametrize("field", ["url", "events", "description", "enabled"])
async def test_nothing_is_changed_to_null(door: Door, field: str) -> None:
    """null is no value for any field of an endpoint."""
    made = (await door.ask("POST", "/v1/webhooks", HOOK)).body
    assert (await door.ask("PATCH", f"/v1/webhooks/{made['id']}", {field: None})).status == 422


@pytest.mark.parametrize(
    "bad",
    [
        "http://127.0.0.1/x",
        "http://localhost:8000",
        "http://[::1]/",
        "http://10.1.2.3/",
        "http://169.254.169.254/latest",
        "ftp://example.com",
        "https://user:word@example.com",
        "https://exa mple.com",
        "not a url",
    ],
)
async def test_urls_that_may_not_be_called(door: Door, bad: str) -> None:
    """Internal addresses and what is no http URL are refused, at first and in a change."""
    async with public_only(door) as strict:
        refused = await strict.ask("POST", "/v1/webhooks", {"url": bad})
        assert (refused.status, refused.body["code"]) == (422, "url_not_allowed")
        assert refused.body["errors"][0]["pointer"] == "/url"
        made = (await strict.ask("POST", "/v1/webhooks", HOOK)).body
        path = f"/v1/webhooks/{made['id']}"
        assert (await strict.ask("PATCH", path, {"url": bad})).status == 422


async def test_repeated_creation(door: Door) -> None:
    """With an Idempotency-Key an endpoint is made once, and the repeat shows the same secret."""
    headers = {"Idempotency-Key": "one"}
    first = await door.ask("POST", "/v1/webhooks", HOOK, headers=headers)
    second = await door.ask("POST", "/v1/webhooks", HOOK, headers=headers)
    assert second.body == first.body
    assert second.headers["idempotency-replayed"] == "true"
    assert len((await door.ask("GET", "/v1/webhooks")).body["data"]) == 1


async def test_a_test_event(door: Door, platform: Platform, receiver: Receiver) -> None:
    """The test call sends a signed event through the outbox; the deliveries tell the outcome."""
    secret = "whsec_" + "A" * 32
    hook = (await door.ask("POST", "/v1/webhooks", {"url": receiver.url, "secret": secret})).body
    assert hook["secret"] == secret
    sent = await door.ask("POST", f"/v1/webhooks/{hook['id']}/test")
    assert sent.status == 202
    await platform.run(platform.deliverer())
    (taken,) = receiver.taken
    taken.verify(secret)
    assert taken.event["id"] == sent.body["event"]
    assert taken.event["type"] == "webhook.test"
    assert taken.event["data"] == {"webhook": hook["id"], "url": receiver.url}
    (entry,) = (await door.ask("GET", f"/v1/webhooks/{hook['id']}/deliveries")).body["data"]
    assert (entry["event"], entry["type"]) == (sent.body["event"], "webhook.test")
    assert (entry["result"], entry["attempt"], entry["response"]) == ("delivered", 1, "ok")


async def test_rotation(door: Door, platform: Platform, receiver: Receiver) -> None:
    """A rotated secret is shown once; the old one verifies for 24 hours."""
    hook = (await door.ask("POST", "/v1/webhooks", {"url": receiver.url})).body
    path = f"/v1/webhooks/{hook['id']}"
    rotated = (await door.ask("POST", f"{path}/rotate-secret")).body
    assert rotated["secret"] != hook["secret"]
    assert rotated["old_secret_until"] is not None
    assert "secret" not in (await door.ask("GET", path)).body
    await door.ask("POST", f"{path}/test")
    await platform.run(platform.deliverer())
    for secret in (hook["secret"], rotated["secret"]):
        receiver.taken[0].verify(secret)


async def test_failures_are_seen_and_replayed(
    door: Door, platform: Platform, receiver: Receiver
) -> None:
    """What an endpoint did not take can be found, and sent again at once under the same id."""
    hook = (await door.ask("POST", "/v1/webhooks", {"url": receiver.url})).body
    path, number = f"/v1/webhooks/{hook['id']}", await number_of(platform, hook)
    deliverer = platform.deliverer()
    await platform.event(number)
    await platform.run(deliverer)
    receiver.answer = lambda taken: web.Response(status=500)
    failed = ids.to_text("evt", await platform.event(number))
    await platform.run(deliverer)
    (entry,) = (await door.ask("GET", f"{path}/deliveries?failed=true")).body["data"]
    assert (entry["event"], entry["result"]) == (failed, "retrying")
    assert entry["next_attempt_at"] is not None
    receiver.answer = lambda taken: web.Response()
    await platform.clock.advance(1)
    replayed = await door.ask("POST", f"{path}/replay", {"failed": True})
    assert (replayed.status, replayed.body["replayed"]) == (202, 1)
    await platform.run(deliverer)
    tried = receiver.taken[-2:]
    assert [one.headers["webhook-id"] for one in tried] == [failed, failed]
    again = await door.ask("POST", f"{path}/replay", {"failed": True})
    assert again.body["replayed"] == 0, "it has it now"
    of_one = (await door.ask("GET", f"{path}/deliveries?event={failed}")).body["data"]
    assert [one["result"] for one in of_one] == ["delivered", "retrying"]
    page = (await door.ask("GET", f"{path}/deliveries?limit=2")).body
    rest = (await door.ask("GET", f"{path}/deliveries?after={page['next']}")).body
    assert (len(page["data"]), len(rest["data"])) == (2, 1)


async def test_replay_of_one(door: Door, platform: Platform, receiver: Receiver) -> None:
    """One event can be sent to an endpoint that does not take its type; an unknown one cannot."""
    hook = (
        await door.ask("POST", "/v1/webhooks", {"url": receiver.url, "events": ["message.sent"]})
    ).body
    path = f"/v1/webhooks/{hook['id']}/replay"
    event = ids.to_text("evt", await platform.event(status=Status.FAILED))
    assert (await door.ask("POST", path, {"event": event})).body["replayed"] == 1
    await platform.run(platform.deliverer())
    assert receiver.taken[0].headers["webhook-id"] == event
    unknown = ids.to_text("evt", ids.uuid7())
    assert (await door.ask("POST", path, {"event": unknown})).status == 404
    for wrong in ({"event": "msg_1"}, {"event": event, "failed": True}):
        assert (await door.ask("POST", path, wrong)).status == 422


async def test_replay_by_filter(door: Door, platform: Platform, receiver: Receiver) -> None:
    """Types and times choose what is sent again, of the types that the endpoint takes."""
    wanted = {"url": receiver.url, "events": ["message.sent", "message.failed"]}
    hook = (await door.ask("POST", "/v1/webhooks", wanted)).body
    path = f"/v1/webhooks/{hook['id']}/replay"
    for status in (Status.SENT, Status.FAILED, Status.DELIVERED):
        await platform.event(status=status)
    await platform.clock.advance(60)
    later = platform.clock.now()
    await platform.event(status=Status.SENT)
    await door.ask("POST", f"/v1/webhooks/{hook['id']}/test")
    await platform.run(platform.deliverer())
    for body, count in (
        ({}, 3),
        ({"events": ["message.sent"]}, 2),
        ({"created_after": later.isoformat()}, 1),
        ({"created_before": later.isoformat()}, 2),
        ({"events": ["message.delivered"]}, 0),
        ({"failed": True}, 0),
    ):
        assert (await door.ask("POST", path, body)).body["replayed"] == count
    for wrong in ({"created_after": "2026-01-01T00:00:00"}, {"events": ["x"]}, {"after": "x"}):
        assert (await door.ask("POST", path, wrong)).status == 422


async def test_replay_of_very_many(door: Door, platform: Platform) -> None:
    """A replay takes 10,000 events at a time; its cursor goes on with the rest."""
    hook = (await door.ask("POST", "/v1/webhooks", HOOK)).body
    made = [ids.uuid7() for _ in range(webhooks.REPLAY_MOST + 5)]
    await platform.database.fetch(
        "INSERT INTO events (account_id, id, type, sequence, at)"
        " SELECT $1, id, 40, 1, now() FROM unnest($2::uuid[]) AS id",
        platform.account_id,
        made,
    )
    path = f"/v1/webhooks/{hook['id']}/replay"
    first = (await door.ask("POST", path, {})).body
    second = (await door.ask("POST", path, {"after": first["next"]})).body
    assert (first["replayed"], second["replayed"]) == (webhooks.REPLAY_MOST, 5)
    assert second["next"] is None


async def test_disabling(door: Door, platform: Platform, receiver: Receiver) -> None:
    """A disabled endpoint is told nothing and cannot be tested, until it is enabled again."""
    hook = (await door.ask("POST", "/v1/webhooks", {"url": receiver.url})).body
    path = f"/v1/webhooks/{hook['id']}"
    off = (await door.ask("PATCH", path, {"enabled": False})).body
    assert (off["enabled"], off["disabled_reason"]) == (False, "it was disabled by request")
    assert (await door.ask("POST", f"{path}/test")).status == 409
    assert (await door.ask("POST", f"{path}/replay", {})).status == 409
    on = (await door.ask("PATCH", path, {"enabled": True})).body
    assert (on["enabled"], on["disabled_at"], on["disabled_reason"]) == (True, None, None)
    await door.ask("POST", f"{path}/test")
    await platform.run(platform.deliverer())
    assert len(receiver.taken) == 1


async def test_callbacks(door: Door, platform: Platform, receiver: Receiver) -> None:
    """Calls to the callback_url of messages have a secret to verify with, a log and replays too."""
    secret = (await door.ask("GET", "/v1/webhooks/callbacks/secret")).body["secret"]
    message_id = await platform.message(callback_url=receiver.url)
    await platform.event(webhooks.CALLBACKS, message=message_id)
    await platform.event()
    deliverer = platform.deliverer()
    await platform.run(deliverer)
    receiver.taken[0].verify(secret)
    (entry,) = (await door.ask("GET", "/v1/webhooks/callbacks/deliveries")).body["data"]
    assert (entry["webhook"], entry["url"]) == ("callbacks", receiver.url)
    replayed = await door.ask("POST", "/v1/webhooks/callbacks/replay", {})
    assert replayed.body["replayed"] == 1, "the other message names no URL"
    stranger = await door.key_of(await door.account("other"), "*")
    theirs = await door.ask("GET", "/v1/webhooks/callbacks/deliveries", key=stranger)
    assert theirs.body["data"] == []


@pytest.mark.parametrize("name", ["whk_1", "callbacks", "x", quote("../accounts")])
async def test_unknown_ids(door: Door, name: str) -> None:
    """What is no id of an endpoint is not found."""
    assert (await door.ask("GET", f"/v1/webhooks/{name}")).status == 404
