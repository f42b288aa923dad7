"""How messages and events look outside."""

from datetime import UTC, datetime

import orjson
import pytest

from onesixty.kit import ids
from onesixty.messages import render
from onesixty.messages.states import Status

from .walk import NUMBER, Walk


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC), "2026-01-02T03:04:05.678Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 1, tzinfo=UTC), "2026-01-02T03:04:05.000Z"),
        (None, None),
    ],
)
def test_times_have_milliseconds(moment: datetime | None, text: str | None) -> None:
    """Times are RFC 3339 in UTC, always with three digits of the second."""
    assert render.timestamp(moment) == text


async def test_a_message_and_its_row_look_the_same(walk: Walk) -> None:
    """What is answered at acceptance is what is read later, but for the status."""
    walk.carrier.turn(up=False)
    metadata = {"k": [1, None]}
    message = await walk.send("żółw", tags=("a",), metadata=metadata, reference="r")
    fresh = render.message(message, walk.keeper.book)
    stored = render.message(await walk.row(message), walk.keeper.book)
    assert fresh == stored
    assert orjson.loads(orjson.dumps(stored)) == stored
    assert (stored["carrier"], stored["route"], stored["encoding"]) == ("main", "all", "ucs2")
    assert ids.from_text("msg", stored["id"]) == message.id
    assert (stored["to"], stored["from"], stored["error"]) == (NUMBER, "ACME", None)


async def test_a_failure_is_shown_with_its_status_only(walk: Walk) -> None:
    """An event tells of a message as it was then: an error that came later is not shown."""
    message = await walk.send()
    walk.carrier.refuse((await walk.carrier.took(1))[0])
    await walk.settled()
    row = await walk.row(message)
    now = render.message(row, walk.keeper.book)
    then = render.message(row, walk.keeper.book, int(Status.QUEUED))
    assert now["error"] == {
        "code": "recipient_refused",
        "class": "recipient",
        "detail": "no such number",
        "carrier_code": "0x0B",
    }
    assert (then["status"], then["error"]) == ("queued", None)
