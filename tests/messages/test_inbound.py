"""Inbound messages: joined from their parts however they come, stored before the carrier hears."""

from datetime import timedelta
from typing import Any

import pytest

from on_file import OnFile
from onesixty.carriers.content import Content, Media
from onesixty.carriers.contract import Inbound
from onesixty.messages import render
from onesixty.messages.receive import inbound
from onesixty.messages.receive.inbound import IDS_KEPT, INBOX_MOST, PARTS_WAIT, REPEATS
from onesixty.messages.types import Encoding as Shown
from onesixty.sms.alphabet import Encoding
from onesixty.sms.reassembly import GAP, Fragment

from .walk import Walk, somebody_waits


def part(number: int, text: str, *, total: int = 3, reference: int = 7) -> Fragment:
    """One part of a long message."""
    return Fragment(Encoding.UCS2, text.encode("utf-16-be"), reference, 8, total, number)


async def inbox(walk: Walk) -> list[Any]:
    """What was received, oldest first."""
    await walk.received()
    return await walk.database.fetch("SELECT * FROM messages WHERE direction = 1 ORDER BY id")


async def bodies(walk: Walk) -> list[str]:
    """The texts that were received."""
    return [row["body"] for row in await inbox(walk)]


async def test_a_short_message(walk: Walk, on_file: OnFile) -> None:
    """A message from a handset belongs to the account of its carrier, whose webhooks hear of it."""
    endpoint = await on_file.endpoint(walk.account, "message.received")
    walk.carrier.say("Grüße 👋")
    (row,) = await inbox(walk)
    assert (row["account_id"], row["carrier_id"]) == (walk.account, walk.carrier.number)
    assert (row["sender"], row["recipient"]) == ("+447700900999", "+447700900111")
    assert (row["body"], row["segments"], row["status"]) == ("Grüße 👋", 1, 12)
    assert row["created_at"] == row["final_at"] == walk.clock.now()
    assert await walk.ask("SELECT endpoint_id FROM webhook_queue") == endpoint
    assert await walk.ask("SELECT type FROM events WHERE message_id = $1", row["id"]) == 12
    assert walk.carrier.acknowledged == [True]
    assert "InboundReceiver" in walk.hooks


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
@pytest.mark.parametrize("together", [True, False])
async def test_parts_in_any_order(walk: Walk, order: tuple[int, ...], together: bool) -> None:
    """The parts of a long message make one message, in one read or in several."""
    parts = [part(number, f"<{number}>") for number in order]
    if together:
        walk.carrier.say(*parts)
    for each in () if together else parts:
        assert await bodies(walk) == []
        walk.carrier.say(each)
    assert await bodies(walk) == ["<1><2><3>"]
    (row,) = await inbox(walk)
    assert (row["segments"], row["error_code"], row["form"]) == (3, None, None)
    assert walk.carrier.acknowledged == [True] * 3


async def test_a_character_cut_in_two(walk: Walk) -> None:
    """A surrogate pair that was cut between two parts is whole again."""
    wave = "👋".encode("utf-16-be")
    halves = [
        Fragment(Encoding.UCS2, octets, 7, 8, 2, number)
        for number, octets in ((1, wave[:2]), (2, wave[2:]))
    ]
    walk.carrier.say(*halves)
    assert await bodies(walk) == ["👋"]


@pytest.mark.parametrize("together", [True, False])
async def test_repeated_parts_count_once(walk: Walk, together: bool) -> None:
    """A part that comes twice, because its first answer was lost, changes nothing."""
    parts = [part(1, "a"), part(1, "a"), part(2, "b"), part(1, "a"), part(3, "c")]
    if together:
        walk.carrier.say(*parts)
    for each in () if together else parts:
        walk.carrier.say(each)
        await walk.received()
    assert await bodies(walk) == ["abc"]
    assert walk.carrier.acknowledged == [True] * 5


async def test_a_part_that_comes_once_more_after_its_message(walk: Walk) -> None:
    """For ten minutes parts of a whole message are known, then they are forgotten."""
    parts = [part(number, f"<{number}>", total=2) for number in (1, 2)]
    walk.carrier.say(*parts)
    await walk.received()
    await walk.clock.advance(REPEATS.total_seconds())
    await walk.inbound.sweep()
    walk.carrier.say(parts[1])
    assert await bodies(walk) == ["<1><2>"]
    assert walk.carrier.acknowledged == [True] * 3
    await walk.clock.advance(1)
    await walk.inbound.sweep()
    assert await walk.count("inbound_parts") == 0


@pytest.mark.parametrize("is_whole", [True, False])
async def test_another_message_with_the_same_reference(walk: Walk, is_whole: bool) -> None:
    """A part of other octets under known numbers begins a message of its own; nothing is lost."""
    walk.carrier.say(part(1, "old", total=2), *[part(2, "er", total=2)] * is_whole)
    await walk.received()
    walk.carrier.say(part(1, "new", total=2), part(2, "er", total=2))
    assert await bodies(walk) == ["older" if is_whole else f"old{GAP}", "newer"]


