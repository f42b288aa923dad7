"""`/v1/carriers`: settings are checked, secrets never shown, names tell live state."""

from dataclasses import replace
from typing import Any, NoReturn

import pytest

from onesixty.carriers import loopback, registry
from onesixty.carriers.contract import CarrierConfig
from onesixty.kit import chance
from onesixty.kit.clock import SystemClock
from onesixty.kit.ids import from_text
from onesixty.messages.render import timestamp
from onesixty.records import carriers
from onesixty.simulator.http.stage import Stage
from onesixty.simulator.http.stage.cast import far_sides

from .door import PUBLIC_URL, Door

SMPP = {"host": "smpp.example.com", "system_id": "me", "password": "hunter2"}


async def made(door: Door, name: str = "acme", **fields: Any) -> dict[str, Any]:
    """A carrier that was added."""
    body = {"name": name, "kind": "smpp", "settings": SMPP} | fields
    answer = await door.ask("POST", "/v1/carriers", body)
    assert answer.status == 201, answer.body
    return dict(answer.body)


def number_of(door: Door, name: str) -> int:
    """The number of a carrier in the book."""
    return next(one.id for one in door.context.keeper.book.carriers.values() if one.name == name)


async def test_create(door: Door) -> None:
    """A carrier is stored with the defaults of its kind, and its secret is masked everywhere."""
    carrier = await made(door, rate_per_second=30)
    assert carrier["settings"] | {"port": 2775, "window": 10} == carrier["settings"]
    assert carrier["settings"]["password"] == "****"
    assert carrier["rate_per_second"] == 30
    assert carrier["state"] == {"status": "starting"}
    shown = await door.ask("GET", "/v1/carriers/acme")
    assert shown.body == carrier | {"learned": None, "last_refused_call": None}
    listed = await door.ask("GET", "/v1/carriers")
    assert listed.body == {"data": [carrier], "next": None}


async def test_secret_reaches_the_carrier(door: Door) -> None:
    """What the carrier itself gets is the secret, not its mask."""
    await made(door)
    record = door.context.keeper.book.carriers[number_of(door, "acme")]
    assert "hunter2" not in str(record.settings)
    assert carriers.opened(record, door.context.sealer)["password"] == "hunter2"


async def test_change_merges_settings(door: Door) -> None:
    """A change keeps what it does not name and masked secrets; null means the default."""
    await made(door, settings=SMPP | {"window": 50})
    changed = await door.ask(
        "PATCH",
        "/v1/carriers/acme",
        {"settings": {"port": 2776, "password": "****", "window": None}, "enabled": False},
    )
    assert changed.status == 200
    assert changed.body["settings"]["port"] == 2776
    assert changed.body["settings"]["window"] == 10
    assert changed.body["settings"]["host"] == "smpp.example.com"
    assert changed.body["enabled"] is False
    assert changed.body["state"] == {"status": "disabled"}
    async with door.context.database.read() as connection:
        row = await carriers.find(connection, door.account_id, "acme")
    assert carriers.secrets_of(row["secrets"], door.context.sealer)["password"] == "hunter2"


async def test_change_secret(door: Door) -> None:
    """A new secret replaces the old one."""
    await made(door)
    await door.ask("PATCH", "/v1/carriers/acme", {"settings": {"password": "new"}})
    record = door.context.keeper.book.carriers[number_of(door, "acme")]
    assert carriers.opened(record, door.context.sealer)["password"] == "new"


async def test_rate_can_be_taken_away(door: Door) -> None:
    """Null removes the rate; a change that does not name it leaves it."""
    await made(door, rate_per_second=5)
    kept = await door.ask("PATCH", "/v1/carriers/acme", {"enabled": True})
    assert kept.body["rate_per_second"] == 5
    gone = await door.ask("PATCH", "/v1/carriers/acme", {"rate_per_second": None})
    assert gone.body["rate_per_second"] is None


