"""One message from the door to the handset and back, in all its kinds."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

from onesixty.kit.clock import SystemClock
from onesixty.simulator.inbound import PartOrder
from onesixty.simulator.smsc import Smsc
from onesixty.sms.segments import Concatenation

from .platform import Walk, until

HANDSET = "+447700900123"
LONG = "".join(f"{number} bottles of beer on the wall; " for number in range(99, 80, -1))


def got(smsc: Smsc) -> list[tuple[str, str, str]]:
    """(source, destination, text) of every whole message that the SMSC took."""
    assert smsc.record is not None
    return [(one.source, one.destination, one.text) for one in smsc.record.messages()]


async def test_plain(walk: Walk) -> None:
    """A message is accepted as queued, reaches the SMSC as it was sent, and ends delivered."""
    sent = await walk.post("/v1/messages", {"to": HANDSET, "from": "ACME", "body": "Hello"})
    assert (sent["status"], sent["carrier"], sent["route"]) == ("queued", "acme", "all")
    shown = await walk.ended(sent["id"])
    assert (shown["status"], shown["segments"], shown["parts_sent"]) == ("delivered", 1, 1)
    assert (shown["attempts"], shown["error"]) == (1, None)
    assert shown["created_at"] <= shown["sent_at"] <= shown["delivered_at"] == shown["final_at"]
    assert got(walk.smsc) == [("ACME", HANDSET[1:], "Hello")]
    assert walk.hooks.types(sent["id"]) == ["queued", "sent", "delivered"]


# Text, encoding, segments: by character, by length and by the graphemes that must stay together.
TEXTS = [
    ("Price: 10 €, {[~^|\\]}", "gsm7", 1),
    ("€" * 80, "gsm7", 1),
    ("€" * 81, "gsm7", 2),
    (LONG, "gsm7", 4),
    ("See you 👋🏽 at the café — “soon”", "ucs2", 1),
    ("👨‍👩‍👧‍👦" * 20, "ucs2", 4),
]


async def test_texts(walk: Walk) -> None:
    """Whatever its characters and length, the handset shows the very text that was sent."""
    sent = {await walk.send(HANDSET, text): text for text, _, _ in TEXTS}
    await walk.hooks.end(*sent)
    for message, (text, encoding, segments) in zip(sent, TEXTS, strict=True):
        shown = await walk.message(message)
        assert (shown["status"], shown["encoding"]) == ("delivered", encoding)
        assert (shown["body"], shown["segments"], shown["parts_sent"]) == (text, segments, segments)
    assert sorted(text for _, _, text in got(walk.smsc)) == sorted(sent.values())
    assert walk.smsc.statistics.submits == sum(segments for _, _, segments in TEXTS)


async def test_senders(walk: Walk) -> None:
    """Alphanumeric, short and long senders arrive as such, each with its type of number."""
    senders = {"ACME": 5, "12345": 3, "+14155550100": 1}
    await walk.hooks.end(*[await walk.send(HANDSET, **{"from": one}) for one in senders])
    assert walk.smsc.record is not None
    sent = walk.smsc.record.submissions
    types = {one.source: one.pdu.number("source_addr_ton") for one in sent}
    assert types == {sender.removeprefix("+"): ton for sender, ton in senders.items()}


async def test_canceled(walk: Walk) -> None:
    """A scheduled message is told of to nobody, can be cancelled once, and is never sent."""
    later = (SystemClock().now() + timedelta(hours=2)).isoformat()
    message = await walk.send(HANDSET, send_at=later)
    assert (await walk.message(message))["status"] == "scheduled"
    canceled = await walk.post(f"/v1/messages/{message}/cancel")
    assert (canceled["status"], canceled["final_at"] is None) == ("canceled", False)
    await walk.hooks.end(message)
    assert walk.hooks.types(message) == ["canceled"]
    assert await walk.post(f"/v1/messages/{message}/cancel") == canceled
    done = await walk.ended(await walk.send(HANDSET))
    refused = await walk.ask("POST", f"/v1/messages/{done['id']}/cancel")
    assert (refused.status, refused.body["code"]) == (409, "conflict")
    assert "delivered" in refused.body["detail"]
    assert len(got(walk.smsc)) == 1


async def test_scheduled(walk: Walk) -> None:
    """A scheduled message is sent when its time has come, and not before."""
    due = SystemClock().now() + timedelta(seconds=1)
    shown = await walk.ended(await walk.send(HANDSET, send_at=due.isoformat()))
    assert shown["status"] == "delivered"
    assert shown["created_at"] < shown["send_at"] <= shown["sent_at"]


async def test_send_at_of_another_zone(walk: Walk) -> None:
    """A time given with an offset is the same moment in every answer, in UTC."""
    body = {"to": HANDSET, "from": "ACME", "body": "x", "send_at": "2027-06-01T12:00:00+02:00"}
    sent = await walk.post("/v1/messages", body)
    assert sent["send_at"] == "2027-06-01T10:00:00.000Z"
    assert (await walk.message(sent["id"]))["send_at"] == sent["send_at"]
    preview = await walk.post("/v1/messages", body | {"dry_run": True})
    assert preview["send_at"] == sent["send_at"]
    assert preview["expires_at"] == "2027-06-02T10:00:00.000Z"


async def test_expired(walk: Walk) -> None:
    """What no carrier took within its validity expires, and is not sent when one is back."""
    port = walk.smsc.port
    await walk.smsc.stop()
    shown = await walk.ended(await walk.send(HANDSET, validity_seconds=1))
    assert (shown["status"], shown["error"]["code"]) == ("expired", "expired")
    assert (shown["error"]["class"], shown["attempts"]) == ("expired", 0)
    assert walk.hooks.types(shown["id"]) == ["queued", "expired"]
    await walk.smsc.start(port=port)
    await walk.up("acme")
    assert (await walk.ended(await walk.send(HANDSET, "alive")))["status"] == "delivered"
    assert [text for _, _, text in got(walk.smsc)] == ["alive"]


async def test_expired_in_line(walk: Walk) -> None:
    """A message in memory, behind a window that does not move, expires as one in the queue."""
    await walk.change("acme", window=1, response_seconds=60)
    walk.slow(60.0)
    held = await walk.send(HANDSET, "holds the window")
    late = [await walk.send(HANDSET, f"late {n}", validity_seconds=1) for n in range(3)]
    for message in late:
        assert (await walk.ended(message))["status"] == "expired"
    assert [text for _, _, text in got(walk.smsc)] == ["holds the window"]
    assert not walk.hooks.ended(held)
    walk.smsc.break_links()  # else its answer would be waited for at the end


async def test_inbound(walk: Walk) -> None:
    """What handsets write, in whatever parts it comes, is told by events and found in the list."""
    ours = "+14155550100"
    written = {HANDSET: LONG, "+14155550111": "Привет 👋", "+14155550112": LONG * 2}
    written |= {"+14155550113": "👋" * 200, "+14155550114": "short"}
    orders = [PartOrder.IN_ORDER, PartOrder.SHUFFLED, PartOrder.REPEATED]
    for (handset, text), order in zip(written.items(), itertools.cycle(orders), strict=False):
        long = Concatenation.SAR if order is PartOrder.SHUFFLED else Concatenation.UDH8
        walk.smsc.receive_from(handset, ours, text, long=long, order=order)
    told = await walk.hooks.inbound(len(written))
    assert {one["from"]: one["body"] for one in told} == written
    listed = (await walk.get("/v1/messages?direction=inbound"))["data"]
    assert {one["id"]: one for one in listed} == {one["id"]: one for one in told}
    for one in listed:
        assert (one["status"], one["direction"], one["to"]) == ("received", "inbound", ours)
    assert (await walk.get("/v1/messages?direction=outbound"))["data"] == []
    # Parts stay for a while, for those that come twice; none waits for others any more.
    assert await walk.rows("SELECT * FROM inbound_parts WHERE message_id IS NULL") == []


async def test_callback(walk: Walk) -> None:
    """The callback URL of a message is told of it too, signed with the account's own secret."""
    await walk.ask("DELETE", f"/v1/webhooks/{walk.webhook['id']}")
    walk.hooks.secret = (await walk.get("/v1/webhooks/callbacks/secret"))["secret"]
    message = await walk.send(HANDSET, callback_url=f"{walk.hooks.url}/mine")
    await walk.hooks.told(message, "delivered")
    await walk.send(HANDSET)
    assert {one["data"]["id"] for one in walk.hooks.events} == {message}