async def test_messages_do_not_mix(walk: Walk) -> None:
    """Parts belong together by sender, recipient, reference and number of parts."""
    walk.carrier.say(part(1, "a1", total=2), part(1, "b1", total=2, reference=8))
    walk.carrier.say(part(1, "c1", total=2), part(2, "c2", total=2), sender="+447700900998")
    walk.carrier.say(part(2, "b2", total=2, reference=8), part(2, "a2", total=2))
    assert sorted(await bodies(walk)) == ["a1a2", "b1b2", "c1c2"]


async def test_short_and_long_in_one_read(walk: Walk) -> None:
    """Whole messages and parts of one read are all stored."""
    walk.carrier.say("one", part(1, "a", total=2), "two", part(2, "b", total=2))
    assert sorted(await bodies(walk)) == ["ab", "one", "two"]


async def test_a_missing_part_is_shown_as_a_gap(walk: Walk) -> None:
    """A day after its last part an incomplete message is shown, with a mark where it lacks."""
    walk.carrier.say(part(1, "begin "), part(3, " end"))
    assert await bodies(walk) == []
    await walk.clock.advance(PARTS_WAIT.total_seconds())
    await walk.inbound.sweep()
    assert await bodies(walk) == []
    await walk.clock.advance(1)
    await walk.inbound.sweep()
    (row,) = await inbox(walk)
    assert row["body"] == f"begin {GAP} end"
    assert (row["error_code"], row["segments"]) == ("parts_missing", 3)
    assert row["form"] == {"missing_parts": [2]}
    await walk.inbound.sweep()
    assert len(await inbox(walk)) == 1


async def test_a_part_that_comes_after_all_completes_its_message(walk: Walk) -> None:
    """What was shown with gaps is completed as its parts come, and is told of again."""
    walk.carrier.say(part(2, "b"))
    await walk.received()
    await walk.clock.advance(PARTS_WAIT.total_seconds() + 1)
    await walk.inbound.sweep()
    for number, text in ((3, "c"), (1, "a")):
        walk.carrier.say(part(number, text))
        await walk.received()
    (row,) = await inbox(walk)
    assert (row["body"], row["form"], row["error_code"]) == ("abc", None, None)
    told = await walk.database.fetch("SELECT sequence, type FROM events ORDER BY sequence")
    assert [tuple(one) for one in told] == [(1, 12), (2, 12), (3, 12)]
    walk.carrier.say(part(3, "c"))
    assert len(await inbox(walk)) == 1


async def test_what_is_never_completed_is_forgotten(walk: Walk) -> None:
    """A part that comes two waits after the last one is a message of its own."""
    walk.carrier.say(part(1, "a", total=2))
    await walk.received()
    for _ in range(2):
        await walk.clock.advance(PARTS_WAIT.total_seconds() + 1)
        await walk.inbound.sweep()
    assert await walk.count("inbound_parts") == 0
    assert await bodies(walk) == [f"a{GAP}"]


async def test_each_part_prolongs_the_wait(walk: Walk) -> None:
    """The wait begins anew with every part."""
    for number in (1, 2):
        walk.carrier.say(part(number, "x"))
        await walk.received()
        await walk.clock.advance((PARTS_WAIT - timedelta(minutes=1)).total_seconds())
        await walk.inbound.sweep()
    assert await bodies(walk) == []
    walk.carrier.say(part(3, "x"))
    assert await bodies(walk) == ["xxx"]


async def test_binary_is_kept_as_it_came(walk: Walk) -> None:
    """Octets that are no text are kept as data, parts joined."""
    walk.carrier.say(Fragment(Encoding.BINARY, b"\x00\xffA"))
    walk.carrier.say(*(Fragment(Encoding.BINARY, bytes([n]), 1, 16, 2, n) for n in (1, 2)))
    rows = await inbox(walk)
    assert sorted(row["form"]["data"] for row in rows) == ["00ff41", "0102"]
    assert {(row["body"], row["encoding"]) for row in rows} == {("", Shown.BINARY)}


@pytest.mark.parametrize(
    ("encoding", "octets", "text"),
    [
        (Encoding.UCS2, b"\x00a\x00\x00\x00b", "ab"),
        (Encoding.LATIN1, b"a\x00b", "ab"),
        (Encoding.UCS2, b"\xd8\x3d", "\ufffd"),
        (Encoding.UCS2, b"\x00a\x00", "a"),
    ],
)
async def test_what_is_no_text(walk: Walk, encoding: Encoding, octets: bytes, text: str) -> None:
    """NULs and half characters are left out, lone surrogates replaced, and the octets are kept."""
    walk.carrier.say(Fragment(encoding, octets))
    (row,) = await inbox(walk)
    assert row["body"] == text
    assert row["form"] == {"data": octets.hex(), "data_coding": 0}


async def test_an_empty_message(walk: Walk) -> None:
    """A message without text is a message."""
    walk.carrier.say("")
    assert await bodies(walk) == [""]