async def test_refusals_name_the_field(door: Door) -> None:
    """Whatever is wrong is refused with a pointer to it, and nothing is stored."""
    cases: list[tuple[dict[str, Any], str]] = [
        ({"name": "Has Spaces"}, "/name"),
        ({"name": ".."}, "/name"),
        ({"name": "kinds"}, "/name"),
        ({"name": "sandbox"}, "/name"),
        ({"kind": "pigeon"}, "/kind"),
        ({"colour": "red"}, "/colour"),
        ({"rate_per_second": 0}, "/rate_per_second"),
        ({"settings": SMPP | {"prot": 1}}, "/settings/prot"),
        ({"settings": SMPP | {"port": "2775"}}, "/settings/port"),
        ({"settings": SMPP | {"response_seconds": 1e30}}, "/settings/response_seconds"),
        ({"settings": SMPP | {"host": "a\0b"}}, "/settings/host"),
        ({"settings": SMPP | {"host": ""}}, "/settings/host"),
        ({"settings": SMPP | {"system_id": "a" * 16}}, "/settings/system_id"),
        ({"settings": SMPP | {"password": "****"}}, "/settings/password"),
        ({"settings": {"host": "x"}}, "/settings/system_id"),
        ({"settings": SMPP | {"system_id": "名前"}}, "/settings"),
    ]
    for change, pointer in cases:
        body = {"name": "acme", "kind": "smpp", "settings": SMPP} | change
        answer = await door.ask("POST", "/v1/carriers", body)
        assert answer.status == 422, change
        assert pointer in [error["pointer"] for error in answer.body["errors"]], answer.body
    assert (await door.ask("GET", "/v1/carriers")).body["data"] == []


async def test_malformed_bodies(door: Door) -> None:
    """What is not JSON, or cannot be stored as text, is told so."""
    for raw in (b"{", b'{"name": "\\ud800"}', b'{"rate_per_second": NaN}', b"\xff"):
        answer = await door.ask("POST", "/v1/carriers", raw)
        assert (answer.status, answer.body["code"]) == (400, "malformed_json")


async def test_body_without_type(door: Door) -> None:
    """A body is JSON whatever Content-Type says, as with `curl -d`; a huge one is refused."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = {"name": "a", "kind": "loopback"}
    assert (await door.ask("POST", "/v1/carriers", body, headers=form)).status == 201
    large = await door.ask("POST", "/v1/carriers", b" " * (1024 * 1024 + 1))
    assert (large.status, large.body["code"]) == (413, "body_too_large")


async def test_taken_name(door: Door) -> None:
    """A name is taken once in an account, and free again after the carrier was removed."""
    await made(door)
    again = await door.ask("POST", "/v1/carriers", {"name": "acme", "kind": "loopback"})
    assert (again.status, again.body["errors"][0]["pointer"]) == (409, "/name")
    assert (await door.ask("DELETE", "/v1/carriers/acme")).status == 204
    assert (await door.ask("GET", "/v1/carriers/acme")).status == 404
    await made(door)


async def test_removal_waits_for_routes(door: Door) -> None:
    """A carrier that a route leads to cannot be removed, so no route ever leads nowhere."""
    await made(door)
    route = {"name": "all", "carriers": [{"carrier": "acme"}]}
    assert (await door.ask("POST", "/v1/routes", route)).status == 201
    refused = await door.ask("DELETE", "/v1/carriers/acme")
    assert refused.status == 409
    assert "all" in refused.body["detail"]
    await door.ask("DELETE", "/v1/routes/all")
    assert (await door.ask("DELETE", "/v1/carriers/acme")).status == 204


async def test_sandbox_stays(door: Door) -> None:
    """The carrier of test keys cannot be removed."""
    fields = {"name": carriers.SANDBOX, "kind": "loopback", "settings": {}, "secrets": {}}
    async with door.context.database.write() as tx:
        await carriers.create(tx, door.context.sealer, door.account_id, fields)
    assert (await door.ask("DELETE", "/v1/carriers/sandbox")).status == 409


async def test_idempotency(door: Door) -> None:
    """With the same key a carrier is added once; another body with it is a conflict."""
    body = {"name": "acme", "kind": "smpp", "settings": SMPP}
    headers = {"Idempotency-Key": "one"}
    first = await door.ask("POST", "/v1/carriers", body, headers=headers)
    second = await door.ask("POST", "/v1/carriers", body, headers=headers)
    assert (second.status, second.body) == (201, first.body)
    assert second.headers["idempotency-replayed"] == "true"
    other = await door.ask("POST", "/v1/carriers", body | {"name": "b"}, headers=headers)
    assert (other.status, other.body["code"]) == (409, "idempotency_conflict")


async def test_pages(door: Door) -> None:
    """Following `next` shows every carrier once, newest first."""
    for name in ("a", "b", "c"):
        await made(door, name, kind="loopback", settings={})
    first = await door.ask("GET", "/v1/carriers?limit=2")
    second = await door.ask("GET", f"/v1/carriers?limit=2&after={first.body['next']}")
    names = [one["name"] for one in first.body["data"] + second.body["data"]]
    assert (names, second.body["next"]) == (["c", "b", "a"], None)
    for query, pointer in (("limit=0", "/limit"), ("after=x", "/after"), ("page=2", "/page")):
        refused = await door.ask("GET", f"/v1/carriers?{query}")
        assert (refused.status, refused.body["errors"][0]["pointer"]) == (422, pointer)


async def test_state_and_test(door: Door) -> None:
    """The test tells whether it is connected, and if not, the far side's reason."""
    await made(door)
    number = number_of(door, "acme")
    starting = await door.ask("POST", "/v1/carriers/acme/test")
    assert (starting.body["ok"], starting.body["detail"]) == (False, "it is starting")
    door.states[number] = {"status": "down", "binds": [{"detail": ""}, {"detail": "refused"}]}
    down = await door.ask("POST", "/v1/carriers/acme/test")
    assert (down.body["ok"], down.body["detail"]) == (False, "it is down: refused")
    door.states[number] = {"status": "up"}
    assert (await door.ask("POST", "/v1/carriers/acme/test")).body["ok"] is True
    assert (await door.ask("GET", "/v1/carriers/acme")).body["state"] == {"status": "up"}