async def test_timeline(walk: Walk) -> None:
    """The timeline tells every event, part and receipt, and its own ids are those of the SMSC."""
    message = await walk.send(HANDSET, LONG)
    await walk.hooks.end(message)
    timeline = await walk.get(f"/v1/messages/{message}/timeline")
    events, parts, receipts = timeline["events"], timeline["parts"], timeline["receipts"]
    assert [one["type"] for one in events] == [
        "message.queued",
        "message.sent",
        "message.delivered",
    ]
    assert [one["sequence"] for one in events] == [1, 2, 3]
    assert [one["id"] for one in events] == [one["id"] for one in walk.hooks.of(message)]
    assert [(one["part"], one["outcome"], one["receipt"]) for one in parts] == [
        (number, "accepted", "delivered") for number in range(1, 5)
    ]
    assert walk.smsc.record is not None
    taken = [one.message_id for one in walk.smsc.record.submissions]
    assert [one["carrier_message_id"] for one in parts] == taken
    assert sorted(one["carrier_message_id"] for one in receipts) == sorted(taken)
    assert all("stat:DELIVRD" in one["raw"] for one in receipts)


async def test_repeated_key(walk: Walk) -> None:
    """A repeat with its Idempotency-Key sends nothing and gets the first answer; no other body."""
    body = {"to": HANDSET, "from": "ACME", "body": "once"}
    headers = {"Idempotency-Key": "order 4711"}
    answers = [await walk.ask("POST", "/v1/messages", body, headers=headers) for _ in range(3)]
    assert [one.status for one in answers] == [202, 202, 202]
    assert [one.headers.get("idempotency-replayed") for one in answers] == [None, "true", "true"]
    assert answers[0].body == answers[1].body == answers[2].body
    other = await walk.ask("POST", "/v1/messages", body | {"body": "two"}, headers=headers)
    assert (other.status, other.body["code"]) == (409, "idempotency_conflict")
    await walk.hooks.end(answers[0].body["id"])
    assert len(got(walk.smsc)) == 1


