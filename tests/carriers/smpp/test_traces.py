"""What a process tells of its sessions: when, how much, and to whom."""

from datetime import timedelta
from typing import Any

from onesixty.carriers.smpp.traces import Traces
from onesixty.kit.manual_clock import ManualClock
from onesixty.smpp.codec import encode
from onesixty.smpp.pdus import Command, Pdu
from onesixty.smpp.trace.capture import Capture, Wiretap


def submit(text: bytes) -> bytes:
    """A message."""
    return encode(Pdu(Command.SUBMIT_SM, fields={"short_message": text}))


def question(**more: Any) -> dict[str, Any]:
    """What is asked about carrier 7."""
    return {"of": "carrier", "id": 7, "after": {}, "limit": 100, "show_text": False} | more


async def test_sessions_are_told_in_the_order_of_time(clock: ManualClock) -> None:
    """PDUs of all sessions come by their time on the wall, whatever the order of the sessions."""
    began = clock.now()
    one, two = Capture(), Capture()
    two.opened("127.0.0.1:1", "127.0.0.1:2", clock.monotonic())
    await clock.advance(1.5)
    one.sent([submit(b"secret")], clock.monotonic())
    await clock.advance(1)
    taps = {("carrier", 7): [Wiretap("1", one), Wiretap("2", two)]}
    traces = Traces(clock, 3, lambda of, number: taps[of, number])
    told = await traces.answer(question())
    assert [(one["session"], one["kind"]) for one in told["data"]] == [
        ("2", "opened"),
        ("1", "out"),
    ]
    assert told["data"][0]["detail"] == "127.0.0.1:1 127.0.0.1:2"
    moment = (began + timedelta(seconds=1.5)).isoformat(timespec="microseconds")
    assert told["data"][1]["time"] == moment.replace("+00:00", "Z")
    assert "secret" not in str(told)
    shown = await traces.answer(question(show_text=True))
    assert shown["data"][1]["message"]["text"] == "secret"


async def test_nothing_is_told_twice(clock: ManualClock) -> None:
    """From `until` on only what is newer is told; older than the limit is counted."""
    capture = Capture()
    capture.sent([submit(b"1"), submit(b"2"), submit(b"3")], clock.monotonic())
    traces = Traces(clock, 3, lambda of, number: [Wiretap("1", capture)])
    first = await traces.answer(question(limit=2))
    assert (len(first["data"]), first["left_out"]) == (2, 1)
    await clock.advance(1)
    capture.sent([submit(b"4")], clock.monotonic())
    then = await traces.answer(question(after={"3": first["until"], "4": 0.0}))
    assert len(then["data"]) == 1
