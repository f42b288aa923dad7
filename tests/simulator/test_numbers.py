"""The table of numbers that choose what happens."""

import pytest

from onesixty.simulator.numbers import (
    DEFAULT,
    ERROR_CODES,
    NUMBERS,
    Answer,
    FirstAttempts,
    ReceiptStep,
    State,
    scenario_for,
)

DELIVERED_AFTER_1 = (ReceiptStep(1.0, State.DELIVERED),)


def test_numbers_run_without_gap() -> None:
    """The table begins at 0100 and has no hole."""
    assert list(NUMBERS) == [f"+15005550{number}" for number in range(100, 119)]
    assert all(number == row.e164 for number, row in NUMBERS.items())


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ("103", 30003),
        ("104", 30005),
        ("105", 30006),
        ("106", 30007),
        ("107", 30008),
        ("115", 30034),
        ("116", 30450),
    ],
)
def test_undelivered_numbers_have_an_error_that_stands_for_their_code(last: str, code: int) -> None:
    """Each error of a receipt leads to exactly one code, so that a carrier's map can give it."""
    number = NUMBERS[f"+15005550{last}"]
    (step,) = number.scenario.receipts
    assert step.state is State.UNDELIVERED
    assert number.code == code
    assert ERROR_CODES[step.error] == code


@pytest.mark.parametrize(
    ("last", "steps"),
    [
        ("100", DELIVERED_AFTER_1),
        ("101", (ReceiptStep(60.0, State.DELIVERED),)),
        ("102", ()),
        ("108", (ReceiptStep(2.0, State.DELIVERED),)),
        ("114", (*DELIVERED_AFTER_1, ReceiptStep(2.0, State.READ))),
    ],
)
def test_receipts_come_when_the_table_says(last: str, steps: tuple[ReceiptStep, ...]) -> None:
    """The receipts of the plain scenarios."""
    assert scenario_for(f"+15005550{last}", "hi").receipts == steps


def test_other_numbers_are_delivered() -> None:
    """A number outside the table has the default scenario."""
    for number in ("+491700000001", "+15005550099", "+15005550119", "+150055501000", ""):
        assert scenario_for(number, "hi") is DEFAULT
    assert DEFAULT.answer is Answer.ACCEPT


def test_answers_other_than_accept() -> None:
    """0108 loses the answer, 0113 throttles, 0117 refuses; all others accept."""
    found = {
        number[-4:]: row.scenario.answer
        for number, row in NUMBERS.items()
        if row.scenario.answer is not Answer.ACCEPT
    }
    assert found == {"0108": Answer.DROP, "0113": Answer.THROTTLE, "0117": Answer.REFUSE}


def test_0118_is_not_on_whatsapp() -> None:
    """The fate of one number depends on the channel; of the others it does not."""
    for number in NUMBERS:
        found = {channel: scenario_for(number, "hi", channel) for channel in ("sms", "whatsapp")}
        if number.endswith("18"):
            states = {name: one.receipts[-1].state for name, one in found.items()}
            assert states == {"sms": State.DELIVERED, "whatsapp": State.UNDELIVERED}
        else:
            assert found["sms"] == found["whatsapp"]


def test_replies() -> None:
    """0110 says STOP, 0111 says what it was told, nobody else replies."""
    replies = {number[-4:]: scenario_for(number, "hello").reply for number in NUMBERS}
    assert {last: reply for last, reply in replies.items() if reply} == {
        "0110": "STOP",
        "0111": "hello",
    }


def test_only_the_second_part_of_0112_is_undelivered() -> None:
    """Part 1 and part 3 are delivered."""
    scenario = scenario_for("+15005550112", "long")
    states = [[step.state for step in scenario.receipts_of(part)] for part in (1, 2, 3)]
    assert states == [[State.DELIVERED], [State.UNDELIVERED], [State.DELIVERED]]


def test_receipts_of_0109_contradict_their_order() -> None:
    """The final receipt comes first, an older one behind it, and the final one again."""
    steps = scenario_for("+15005550109", "hi").receipts
    assert [step.state for step in steps] == [State.DELIVERED, State.ENROUTE, State.DELIVERED]
    assert sorted(steps, key=lambda step: step.after_seconds) == list(steps)


def test_a_throttled_text_gets_through_after_30_seconds() -> None:
    """The time runs from the first attempt of the same text to the same number."""
    attempts, scenario = FirstAttempts(), scenario_for("+15005550113", "a")
    throttles = [attempts.throttles(scenario, "0113", "a", now) for now in (0.0, 29.9, 30.0)]
    assert throttles == [True, True, False]
    assert attempts.throttles(scenario, "0113", "b", 30.0)
    assert not attempts.throttles(DEFAULT, "0113", "c", 30.0)