async def test_repeated_at_once(walk: Walk) -> None:
    """Of many requests with one key at the same moment one is the first; all get its answer."""
    body = {"to": HANDSET, "from": "ACME", "body": "once"}
    headers = {"Idempotency-Key": "all at once"}
    answers = await asyncio.gather(
        *[walk.ask("POST", "/v1/messages", body, headers=headers) for _ in range(20)]
    )
    assert {(one.status, one.body["id"]) for one in answers} == {(202, answers[0].body["id"])}
    assert sum("idempotency-replayed" not in one.headers for one in answers) == 1
    await walk.hooks.end(answers[0].body["id"])
    assert len(got(walk.smsc)) == 1


async def test_test_key(walk: Walk) -> None:
    """A test key runs the whole pipeline, webhooks too, and nothing leaves for a carrier."""
    made = await walk.post("/v1/keys", {"name": "tests", "scopes": ["*"], "test": True})
    message = await walk.send("+15005550100", key=made["key"])
    shown = await walk.ended(message)
    assert (shown["status"], shown["test"], shown["carrier"]) == ("delivered", True, "sandbox")
    assert walk.hooks.types(message) == ["queued", "sent", "delivered"]
    failed = await walk.ended(await walk.send("+15005550117", key=made["key"]))
    assert (failed["status"], failed["error"]["class"]) == ("failed", "recipient")
    assert walk.smsc.statistics.submits == 0


async def test_nothing_waits(walk: Walk) -> None:
    """When all is done nothing is left in the queue, in the outbox or under a lease."""
    await walk.hooks.end(*[await walk.send(HANDSET, f"number {n}") for n in range(20)])

    async def is_empty() -> bool:
        counts: list[dict[str, Any]] = await walk.rows(
            "SELECT (SELECT count(*) FROM queue) + (SELECT count(*) FROM leases)"
            " + (SELECT count(*) FROM webhook_queue) AS waiting"
        )
        return bool(counts[0]["waiting"] == 0)

    await until(is_empty)