async def test_credentials_are_tested(door: Door) -> None:
    """A provider over HTTP is asked with the settings on file; its words and ours are told."""
    stage = Stage(
        far_sides()["telnyx"](door.context.clock), clock=SystemClock(), chance=chance.chance(1)
    )
    await stage.start()
    settings = stage.settings()
    await made(door, kind="telnyx", settings=settings, enabled=False)
    assert "enabled" in (await door.ask("POST", "/v1/carriers/acme/test")).body["detail"]
    await door.ask("PATCH", "/v1/carriers/acme", {"settings": {"api_key": "wrong"}})
    refused = (await door.ask("POST", "/v1/carriers/acme/test")).body
    assert refused["ok"] is False
    assert refused["detail"].endswith("; look at the credentials in its settings")
    await stage.stop()
    gone = (await door.ask("POST", "/v1/carriers/acme/test")).body["detail"]
    assert gone.startswith("no connection to 127.0.0.1: Connect call failed")
    assert "look at its URL" in gone


async def test_pause_and_resume(door: Door) -> None:
    """Pausing is seen in the record and by every part of the platform, until it is resumed."""
    await made(door)
    assert (await door.ask("POST", "/v1/carriers/acme/pause")).body["paused"] is True
    assert door.context.keeper.book.carriers[number_of(door, "acme")].paused
    assert "paused" in (await door.ask("POST", "/v1/carriers/acme/test")).body["detail"]
    assert (await door.ask("POST", "/v1/carriers/acme/resume")).body["paused"] is False


async def test_only_what_matters_reconnects(door: Door) -> None:
    """What does not change the settings leaves them as they were, so a running carrier stays up."""
    await made(door)
    number = number_of(door, "acme")
    before = door.context.keeper.book.carriers[number]
    await door.ask("POST", "/v1/carriers/acme/pause")
    await door.ask("PATCH", "/v1/carriers/acme", {"settings": {"password": "****"}})
    await door.ask("PATCH", "/v1/carriers/acme", {"rate_per_second": 7})
    after = door.context.keeper.book.carriers[number]
    assert (after.settings, after.secrets) == (before.settings, before.secrets)
    assert (after.paused, after.rate_per_second) == (True, 7)


async def test_disabled_is_told(door: Door) -> None:
    """The test of a disabled carrier says how to enable it."""
    await made(door, enabled=False)
    assert "enabled" in (await door.ask("POST", "/v1/carriers/acme/test")).body["detail"]


async def test_kinds_describe_themselves(door: Door) -> None:
    """Every kind is listed, and built from its required fields, or tells what else it needs."""
    kinds = (await door.ask("GET", "/v1/carriers/kinds")).body["data"]
    assert [one["kind"] for one in kinds] == registry.names()
    for kind in kinds:
        settings = {one["name"]: one["default"] for one in kind["fields"]}
        settings |= {one["name"]: "x" for one in kind["fields"] if one["required"]}
        config = CarrierConfig(1, "x", settings, door.context.clock, chance.chance(1))
        try:
            room = registry.SPECS[kind["kind"]].build(config).room()
        except ValueError as error:
            room = 0 if any(one["name"] in str(error) for one in kind["fields"]) else 1
        assert room == 0


