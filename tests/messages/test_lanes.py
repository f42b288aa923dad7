"""Lanes follow the carriers on file."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from on_file import OnFile
from onesixty.carriers import loopback, registry
from onesixty.carriers.contract import SettingField
from onesixty.kit import chance
from onesixty.kit.secrets import Sealer
from onesixty.messages.lanes import CUT_OFF_SECONDS, LaneKeeper
from onesixty.nodes import standing
from onesixty.nodes.node import Node
from onesixty.records import carriers
from onesixty.records.carrier_configs import CarrierConfigs

from .scripted import PATIENCE_SECONDS
from .walk import Walk


@pytest.fixture
async def lanes(walk: Walk, sealer: Sealer) -> AsyncIterator[LaneKeeper]:
    """The keeper of all lanes; the scripted one is gone."""
    await walk.dispatcher.close(walk.carrier.number, 0.0)
    configs = CarrierConfigs(sealer, walk.clock, chance.chance(160), None)
    keeper = LaneKeeper(walk.keeper, configs, walk.dispatcher, walk.node)
    walk.dispatcher.on_change = keeper.changed
    await follow(walk, keeper)
    yield keeper
    await keeper.stop(0.0)


async def follow(walk: Walk, lanes: LaneKeeper) -> None:
    """Let the lanes follow what is on file now."""
    await walk.keeper.refresh()
    await lanes.run_once()


async def change(walk: Walk, number: int, **fields: Any) -> None:
    """Change a carrier on file."""
    async with walk.database.write() as tx:
        row = await tx.fetchrow("SELECT * FROM carriers WHERE id = $1", number)
        await carriers.update(tx, Sealer(b"test master key"), row, fields)


async def told(walk: Walk) -> list[str]:
    """What was told of carriers, in order."""
    rows = await walk.database.fetch(
        "SELECT type, data FROM events WHERE type IN (40, 41) ORDER BY id"
    )
    words = {40: "up", 41: "down"}
    return [f"{row['data']['carrier']} {words[row['type']]}" for row in rows]


async def test_each_carrier_on_file_has_its_lane(walk: Walk, lanes: LaneKeeper) -> None:
    """Enabled carriers are opened, come up, and messages go through them."""
    assert set(walk.dispatcher.lanes) == {walk.sandbox, walk.carrier.number}
    assert {state["status"] for state in lanes.states().values()} == {"up"}
    message = await walk.send("hello", to="+15005550102")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await walk.status(message) != "sent":
            pass


async def test_a_new_carrier_is_opened(walk: Walk, lanes: LaneKeeper, on_file: OnFile) -> None:
    """A carrier that is added has a lane with the next look; a disabled one has none."""
    number = await on_file.carrier(walk.account)
    idle = await on_file.carrier(walk.account, enabled=False)
    await follow(walk, lanes)
    assert number in walk.dispatcher.lanes
    assert idle not in walk.dispatcher.lanes


async def test_new_settings_open_it_anew(walk: Walk, lanes: LaneKeeper) -> None:
    """Other settings need another connection; the old lane is closed."""
    before = walk.dispatcher.lanes[walk.sandbox]
    await change(walk, walk.sandbox, settings={"window": 7, "response_seconds": 5})
    await follow(walk, lanes)
    after = walk.dispatcher.lanes[walk.sandbox]
    assert after is not before
    assert after.carrier.room() == 7
    assert not before.carrier.is_up()


async def test_rate_and_pause_keep_it_connected(walk: Walk, lanes: LaneKeeper) -> None:
    """A change of rate or pause does not disturb the connection."""
    lane = walk.dispatcher.lanes[walk.sandbox]
    await change(walk, walk.sandbox, rate_per_second=5, paused=True)
    await follow(walk, lanes)
    assert walk.dispatcher.lanes[walk.sandbox] is lane
    assert lane.paused
    assert lane.carrier.is_up()
    assert not walk.dispatcher.is_up(walk.sandbox)
    await change(walk, walk.sandbox, rate_per_second=5, paused=False)
    await follow(walk, lanes)
    assert walk.dispatcher.is_up(walk.sandbox)


@pytest.mark.parametrize("how", ["disabled", "removed"])
async def test_what_is_out_of_use_is_closed(walk: Walk, lanes: LaneKeeper, how: str) -> None:
    """A carrier that is disabled or removed loses its lane."""
    if how == "disabled":
        await change(walk, walk.sandbox, enabled=False)
    else:
        async with walk.database.write() as tx:
            await carriers.remove(tx, walk.sandbox)
    await follow(walk, lanes)
    assert set(walk.dispatcher.lanes) == {walk.carrier.number}


async def test_a_carrier_that_cannot_be_built_is_faulty(
    walk: Walk, lanes: LaneKeeper, on_file: OnFile
) -> None:
    """One carrier that cannot be started is shown with its reason and harms no other."""
    number = await on_file.carrier(walk.account)
    await walk.ask("UPDATE carriers SET secrets = '\\x00' WHERE id = $1 RETURNING 1", number)
    unknown = await on_file.carrier(walk.account)
    await walk.ask("UPDATE carriers SET kind = 'no such kind' WHERE id = $1 RETURNING 1", unknown)
    await follow(walk, lanes)
    states = lanes.states()
    assert (states[number]["status"], states[unknown]["status"]) == ("faulty", "faulty")
    assert "ONESIXTY_SECRET_KEY" in states[number]["detail"]
    assert states[walk.sandbox]["status"] == "up"
    await walk.ask("UPDATE carriers SET secrets = NULL WHERE id = $1 RETURNING 1", number)
    await follow(walk, lanes)
    assert lanes.states()[number]["status"] == "up"


async def test_ups_and_downs_are_told(walk: Walk, lanes: LaneKeeper) -> None:
    """A carrier that comes up or goes down is an event of its account."""
    await lanes.run_once()
    assert sorted(await told(walk)) == ["main up", "sandbox up"]
    await change(walk, walk.carrier.number, enabled=False)
    await follow(walk, lanes)
    await lanes.run_once()
    assert (await told(walk))[2:] == ["main down"]


async def test_stopping_closes_every_lane(walk: Walk, lanes: LaneKeeper) -> None:
    """After the stop no lane is open, and none is opened again."""
    lanes.loop.start()
    await lanes.stop(1.0)
    assert walk.dispatcher.lanes == {}
    lanes.loop.wake()
    assert walk.dispatcher.lanes == {}


async def test_carriers_that_are_one_account_are_known(
    walk: Walk, lanes: LaneKeeper, on_file: OnFile
) -> None:
    """Those of one owner with the same host and system_id; the sandbox is nobody's twin."""
    here = {"host": "smsc.example", "system_id": "acme"}
    stranger = await on_file.account("stranger")
    one, two, _, _ = [
        await on_file.carrier(account, kind="smpp", settings=settings, enabled=False)
        for account, settings in [
            (walk.account, {**here, "window": 1}),
            (walk.account, {**here, "window": 2}),
            (walk.account, {**here, "system_id": "other"}),
            (stranger, here),
        ]
    ]
    await follow(walk, lanes)
    assert lanes.one_account() == {one: [two], two: [one]}


