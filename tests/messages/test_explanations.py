"""Why a carrier was chosen is stored with the message, in few rows."""

import asyncio

import pytest

from on_file import OnFile
from onesixty.messages.types import Message, SendRequest

from .counting import statements
from .walk import NUMBER, Walk


async def content(walk: Walk, message: Message) -> dict[str, object]:
    """What is stored of why it went where it goes."""
    row = await walk.row(message)
    found: dict[str, object] = await walk.ask(
        "SELECT content FROM explanations WHERE id = $1", row["explanation"]
    )
    return found


async def test_each_message_has_one_and_many_share_it(walk: Walk) -> None:
    """Messages alike refer to one row, whoever accepted them and however."""
    messages = [*await asyncio.gather(*(walk.send(f"{n}") for n in range(20)))]
    messages += await walk.send_many([SendRequest(NUMBER, f"{n}") for n in range(20)])
    assert len({(await walk.row(one))["explanation"] for one in messages}) == 1
    assert await walk.count("explanations") == 1
    kept = await content(walk, messages[0])
    assert kept["route"]
    assert "refused" in kept


async def test_another_state_has_another_one(walk: Walk, on_file: OnFile) -> None:
    """When a carrier goes down the next message says so, and the first one still what was."""
    second = await on_file.carrier(walk.account)
    await walk.route_over(walk.carrier.number, second)
    await walk.lane(second)
    before = await walk.send()
    walk.carrier.turn(up=False)
    after = await walk.send()
    assert (before.carrier_id, after.carrier_id) == (walk.carrier.number, second)
    codes = [
        [one["code"] for one in (await content(walk, message))["carriers"]]  # type: ignore[attr-defined]
        for message in (before, after)
    ]
    assert codes == [["preferred", "later"], ["best_left", "down"]]


async def test_it_is_stored_before_its_message(walk: Walk) -> None:
    """A message whose explanation cannot be stored is not stored either; the next try has both."""
    await walk.ask("ALTER TABLE explanations RENAME TO gone")
    with pytest.raises(Exception, match="explanations"):
        await walk.send()
    assert await walk.count("messages") == 0
    await walk.ask("ALTER TABLE gone RENAME TO explanations")
    message = await walk.send()
    assert await content(walk, message)


async def test_it_costs_one_statement_once(walk: Walk) -> None:
    """The first message of a kind stores it; those after ask for nothing more."""
    async with statements(walk.database) as asked:
        for _ in range(3):
            await walk.send()
    assert len(asked) == 4


async def test_messages_of_test_keys_have_none(walk: Walk) -> None:
    """They go to the sandbox: no route is looked at."""
    taken = await walk.acceptor.accept(SendRequest(NUMBER, "hello"), walk.caller(test=True))
    assert isinstance(taken, Message)
    assert (await walk.row(taken))["explanation"] is None
