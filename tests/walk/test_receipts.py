"""Receipts of carriers with habits of their own: found all the same, learnt, read again."""

from typing import Any

from onesixty.simulator.faults import parse_faults

from .platform import Walk, until
from .traffic import all_ended, send_all

OTHERWISE = ["id_form=hex_then_decimal"]  # in the answer, then in the receipt


async def learned(walk: Walk) -> dict[str, Any]:
    """What the API shows of the carrier's receipts."""
    await walk.app.receiver.learn()
    found: dict[str, Any] = (await walk.get("/v1/carriers/acme"))["learned"]
    return found


async def test_ids_in_another_form(walk: Walk) -> None:
    """Decimal receipts for hexadecimal ids find their messages at once, and the form is learnt."""
    walk.smsc.faults = parse_faults(OTHERWISE)
    assert await learned(walk) is None
    messages = await send_all(walk, 40)
    assert await all_ended(walk, messages) == {"delivered": 40}
    shown = await learned(walk)
    assert shown["id_form"] == "decimal_to_hex"
    assert shown["id_forms"] == {"decimal_to_hex": 40}
    assert shown["words"] == {"DELIVRD": 40}
    assert shown["dates"] == {"form": "YYMMDDhhmm", "utc_offset_minutes": 0}
    assert shown["last_hour"] == {"total": 40, "unmatched": 0}


async def test_receipts_that_overtake_in_another_form(walk: Walk) -> None:
    """A receipt in another form that came before the answer is matched a little later."""
    walk.smsc.faults = parse_faults([*OTHERWISE, "receipt_early=1", "answer_delay_seconds=0.3"])
    message = await walk.send("+447700900123")
    await until(lambda: has_parked(walk))
    await until(lambda: is_sent(walk, message))
    await walk.app.receiver.learn()
    assert (await walk.ended(message))["status"] == "delivered"
    assert (await learned(walk))["last_hour"] == {"total": 1, "unmatched": 0}


async def has_parked(walk: Walk) -> bool:
    """Whether a receipt is there that belongs to nothing yet."""
    return bool(await walk.rows("SELECT FROM receipts WHERE message_id IS NULL"))


async def is_sent(walk: Walk, message: str) -> bool:
    """Whether the answer to a message is known."""
    return bool((await walk.message(message))["status"] == "sent")


async def test_receipts_read_again(walk: Walk) -> None:
    """Words that are understood later end the messages that they told of, once."""
    await walk.change("acme", status_words={"DELIVRD": "unknown"})
    messages = [await walk.send(f"+44770090010{n}") for n in range(3)]
    await until(lambda: has_receipts(walk, 3))
    assert {(await walk.message(one))["status"] for one in messages} == {"sent"}
    path = "/v1/carriers/acme/receipts/reparse"
    nothing = await walk.post(path)
    assert nothing == {"read": 3, "matched": 0, "changed": 0, "unmatched": 0, "next": None}
    words = {"status_words": {"DELIVRD": "delivered"}}
    again = await walk.post(path, words)
    assert again == {"read": 3, "matched": 0, "changed": 3, "unmatched": 0, "next": None}
    assert {(await walk.ended(one))["status"] for one in messages} == {"delivered"}
    assert (await walk.post(path, words))["changed"] == 0
    future = await walk.post(path, {"since": "2100-01-01T00:00:00Z"})
    assert future["read"] == 0


async def has_receipts(walk: Walk, count: int) -> bool:
    """Whether so many receipts are kept."""
    return len(await walk.rows("SELECT FROM receipts")) == count


async def test_what_cannot_be_read_again(walk: Walk) -> None:
    """Words that mean nothing, unknown carriers and kinds that keep no receipts are refused."""
    path = "/v1/carriers/acme/receipts/reparse"
    for body, pointer in (
        ({"status_words": {"FOO": "gone"}}, "/status_words"),
        ({"receipt_id_form": "roman"}, "/receipt_id_form"),
        ({"after": "x"}, "/after"),
    ):
        answer = await walk.ask("POST", path, body)
        assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, pointer), answer
    assert (await walk.ask("POST", path.replace("acme", "none"))).status == 404
    assert (await walk.ask("POST", path.replace("acme", "sandbox"))).status == 409