async def test_nothing_is_acknowledged_before_it_is_stored(walk: Walk) -> None:
    """While the database does not commit, the carrier hears nothing."""
    async with walk.database.write() as tx:
        await tx.execute("LOCK messages")
        walk.carrier.say("hello")
        await somebody_waits(tx)
        assert walk.carrier.acknowledged == []
    await walk.received()
    assert walk.carrier.acknowledged == [True]


async def test_beyond_the_inbox_the_carrier_is_asked_to_come_again(walk: Walk) -> None:
    """When too many wait, further messages are not taken, and the carrier is told so."""
    walk.carrier.say(*["x"] * (INBOX_MOST + 2))
    assert walk.carrier.acknowledged == [False] * 2
    await walk.inbound.gatherer.stop()


async def test_parts_that_come_to_two_processes(walk: Walk) -> None:
    """A part that comes while another process is still storing the other one finds it."""
    first = Inbound(
        walk.carrier.number, "+447700900999", "+447700900111", part(1, "<1>", total=2),
        walk.clock.now(), lambda stored: None,
    )  # fmt: skip
    async with walk.database.write() as tx:
        await tx.execute("SELECT pg_advisory_xact_lock($1)", inbound._LOCK)
        await walk.inbound._join(tx, [first], walk.clock.now())
        walk.carrier.say(part(2, "<2>", total=2))
        await somebody_waits(tx)
    assert await bodies(walk) == ["<1><2>"]


def told(walk: Walk, text: str, name: str, **more: Any) -> Inbound:
    """A message as a carrier over HTTP tells it, with an id of its own."""
    fragment = Fragment(Encoding.UCS2, text.encode("utf-16-be"))
    given = {"fragment": fragment, "carrier_id": walk.carrier.number, **more}
    return Inbound(
        sender="+447700900999",
        recipient="+447700900111",
        received_at=walk.clock.now(),
        acknowledge=walk.carrier.acknowledged.append,
        carrier_message_id=name,
        **given,
    )


@pytest.mark.parametrize("together", [True, False])
async def test_a_message_that_comes_once_more(walk: Walk, together: bool) -> None:
    """The same id is stored once and acknowledged each time; other ids are other messages."""
    messages = [told(walk, "one", "a"), told(walk, "one", "a"), told(walk, "one", "b")]
    for each in [messages] if together else [[one] for one in messages]:
        walk.inbound.put(each)
        await walk.received()
    assert await bodies(walk) == ["one", "one"]
    assert walk.carrier.acknowledged == [True] * 3


async def test_ids_hold_for_all_carriers_of_one_account(walk: Walk, on_file: OnFile) -> None:
    """What came over one carrier of an account is known at the others, and nowhere else."""
    twin, stranger = [await on_file.carrier(walk.account) for _ in range(2)]
    await walk.keeper.refresh()
    number = walk.carrier.number
    walk.inbound.one_account = lambda: {number: [twin], twin: [number]}
    walk.inbound.put([told(walk, "here", "a")])
    walk.inbound.put([told(walk, f"over {n}", "a", carrier_id=n) for n in (twin, stranger)])
    assert await bodies(walk) == ["here", f"over {stranger}"]


async def test_repeated_parts_with_ids(walk: Walk) -> None:
    """Parts under one id are told apart by their number, and remembered beyond the message."""
    parts = [told(walk, "", "a", fragment=part(n, f"<{n}>", total=2)) for n in (1, 2)]
    walk.inbound.put(parts)
    assert await bodies(walk) == ["<1><2>"]
    await walk.clock.advance(REPEATS.total_seconds() * 2)
    await walk.inbound.sweep()
    walk.inbound.put(parts)
    assert await bodies(walk) == ["<1><2>"]
    assert await walk.count("inbound_parts") == 0


async def test_ids_are_forgotten(walk: Walk) -> None:
    """After ten days an id says nothing any more, however long it is."""
    walk.inbound.put([told(walk, "old", "a" * 5000)])
    await walk.received()
    await walk.inbound.sweep()
    assert await walk.count("inbound_ids") == 1
    await walk.clock.advance(IDS_KEPT.total_seconds() + 1)
    await walk.inbound.sweep()
    assert await walk.count("inbound_ids") == 0


async def test_what_comes_beside_the_text(walk: Walk) -> None:
    """Channel, content and what the carrier says of an opt-out are kept with the message."""
    content = Content(media=(Media("https://cdn.example.com/1", "image/jpeg"),), profile="Ana")
    walk.inbound.put(
        [
            told(walk, "look", "a", channel="whatsapp", content=content),
            told(walk, "STOP", "b", opt_out="stop"),
            told(walk, "plain", "c"),
        ]
    )
    rows = {row["body"]: (row["channel"], row["content"]) for row in await inbox(walk)}
    assert rows == {
        "look": (2, content.to_json()),
        "STOP": (0, {"opt_out": "stop"}),
        "plain": (0, None),
    }
    shown = render.message((await inbox(walk))[1], walk.keeper.book)
    assert (shown["channel"], shown["opt_out"]) == ("sms", "stop")
