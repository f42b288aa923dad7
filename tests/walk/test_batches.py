"""Batches through the whole platform: the good are sent, the bad refused, at a bounded cost."""

from typing import Any

from onesixty.kit.clock import SystemClock

from .counting import Counted, counting
from .platform import Walk, until

BAD = {
    7: ({"to": "not a number", "body": "x"}, "invalid_number", "/to"),
    77: ({"to": "+447700900123", "body": ""}, "empty_body", "/body"),
    500: ({"to": "+447700900123", "body": "x", "colour": "red"}, "invalid_request", "/colour"),
    501: ({"to": "+447700900123", "body": "нет", "encoding": "gsm7"}, "not_encodable", "/body"),
    502: ({"to": "+447700900123", "body": "x" * 2000}, "body_too_long", "/body"),
    999: ({"to": "+447700900123", "body": "x", "from": "no such name"}, "invalid_sender", "/from"),
}  # fmt: skip


async def ended(walk: Walk, batch: str, statuses: dict[str, int]) -> None:
    """Wait until the messages of a batch stand like that."""

    async def done() -> bool:
        return await walk.statuses(batch) == statuses

    await until(done, 30)


def messages(count: int) -> list[dict[str, Any]]:
    """Messages to as many handsets."""
    return [
        {"to": f"+4477009{number:05d}", "from": "ACME", "body": f"number {number}"}
        for number in range(count)
    ]


async def test_thousand_with_bad_ones(walk: Walk) -> None:
    """Of a batch of 1,000 the bad ones come back by their index; all others arrive once."""
    await walk.ask("DELETE", f"/v1/webhooks/{walk.webhook['id']}")
    sent = messages(1000)
    for index, (bad, _, _) in BAD.items():
        sent[index] = {"from": "ACME"} | bad
    headers = {"Idempotency-Key": "the batch"}
    first = await walk.ask("POST", "/v1/messages/batch", {"messages": sent}, headers=headers)
    again = await walk.ask("POST", "/v1/messages/batch", {"messages": sent}, headers=headers)
    assert (first.status, again.status) == (202, 202)
    assert (again.headers["idempotency-replayed"], again.body) == ("true", first.body)
    assert (first.body["accepted"], first.body["refused"]) == (1000 - len(BAD), len(BAD))
    results = first.body["results"]
    assert [one["index"] for one in results] == list(range(1000))
    for index, (_, code, pointer) in BAD.items():
        problem = results[index]["problem"]
        assert (problem["code"], problem["errors"][0]["pointer"]) == (code, pointer)
    await ended(walk, first.body["id"], {"delivered": 1000 - len(BAD)})
    assert walk.smsc.record is not None
    got = sorted((f"+{one.destination}", one.text) for one in walk.smsc.record.messages())
    assert got == sorted((one["to"], one["body"]) for n, one in enumerate(sent) if n not in BAD)


async def test_shared_text(walk: Walk) -> None:
    """One text for many recipients; the batch counts them, and their own references are kept."""
    recipients = [{"to": f"+447700900{n:03d}", "reference": f"customer {n}"} for n in range(20)]
    body = {"from": "ACME", "body": "Hi all", "tags": ["news"], "recipients": recipients}
    made = await walk.post("/v1/messages/batch", body)
    await ended(walk, made["id"], {"delivered": 20})
    listed = (await walk.get(f"/v1/messages?batch={made['id']}"))["data"]
    assert {one["reference"] for one in listed} == {f"customer {n}" for n in range(20)}
    assert all((one["tags"], one["batch"]) == (["news"], made["id"]) for one in listed)


async def test_cancel(walk: Walk) -> None:
    """Cancelling a batch stops what no carrier has in hand."""
    later = SystemClock().now().replace(year=SystemClock().now().year + 1).isoformat()
    body = {"messages": [one | {"send_at": later} for one in messages(30)]}
    made = await walk.post("/v1/messages/batch", body)
    assert await walk.statuses(made["id"]) == {"scheduled": 30}
    canceled = await walk.post(f"/v1/batches/{made['id']}/cancel")
    assert canceled["statuses"] == {"canceled": 30}
    await walk.hooks.end(*[one["id"] for one in made["results"]])
    assert walk.smsc.statistics.submits == 0


async def test_statements(walk: Walk) -> None:
    """1,000 messages cost the walk a bounded number of statements: none is made for each."""
    await walk.ask("DELETE", f"/v1/webhooks/{walk.webhook['id']}")
    await walk.change("acme", window=1000)
    counted: Counted = await counting(walk.app.database)
    made = await walk.post("/v1/messages/batch", {"messages": messages(1000)})
    await until(lambda: walk.smsc.statistics.delivered == 1000)
    statements = dict(counted)
    await ended(walk, made["id"], {"delivered": 1000})
    # Loops that look by the clock are among them: a slow machine counts more of those.
    assert sum(statements.values()) < 100, statements
