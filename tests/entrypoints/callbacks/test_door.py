"""Calls of carriers: let in by their secret, read by their kind, answered once all is stored."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import orjson
import pytest
from structlog.testing import capture_logs

from entrypoints.rest.door import listening
from messages.walk import Walk
from on_file import OnFile
from onesixty.carriers import loopback, registry
from onesixty.carriers.content import Content
from onesixty.carriers.contract import (
    Call,
    CallRefusedError,
    CarrierConfig,
    Inbound,
    News,
    Receipt,
    ReceiptState,
    Reply,
    ignored,
)
from onesixty.entrypoints.callbacks.door import BODY_MOST, Door
from onesixty.kit.chance import chance
from onesixty.kit.loops import Bounds
from onesixty.kit.manual_clock import ManualClock
from onesixty.kit.secrets import Sealer
from onesixty.messages.receive.intake import Intake
from onesixty.records import carriers
from onesixty.records.carrier_configs import CarrierConfigs
from onesixty.sms.alphabet import Encoding
from onesixty.sms.reassembly import Fragment
from onesixty.storage.database import Database

PUBLIC_URL = "https://sms.example.com/sub"
SIGNED = {"X-Signature": "good"}


class PigeonCalls:
    """Reads the calls of pigeons: JSON, signed by a header that says "good"."""

    def __init__(self, config: CarrierConfig) -> None:
        self._config = config
        CONFIGS.append(config)

    async def read(self, call: Call) -> News:
        """As the contract says."""
        CALLS.append(call)
        if call.method == "OPTIONS":
            return News(reply=Reply(200, call.query.encode(), headers={"Allow": "POST"}))
        if call.headers.get("x-signature") != "good":
            raise CallRefusedError("the ring is missing")
        given = orjson.loads(call.body)
        if given.get("bug"):
            raise RuntimeError("hush hush")
        number, at = self._config.id, call.received_at
        receipts = [
            Receipt(
                number, one["id"], (one["id"],), ReceiptState(one["state"]), "", "", "", "",
                call.body.decode(), at, ignored,
            )
            for one in given.get("receipts", ())
        ]  # fmt: skip
        inbounds = [
            Inbound(
                number, "+447700900999", "+447700900111",
                Fragment(Encoding.UCS2, text.encode("utf-16-be")), at, ignored,
                carrier_message_id=text, content=Content(profile="An\0a"),
            )
            for text in given.get("texts", ())
        ]  # fmt: skip
        return News(receipts, inbounds, given.get("notices", []), Reply(202, b"thanks"))


CALLS: list[Call] = []
CONFIGS: list[CarrierConfig] = []
SPEC = replace(loopback.SPEC, kind="pigeon", calls=PigeonCalls, callbacks={"status": "receipts"})


@dataclass(slots=True)
class Loft:
    """The door on a socket, and the pigeon carrier behind it."""

    walk: Walk
    number: int
    url: str  # of its callbacks, here
    configs: CarrierConfigs
    session: aiohttp.ClientSession
    heard: list[str] = field(default_factory=list)

    async def call(
        self, path: str = "", body: Any = None, *, method: str = "POST", **more: Any
    ) -> tuple[int, str]:
        """Call; status and body of the answer."""
        headers = more.pop("headers", SIGNED)
        data = body if isinstance(body, bytes) else orjson.dumps(body or {})
        url = f"{self.url}{path}"
        async with self.session.request(method, url, data=data, headers=headers, **more) as answer:
            return answer.status, await answer.text()

    async def receipts(self) -> int:
        """How many are stored."""
        return await self.walk.count("receipts")


@pytest.fixture
async def loft(
    database: Database,
    clock: ManualClock,
    sealer: Sealer,
    on_file: OnFile,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Loft]:
    """The rooms of the walk, a pigeon carrier, and the door."""
    monkeypatch.setitem(registry.SPECS, "pigeon", SPEC)
    CALLS.clear()
    CONFIGS.clear()
    account = await on_file.account("first")
    number = await on_file.carrier(account, "pigeon", name="birds")
    walk = await Walk.open(database, clock, account, await on_file.carrier(account))
    configs = CarrierConfigs(sealer, clock, chance(), PUBLIC_URL)
    intake = Intake(database, clock, walk.receiver.put, walk.inbound.put)
    door = Door(database, walk.keeper, configs, clock, intake)
    async with listening(door) as url, aiohttp.ClientSession() as session:
        public = configs.callback_url(walk.keeper.book.carriers[number].public_id)
        assert public is not None
        here = url + public.removeprefix(PUBLIC_URL)
        loft = Loft(walk, number, here, configs, session)
        intake.wake_webhooks = lambda: loft.heard.append("webhooks")
        yield loft
    await walk.close()


async def test_a_call_is_read_as_it_was_made(loft: Loft) -> None:
    """The reader sees our public URL with path and query as they came, headers and body."""
    await loft.call("/status?a=1&b=%2B", {"x": 1}, headers={"X-Ring": "7", **SIGNED})
    (call,) = CALLS
    public = loft.configs.callback_url(loft.walk.keeper.book.carriers[loft.number].public_id)
    assert call.url == f"{public}/status?a=1&b=%2B"
    assert (call.method, call.path, call.query) == ("POST", "status", "a=1&b=%2B")
    assert (call.headers["x-ring"], call.body) == ("7", b'{"x":1}')
    assert call.received_at == loft.walk.clock.now()
    assert CONFIGS[0].callback_url == public


async def test_the_reply_comes_when_all_is_stored(loft: Loft) -> None:
    """Receipts, messages and notices are rows before the far side hears thanks."""
    body = {
        "receipts": [{"id": "a", "state": 2}, {"id": "b", "state": 5}],
        "texts": ["hello"],
        "notices": [{"type": "template_status", "name": "wel\0come"}],
    }
    assert await loft.call("/status", body) == (202, "thanks")
    assert await loft.receipts() == 2
    (row,) = await loft.walk.database.fetch("SELECT body, content FROM messages")
    assert tuple(row) == ("hello", {"profile": "Ana"})
    (event,) = await loft.walk.database.fetch("SELECT data FROM events WHERE type = 46")
    assert event["data"] == {
        "carrier": "birds",
        "kind": "pigeon",
        "notice": {"type": "template_status", "name": "welcome"},
    }
    assert loft.heard == ["webhooks"]


async def test_a_call_that_comes_twice(loft: Loft) -> None:
    """A far side that did not hear our answer calls again: the message is stored once."""
    for _ in range(2):
        assert await loft.call("/inbound", {"texts": ["hello"]}) == (202, "thanks")
    assert await loft.walk.count("messages") == 1


async def test_what_no_database_takes_is_left_out(loft: Loft) -> None:
    """A zero in a text of the far side does not keep the receipt from being stored."""
    await loft.call(body=b'{"receipts": [{"id": "a\\u0000b", "state": 2}]}')
    assert await loft.walk.ask("SELECT carrier_message_id FROM receipts") == "ab"


async def test_handshakes(loft: Loft) -> None:
    """Readers answer what far sides ask before they call, with headers of their own."""
    url = f"{loft.url}?token=1"
    async with loft.session.options(url) as answer:
        assert (answer.status, answer.headers["Allow"]) == (200, "POST")
        assert await answer.text() == "token=1"
    async with loft.session.head(url) as answer:
        assert answer.status == 405


async def test_only_who_knows_the_secret_is_heard(loft: Loft, on_file: OnFile) -> None:
    """Any other path is not found, whether there is such a carrier or not."""
    other = await on_file.carrier(loft.walk.account, "pigeon")
    deaf = await on_file.carrier(loft.walk.account)
    await loft.walk.keeper.refresh()
    ids = {one.id: one.public_id for one in loft.walk.keeper.book.carriers.values()}
    root = loft.url.partition("/callbacks/")[0]
    own, theirs, silent = [
        (loft.configs.callback_url(ids[number]) or "").removeprefix(PUBLIC_URL)
        for number in (loft.number, other, deaf)
    ]
    assert (await loft.call())[0] == 202
    for wrong in (
        own[:-1],
        own[:-32] + theirs[-32:],
        own[:-33],
        silent,
        "/callbacks/car_00000000000000000000000000/x",
        "/callbacks/",
        "/callbacks/%00/%FF",
    ):
        async with loft.session.post(root + wrong, headers=SIGNED, data=b"{}") as answer:
            assert (wrong, answer.status) == (wrong, 404)
    assert len(CALLS) == 1


async def test_refusals_are_told_to_us_alone(loft: Loft) -> None:
    """A wrong signature is answered 401 without a word; the reason is logged and kept."""
    with capture_logs() as logs:
        assert await loft.call("/status", {"secret": "text"}, headers={}) == (401, "refused")
    (line,) = [one for one in logs if one["event"] == "callback.refused"]
    assert (line["carrier"], line["reason"]) == ("birds", "the ring is missing")
    assert "text" not in str(logs)
    async with loft.walk.database.read() as connection:
        refusal = await carriers.last_refusal(connection, loft.number)
    now = loft.walk.clock.now()
    assert refusal == carriers.Refusal(now, "status", 401, "the ring is missing")


async def test_a_bug_tells_nobody_of_the_call(loft: Loft) -> None:
    """What a reader stumbles over is answered 500, so that it comes again, and logged by name."""
    with capture_logs() as logs:
        assert (await loft.call(body={"bug": True}))[0] == 500
    assert [one["error"] for one in logs if one["event"] == "callback.failed"] == ["RuntimeError"]
    assert "hush" not in str(logs)


async def test_large_bodies(loft: Loft) -> None:
    """A body has a bound, whether it tells its length or not."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield bytes(BODY_MOST // 4)

    for body in (bytes(BODY_MOST + 1), chunks()):
        async with loft.session.post(loft.url, data=body, headers=SIGNED) as answer:
            assert answer.status == 413
    assert CALLS == []


