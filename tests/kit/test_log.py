"""Logs: numbers are masked, lines are JSON where asked, other libraries log the same way."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from onesixty.kit import log


@pytest.fixture
def logging_back() -> Iterator[None]:
    """Puts the logging of the test run back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+4915112345678", "+491511234****"),
        ("12345", "1****"),
        ("1234", "****"),
        ("1", "****"),
        ("", "****"),
    ],
)
def test_the_last_four_digits_are_hidden(number: str, masked: str) -> None:
    """Of a number at most all but four digits are shown; of a short one nothing, not its length."""
    assert log.mask(number) == masked


@pytest.mark.usefixtures("logging_back")
def test_json_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A line has its event, level, time in UTC and values; lines below the level are left out."""
    log.configure("info", as_json=True)
    structlog.get_logger().debug("unseen")
    structlog.get_logger().info("batch.stored", messages=3)
    out, err = capsys.readouterr()
    line = json.loads(err)
    assert out == ""
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "batch.stored", "level": "info", "messages": 3}


@pytest.mark.usefixtures("logging_back")
def test_other_libraries_log_into_the_same_log(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning of the standard logging, with its exception, becomes a line of the same form."""
    log.configure("info", as_json=True)
    try:
        int("broken")
    except ValueError:
        logging.getLogger("asyncio").exception("it %s", "failed")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["logger"]) == ("it failed", "error", "asyncio")
    assert "ValueError: invalid literal" in line["exception"]
