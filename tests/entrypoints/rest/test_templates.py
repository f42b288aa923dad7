"""Templates as their provider has them: read on request and in turn, told of in between."""

from collections.abc import AsyncIterator

import pytest

from onesixty.features.channel_templates import TemplateSync
from onesixty.kit.chance import chance
from onesixty.kit.clock import SystemClock
from onesixty.records import channel_templates
from onesixty.simulator.http.stage import Stage
from onesixty.simulator.http.whatsapp import WhatsAppFarSide

from .door import Door


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Meta, on a free port."""
    clock = SystemClock()
    one = Stage(WhatsAppFarSide(clock), clock=clock, chance=chance(1))
    await one.start()
    yield one
    await one.stop()


async def add(door: Door, stage: Stage, **settings: str) -> None:
    """A carrier of the far side on file."""
    whole = stage.settings() | settings
    body = {"name": "wa", "kind": "whatsapp", "settings": whole}
    assert (await door.ask("POST", "/v1/carriers", body)).status == 201


async def test_they_are_read_now(door: Door, stage: Stage) -> None:
    """Name, language, state and parts of each; known to the records of every process."""
    await add(door, stage)
    before = await door.ask("GET", "/v1/carriers/wa/templates")
    assert (before.body["data"], before.body["synced_at"]) == ([], None)
    answer = await door.ask("POST", "/v1/carriers/wa/templates/sync")
    assert answer.status == 200
    found = {one["name"]: one for one in answer.body["data"]}
    assert found["order_update"]["status"] == "APPROVED"
    assert found["order_update"]["components"][0]["type"] == "BODY"
    assert found["spring_sale"]["status"] == "PAUSED"
    assert (await door.ask("GET", "/v1/carriers/wa/templates")).body == answer.body
    await door.context.keeper.follow()
    (known,) = door.context.keeper.book.templates.values()
    assert channel_templates.why_not(known, "order_update", "en_US") is None
    assert channel_templates.why_not(known, "spring_sale", "en_US") == (
        "the template spring_sale (en_US) is paused"
    )
    assert "it exists in en_US" in (channel_templates.why_not(known, "order_update", "de") or "")


async def test_what_goes_wrong_is_said(door: Door, stage: Stage) -> None:
    """The provider's own words, and what was known stays; other kinds have none."""
    await add(door, stage)
    await door.ask("POST", "/v1/carriers/wa/templates/sync")
    await door.ask("PATCH", "/v1/carriers/wa", {"settings": {"access_token": "old"}})
    answer = await door.ask("POST", "/v1/carriers/wa/templates/sync")
    assert (answer.status, answer.body["code"]) == (502, "provider_error")
    assert "Invalid OAuth access token" in answer.body["detail"]
    shown = (await door.ask("GET", "/v1/carriers/wa/templates")).body
    assert len(shown["data"]) == 3
    assert "Invalid OAuth" in shown["error"]
    body = {"name": "loop", "kind": "loopback", "settings": {}}
    assert (await door.ask("POST", "/v1/carriers", body)).status == 201
    assert (await door.ask("GET", "/v1/carriers/loop/templates")).status == 409


async def test_windows_are_shown(door: Door, stage: Stage) -> None:
    """Open for a day after a person's last word, closed before and after."""
    await add(door, stage)
    path = "/v1/carriers/wa/windows/%2B44 7700 900123"
    never = {"number": "+447700900123", "open": False, "until": None}
    assert (await door.ask("GET", path)).body == never
    (number,) = [one.id for one in door.context.keeper.book.carriers.values() if one.name == "wa"]
    async with door.context.database.write() as tx:
        await tx.execute(
            "INSERT INTO contact_windows VALUES ($1, '+447700900123', $2)", number, door.clock.now()
        )
    assert (await door.ask("GET", path)).body["open"] is True
    await door.clock.advance(24 * 3600)
    assert (await door.ask("GET", path)).body["open"] is False
    assert (await door.ask("GET", "/v1/carriers/wa/windows/hello")).status == 422


async def test_the_loop_reads_those_that_are_due(door: Door, stage: Stage) -> None:
    """Each carrier once in ten minutes, by one process; a notice counts at once."""
    await add(door, stage)
    context = door.context
    sync = TemplateSync(context.database, context.clock, context.keeper, context.configs)
    await sync.run_once()
    asked = len(stage.requests)
    assert asked == 1
    await sync.run_once()
    assert len(stage.requests) == asked
    await door.clock.advance(601)
    await sync.run_once()
    assert len(stage.requests) == asked + 1
    notice = {
        "message_template_name": "order_update",
        "message_template_language": "en_US",
        "event": "PAUSED",
        "reason": "NONE",
    }
    await context.keeper.follow()
    (number,) = context.keeper.book.templates
    async with context.database.write() as tx:
        await channel_templates.note(tx, number, notice, door.clock.now())
    shown = (await door.ask("GET", "/v1/carriers/wa/templates")).body["data"]
    states = {one["name"]: one["status"] for one in shown}
    assert states["order_update"] == "PAUSED"
