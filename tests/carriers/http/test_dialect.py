"""What an HTTP status says where a provider says nothing more."""

import pytest

from onesixty.carriers.contract import ErrorClass, OutcomeKind
from onesixty.carriers.http.dialect import (
    Answer,
    Verdict,
    by_code,
    by_status,
    recipient,
    retry_after,
    throttled,
    transient,
)
from onesixty.kit.manual_clock import ManualClock

KINDS = {
    "config": (OutcomeKind.REFUSED, ErrorClass.CONFIG),
    "recipient": (OutcomeKind.REFUSED, ErrorClass.RECIPIENT),
    "throttle": (OutcomeKind.DEFERRED, ErrorClass.THROTTLE),
    "transient": (OutcomeKind.DEFERRED, ErrorClass.CARRIER),
    "unknown": (OutcomeKind.UNKNOWN, ErrorClass.CARRIER),
}
CODES = {"1": recipient, "2": throttled, "3": transient}


def answer(status: int, wait: str | None = None) -> Answer:
    """An answer without a body."""
    return Answer(status, {} if wait is None else {"retry-after": wait}, b"")


def is_a(verdict: Verdict, name: str) -> bool:
    """Whether it has the kind and the class that go by this name."""
    return (verdict.kind, verdict.error_class) == KINDS[name]


@pytest.mark.parametrize(
    ("status", "theirs", "anybodys"),
    [
        (200, "unknown", "unknown"),
        (307, "unknown", "unknown"),
        (400, "config", "config"),
        (401, "config", "config"),
        (403, "config", "config"),
        (404, "config", "config"),
        (408, "unknown", "unknown"),
        (429, "throttle", "throttle"),
        (500, "transient", "unknown"),
        (502, "unknown", "unknown"),
        (503, "transient", "unknown"),
        (504, "unknown", "unknown"),
        (520, "transient", "unknown"),
    ],
)
def test_a_status(status: int, theirs: str, anybodys: str) -> None:
    """Only what the provider itself says is certain; of a gateway nobody knows."""
    clock = ManualClock()
    told = by_status(answer(status), clock=clock, is_theirs=True, detail="why")
    assert is_a(told, theirs)
    assert (told.code, told.detail) == (str(status), "why")
    seen = by_status(answer(status), clock=clock, is_theirs=False)
    assert is_a(seen, anybodys)
    assert seen.detail == f"HTTP {status}"


@pytest.mark.parametrize(
    ("code", "status", "wanted"),
    [
        ("1", 400, "recipient"),
        ("2", 400, "throttle"),
        ("3", 500, "transient"),
        ("3", 502, "unknown"),
        ("1", 408, "unknown"),
        ("9", 400, "config"),
        ("9", 500, "transient"),
    ],
)
def test_a_code(code: str, status: int, wanted: str) -> None:
    """The table decides; an unknown code is read by its status, and a gateway's status stands."""
    verdict = by_code(CODES, code, answer(status, "7"), clock=ManualClock(), detail="why")
    assert is_a(verdict, wanted)
    assert (verdict.code, verdict.detail) == (code, "why")
    waits = wanted in ("throttle", "transient")
    assert verdict.retry_after_seconds == (7.0 if waits else None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("30", 30.0),
        (" 1.5 ", 1.5),
        ("-4", 0.0),
        ("99999999", 3600.0),
        ("Thu, 01 Jan 2026 00:02:00 GMT", 120.0),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2026 00:02:00", None),
        ("Thu, 01 Jan 99999 00:02:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 3600.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    """Seconds or a date, within bounds; whatever else stands there says nothing."""
    assert retry_after(answer(429, text), ManualClock()) == seconds


def test_bodies_that_are_no_json() -> None:
    """They are None, and raise nothing, however deep they are."""
    for body in (b"", b"<html>", b'{"a":', b"\xff\xfe", b"[" * 100_000):
        assert Answer(200, {}, body).json() is None