async def test_carriers_of_accounts_below(door: Door) -> None:
    """They use neither the network nor the credentials of this machine."""
    key = await door.key_of(await door.account("below", door.account_id), "*")
    inside = {"base_url": "http://127.0.0.1:1", "account_sid": f"AC{'1' * 32}", "auth_token": "x"}
    for kind, settings, named in (
        ("twilio", inside, "base_url"),
        ("aws_sns", {"region": "eu-west-1"}, "access_key_id"),
        ("aws_sms", {"region": "eu-west-1"}, "access_key_id"),
    ):
        body = {"name": kind, "kind": kind, "settings": settings}
        refused = await door.ask("POST", "/v1/carriers", body, key=key)
        assert (refused.status, refused.body["code"]) == (422, "invalid_request")
        assert named in refused.body["detail"]
        assert (await door.ask("POST", "/v1/carriers", body)).status == 201
    settings = inside | {"base_url": "http://sms.example.com"}
    body = {"name": "named", "kind": "twilio", "settings": settings}
    assert (await door.ask("POST", "/v1/carriers", body, key=key)).status == 201
    book = door.context.keeper.book
    for record in book.carriers.values():
        config = door.context.configs.of(record)
        assert config.is_guest is config.public_only is (record.name == "named")


async def test_scopes(door: Door) -> None:
    """Reading takes `carriers:read`, changing `carriers:write`."""
    reader = await door.key_of(door.account_id, "carriers:read")
    assert (await door.ask("GET", "/v1/carriers", key=reader)).status == 200
    refused = await door.ask("POST", "/v1/carriers", {"name": "a", "kind": "smpp"}, key=reader)
    assert (refused.status, refused.body["code"]) == (403, "forbidden")
    assert (await door.ask("GET", "/v1/carriers", key="")).status == 401
    assert (await door.ask("GET", "/v1/carriers", key="os_live_no")).status == 401


async def test_callback_urls(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """A carrier that is told things by HTTP shows where, and what is missing without an address."""
    callbacks = {"": "everything", "status": "delivery reports"}
    spec = replace(loopback.SPEC, kind="pigeon", calls=_nobody, callbacks=callbacks)
    monkeypatch.setitem(registry.SPECS, "pigeon", spec)
    await door.ask("POST", "/v1/carriers", {"name": "birds", "kind": "pigeon"})
    answer = await door.ask("GET", "/v1/carriers/birds")
    number = from_text("car", answer.body["id"])
    assert number is not None
    url = f"{PUBLIC_URL}/callbacks/{answer.body['id']}/{door.context.configs.token(number)}"
    assert answer.body["callbacks"] == {
        "": {"url": url, "purpose": "everything", "hint": None},
        "status": {"url": f"{url}/status", "purpose": "delivery reports", "hint": None},
    }
    door.context.configs.public_url = None
    shown = (await door.ask("GET", "/v1/carriers/birds")).body["callbacks"]["status"]
    assert shown["url"] is None
    assert "ONESIXTY_PUBLIC_URL" in shown["hint"]
    await door.ask("POST", "/v1/carriers", {"name": "loop", "kind": "loopback"})
    assert (await door.ask("GET", "/v1/carriers/loop")).body["callbacks"] == {}


async def test_the_last_refused_call(door: Door) -> None:
    """Why nothing comes is shown where people look for it."""
    await door.ask("POST", "/v1/carriers", {"name": "loop", "kind": "loopback"})
    assert (await door.ask("GET", "/v1/carriers/loop")).body["last_refused_call"] is None
    now = door.clock.now()
    async with door.context.database.write() as tx:
        row = await carriers.find(tx, door.account_id, "loop")
        for path in ("inbound", "status"):
            refusal = carriers.Refusal(now, path, 401, "the signature does not fit")
            await carriers.note_refusal(tx, row["id"], refusal)
    assert (await door.ask("GET", "/v1/carriers/loop")).body["last_refused_call"] == {
        "at": timestamp(now),
        "path": "status",
        "status": 401,
        "reason": "the signature does not fit",
    }


def _nobody(config: CarrierConfig) -> NoReturn:
    raise AssertionError("nobody calls")