async def test_accounts_that_nobody_named_are_not_one(
    walk: Walk, lanes: LaneKeeper, on_file: OnFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two carriers that leave out what names their account may be of two; one name of two is one.

    Kinds that are not there any more harm nobody.
    """
    fields = tuple(SettingField(name, "text", name) for name in ("plan", "project"))
    spec = replace(loopback.SPEC, kind="pigeon", fields=fields, account=("plan", "project"))
    monkeypatch.setitem(registry.SPECS, "pigeon", spec)
    one, two, *_ = [
        await on_file.carrier(walk.account, kind="pigeon", settings=settings, enabled=False)
        for settings in ({"plan": "a"}, {"plan": "a"}, {}, {})
    ]
    await follow(walk, lanes)
    assert lanes.one_account() == {one: [two], two: [one]}
    monkeypatch.delitem(registry.SPECS, "pigeon")
    assert lanes.one_account() == {}


async def test_carriers_that_send_messages_whole(
    walk: Walk, lanes: LaneKeeper, on_file: OnFile
) -> None:
    """Those over HTTP, whatever a text is cut into; SMPP and the loopback send each segment."""
    settings = {"account_sid": "AC" + "1" * 32, "auth_token": "hush"}
    whole = await on_file.carrier(walk.account, kind="twilio", settings=settings, enabled=False)
    smpp = {"host": "127.0.0.1", "system_id": "me"}
    await on_file.carrier(walk.account, kind="smpp", settings=smpp, enabled=False)
    await follow(walk, lanes)
    assert lanes.wholes() == [whole]


async def test_sessions_are_shared_with_a_newcomer(
    walk: Walk, lanes: LaneKeeper, on_file: OnFile
) -> None:
    """A process that joins gets half of the binds, and of the carriers with one session; when it
    is gone all come back.
    """
    smsc = {"host": "127.0.0.1", "port": 1, "system_id": "acme", "binds": 4}
    number = await on_file.carrier(walk.account, kind="smpp", settings=smsc)
    await follow(walk, lanes)
    carrier = walk.dispatcher.lanes[number].carrier
    assert len(carrier.state()["binds"]) == 4
    let_go: list[str] = []
    lanes.on_let_go = lambda: let_go.append("slots")
    other = await Node.register(walk.database.url, "other")
    await lanes.run_once()
    assert walk.dispatcher.lanes[number].carrier is carrier
    assert len(carrier.state()["binds"]) == 2
    assert len(walk.dispatcher.lanes) == 2  # one of the two with a single session is handed over
    assert let_go
    free = {(number, slot) for slot in range(4)} - walk.node.slots
    assert await other.take(free) == free
    await lanes.run_once()
    assert len(carrier.state()["binds"]) == 2
    await other.leave()
    await lanes.run_once()
    assert len(carrier.state()["binds"]) == 4
    assert len(walk.dispatcher.lanes) == 3


async def test_a_carrier_that_another_process_has(walk: Walk, lanes: LaneKeeper) -> None:
    """Its state is what the other process told, and it is up for routes; nobody tells it twice."""
    other = await Node.register(walk.database.url, "other")
    await lanes.run_once()
    (number,) = {walk.carrier.number, walk.sandbox} - set(walk.dispatcher.lanes)
    walk.dispatcher.up_elsewhere = lanes.up_elsewhere
    assert not walk.dispatcher.is_up(number)
    await standing.tell(walk.database, other.number, {number: {"status": "up", "window": 3}})
    await lanes.run_once()
    assert walk.dispatcher.is_up(number)
    assert lanes.states()[number] == {"status": "up", "window": 3}
    before = await told(walk)
    lanes.changed(number, True)
    await lanes.run_once()
    assert await told(walk) == before
    await other.leave()
    await lanes.run_once()
    assert lanes.states()[number]["status"] == "up"
    assert number in walk.dispatcher.lanes


async def test_who_is_cut_off_lets_go(walk: Walk, lanes: LaneKeeper) -> None:
    """Without the database for long a process ends its sessions: others may have taken them."""
    other = await Node.register(walk.database.url, "other")
    await lanes.run_once()
    await walk.node._connection.close()
    walk.node._url = "postgresql:///nowhere?host=/nowhere"
    await lanes.run_once()
    assert walk.dispatcher.lanes
    await walk.clock.advance(CUT_OFF_SECONDS + 1)
    await lanes.run_once()
    assert walk.dispatcher.lanes == {}
    walk.node._url = walk.database.url
    await lanes.run_once()
    assert walk.dispatcher.lanes
    await other.leave()


async def test_the_work_goes_to_who_stays(walk: Walk, lanes: LaneKeeper) -> None:
    """A process that stops leaves its sessions to the others before it is gone."""
    other = await Node.register(walk.database.url, "other")
    await lanes.stop(0.0)
    assert (await other.look()).dispatching == (other.number,)
    slots = {(walk.sandbox, 0), (walk.carrier.number, 0)}
    assert await other.take(slots) == slots
    await other.leave()
