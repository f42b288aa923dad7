"""The numbers that choose what happens: each ends as its row of the table says."""

from dataclasses import dataclass

import pytest

from onesixty.simulator.numbers import NUMBERS, PREFIX

from .platform import Walk, until

LONG = "The quick brown fox jumps over the lazy dog. " * 6
# Those whose fate takes longer than a test may: a receipt after a minute, none, throttled for 30 s.
SLOW = {PREFIX + "01", PREFIX + "02", PREFIX + "13"}


@dataclass(frozen=True)
class End:
    """How a message ends: status, error code and class, and the carrier's own code."""

    status: str = "delivered"
    code: str | None = None
    blame: str | None = None
    carrier_code: str | None = None


ENDS = {
    "00": End(),
    "03": End("undelivered", "undelivered", "recipient", "003"),
    "04": End("undelivered", "undelivered", "recipient", "005"),
    "05": End("undelivered", "undelivered", "recipient", "006"),
    "06": End("undelivered", "undelivered", "recipient", "007"),
    "07": End("undelivered", "undelivered", "recipient", "008"),
    "08": End(),
    "09": End(),
    "10": End(),
    "11": End(),
    "12": End("undelivered", "partially_delivered", "recipient", "003"),
    "14": End(),
    "15": End("undelivered", "undelivered", "recipient", "034"),
    "16": End("undelivered", "undelivered", "recipient", "450"),
    "17": End("failed", "recipient_refused", "recipient", "ESME_RINVDSTADR"),
    "18": End(),
}


def test_all_numbers_are_here() -> None:
    """Every number of the table is either played here or too slow to be."""
    assert {PREFIX + last for last in ENDS} | SLOW == NUMBERS.keys()


@pytest.mark.parametrize("test", [False, True], ids=["smpp", "sandbox"])
async def test_ends(walk: Walk, test: bool) -> None:
    """Over SMPP and with a test key every number ends the same way, and the replies come in."""
    name = "sandbox" if test else "acme"
    key = (await walk.post("/v1/keys", {"name": "k", "scopes": ["*"], "test": test}))["key"]
    await walk.change(name, response_seconds=1)
    sent = {
        last: await walk.send(PREFIX + last, LONG if last == "12" else f"to {last}", key=key)
        for last in ENDS
    }
    await walk.hooks.end(*sent.values())
    if test:  # the sandbox is no SMPP carrier, and chat channels tell of reading
        await walk.hooks.told(sent["14"], "read")
    for last, message in sent.items():
        shown, want = await walk.message(message), ENDS[last]
        status = "read" if test and last == "14" else want.status
        assert (last, shown["status"], shown["carrier"]) == (last, status, name)
        error = shown["error"] or {"code": None, "class": None, "carrier_code": None}
        carrier_code = "0x0B" if test and last == "17" else want.carrier_code
        found = (error["code"], error["class"], error["carrier_code"])
        assert (last, *found) == (last, want.code, want.blame, carrier_code)
    replies = {one["from"]: one["body"] for one in await walk.hooks.inbound(2)}
    assert replies == {PREFIX + "10": "STOP", PREFIX + "11": "to 11"}


async def test_answer_lost(walk: Walk) -> None:
    """A submit whose answer is lost is told as uncertain, then found by its receipt, sent once."""
    await walk.change("acme", response_seconds=1)
    message = await walk.send(PREFIX + "08")
    await walk.hooks.end(message)
    assert walk.hooks.types(message) == ["queued", "uncertain", "delivered"]
    assert walk.smsc.statistics.submits == 1
    (part,) = (await walk.get(f"/v1/messages/{message}/timeline"))["parts"]
    assert (part["outcome"], part["receipt"]) == ("unknown", "delivered")
    assert part["carrier_message_id"]


async def test_receipts_out_of_order(walk: Walk) -> None:
    """What comes after the final receipt, older or the same, changes nothing."""
    message = await walk.send(PREFIX + "09")
    await walk.hooks.end(message)

    def all_stored() -> bool:
        return walk.smsc.statistics.delivered == 3

    await until(all_stored)
    assert (await walk.message(message))["status"] == "delivered"
    assert walk.hooks.types(message) == ["queued", "sent", "delivered"]
    states = [
        one["state"] for one in (await walk.get(f"/v1/messages/{message}/timeline"))["receipts"]
    ]
    assert states == ["delivered", "enroute", "delivered"]
