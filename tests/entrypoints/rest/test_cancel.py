"""`POST /v1/messages/cancel`: many messages at once, by what they have in common."""

from messages.walk import Walk

from .door import Door

SEND = "/v1/messages"
CANCEL = "/v1/messages/cancel"


async def test_by_tag_and_by_batch(sending: Door, walk: Walk) -> None:
    """What waits with the tag, or in the batch, is cancelled; the rest stays."""
    walk.carrier.turn(up=False)
    message = {"to": "+447700900123", "from": "ACME", "body": "hello"}
    tagged = [message | {"tags": ["spring"]}] * 3
    batch = (await sending.ask("POST", f"{SEND}/batch", {"messages": [*tagged, message]})).body
    other = (await sending.ask("POST", SEND, message | {"tags": ["autumn"]})).body
    by_tag = await sending.ask("POST", CANCEL, {"tag": "spring"})
    assert (by_tag.status, by_tag.body) == (200, {"canceled": 3, "next": None})
    by_batch = await sending.ask("POST", CANCEL, {"batch": batch["id"], "after": other["id"]})
    assert by_batch.body == {"canceled": 0, "next": None}
    by_batch = await sending.ask("POST", CANCEL, {"batch": batch["id"]})
    assert by_batch.body == {"canceled": 1, "next": None}
    assert (await sending.ask("GET", f"{SEND}/{other['id']}")).body["status"] == "queued"


async def test_refusals(sending: Door) -> None:
    """Nothing is cancelled by a call that does not say what, or names what cannot be."""
    for body, pointer in (({}, "/tag"), ({"batch": "msg_1"}, "/batch"), ({"tag": ""}, "/tag")):
        answer = await sending.ask("POST", CANCEL, body)
        assert answer.status == 422
        assert [error["pointer"] for error in answer.body["errors"]] == [pointer]