async def test_what_cannot_be_stored_comes_again(
    loft: Loft, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A room that is full, or silent for too long, makes the far side call again."""
    bounds, loft.walk.receiver.gatherer._bounds = loft.walk.receiver.gatherer._bounds, Bounds(1, 0)
    assert await loft.call(body={"receipts": [{"id": "a", "state": 2}]}) == (503, "come again")
    loft.walk.receiver.gatherer._bounds = bounds
    monkeypatch.setattr("onesixty.messages.receive.intake.PATIENCE_SECONDS", 0.01)
    async with loft.walk.database.write() as tx:
        await tx.execute("LOCK messages")
        assert await loft.call(body={"texts": ["late"]}) == (503, "come again")
    monkeypatch.undo()
    monkeypatch.setitem(registry.SPECS, "pigeon", SPEC)
    assert await loft.call(body={"texts": ["late"]}) == (202, "thanks")
    assert await loft.walk.count("messages") == 1


async def test_changed_settings_make_another_reader(loft: Loft, sealer: Sealer) -> None:
    """A reader is kept as long as its carrier is the same; a removed carrier hears nothing."""
    for _ in range(2):
        await loft.call()
    assert len(CONFIGS) == 1
    async with loft.walk.database.write() as tx:
        row = await carriers.find(tx, loft.walk.account, "birds")
        await carriers.update(tx, sealer, row, {"settings": {"window": 7}, "enabled": False})
    await loft.walk.keeper.refresh()
    assert (await loft.call())[0] == 202
    assert [config.settings["window"] for config in CONFIGS] == [1000, 7]
    async with loft.walk.database.write() as tx:
        await carriers.remove(tx, loft.number)
    await loft.walk.keeper.refresh()
    assert (await loft.call())[0] == 404


async def test_a_far_side_that_hangs_up(loft: Loft) -> None:
    """A call that breaks off in its body hurts nobody."""
    host, _, rest = loft.url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    with capture_logs() as logs:
        _, writer = await asyncio.open_connection(name, int(port))
        writer.write(f"POST /{rest} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{{".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await loft.call())[0] == 202
    assert [one for one in logs if one["log_level"] == "error"] == []
