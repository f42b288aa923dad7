"""Answers of sources are read as they are described."""

from typing import Any

import orjson
import pytest

from onesixty.carriers.http.dialect import NoAnswerError, NotSentError
from onesixty.features.lookups.sources import Answer, HttpSource, UnreadableAnswerError
from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.http.lookups import SimulatedLookups

from .platform import NUMBER

REQUEST = {"method": "GET", "url": "{base_url}/lookup/{to_digits}?key={api_key}"}


def source(settings: dict[str, Any], **answer: Any) -> HttpSource:
    """One that reads answers so."""
    whole = settings | ({"answer": answer} if answer else {})
    return HttpSource({"request": REQUEST, **whole}, ManualClock())


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"network": "/mccmnc"}, Answer("23410")),
        ({"network": {"regex": '"mccmnc":"(\\d+)"'}}, Answer("23410")),
        ({"mcc": "/mcc", "mnc": "/mnc"}, Answer("23402")),
        ({"network": "/nothing", "mcc": "/mcc", "mnc": "/mnc"}, Answer("23402")),
        ({"network": "/nothing"}, Answer(None)),
        ({"network": "/status"}, Answer(None)),
        (
            {
                "network": "/mccmnc",
                "ported": {"match": {"/ported": "ported"}},
                "valid": {"match": {"/valid": True}},
                "reachable": {"match": {"/reach": "yes"}},
            },
            Answer("23410", ported=True, valid=False, reachable=None),
        ),
    ],
)
async def test_descriptions(answer: dict[str, Any], told: Answer) -> None:
    """Codes together or apart, conditions that hold, do not, or have nothing to look at."""
    far_side = SimulatedLookups()
    said = {"mccmnc": "23410", "mcc": 234, "mnc": 2, "ported": "ported", "valid": False,
            "status": "ok"}  # fmt: skip
    far_side.answers[NUMBER] = said
    await far_side.start()
    asked = source(far_side.settings(), **answer)
    assert await asked.ask(NUMBER) == told
    assert far_side.asked == [NUMBER]
    await asked.close()
    await far_side.stop()


async def test_what_is_no_answer() -> None:
    """Another status, silence and a closed port are told apart; each question is asked once."""
    far_side = SimulatedLookups()
    await far_side.start()
    settings = {**far_side.settings(), "response_seconds": 0.05}
    asked, wrong = source(settings), source(settings | {"api_key": "wrong"})
    with pytest.raises(UnreadableAnswerError, match="HTTP 401"):
        await wrong.ask(NUMBER)
    far_side.gate.clear()
    with pytest.raises(NoAnswerError):
        await asked.ask(NUMBER)
    await far_side.stop()
    await asked.close()
    gone = source(settings)
    with pytest.raises(NotSentError):
        await gone.ask(NUMBER)
    for one in (wrong, gone):
        await one.close()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"request": REQUEST},
        {"request": {"url": "{base_url}/{number}"}, "answer": {"network": "/n"}},
        {"request": REQUEST, "answer": {"mcc": "/mcc"}},
        {"request": REQUEST, "answer": {"network": "/n", "price": "/p"}},
        {"request": REQUEST, "answer": {"network": "/n", "ported": {"is": "/ported"}}},
    ],
)
def test_descriptions_that_do_not_fit(settings: dict[str, Any]) -> None:
    """They are refused before anything is asked."""
    with pytest.raises(ValueError, match=r"request|answer"):
        HttpSource(settings, ManualClock())


async def test_the_simulated_source() -> None:
    """It ports numbers that end in 7, and knows none that no plan has."""
    far_side = SimulatedLookups()
    assert far_side.find("+447700900127")["mccmnc"] == "23415"
    assert far_side.find("+447700900127")["ported"] is True
    assert far_side.find("+447700900120")["reachable"] is False
    assert far_side.find("+12025550123") == {"number": "+12025550123", "status": "not_found"}
    assert orjson.dumps(far_side.settings())
