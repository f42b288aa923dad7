"""What readers of calls share."""

from base64 import b64encode
from datetime import timedelta

import pytest

from carriers.aggregators.wire import CALLBACK, NOW
from onesixty.carriers.content import Content, Media
from onesixty.carriers.contract import Call, CallRefusedError
from onesixty.carriers.http import calls
from onesixty.kit.manual_clock import ManualClock


def _call(body: bytes = b"", query: str = "", **headers: str) -> Call:
    return Call("POST", f"{CALLBACK}?{query}", "", headers, body, NOW)


@pytest.mark.parametrize(
    ("seconds", "fresh"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)]
)
def test_old_signatures_are_refused(seconds: int, fresh: bool) -> None:
    """Five minutes before and after the time of signing; what is no time is never fresh."""
    clock = ManualClock(NOW + timedelta(seconds=seconds))
    stamp = str(int(NOW.timestamp()))
    if fresh:
        calls.check_fresh(stamp, clock)
    for wrong in (stamp,) * (not fresh) + ("", "x", "1e9"):
        with pytest.raises(CallRefusedError) as refused:
            calls.check_fresh(wrong, clock)
        assert refused.value.status == 401


def test_user_and_password_must_be_exact() -> None:
    """The scheme in any case, a password with a colon; nothing else."""
    good = b64encode(b"me:a:b").decode()
    for scheme in ("Basic", "basic"):
        calls.check_basic(_call(authorization=f"{scheme} {good}"), "me", "a:b")
    for wrong in ("", good, f"Bearer {good}", f"Basic {good[:-2]}", "Basic é", "Basic  " + good):
        with pytest.raises(CallRefusedError):
            calls.check_basic(_call(authorization=wrong), "me", "a:b")


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("15551231234", "+15551231234"),
        ("+15551231234", "+15551231234"),
        (447700900000, "+447700900000"),
        ("12345", "12345"),
        ("1234567", "1234567"),
        ("ACME", "ACME"),
        (None, ""),
        ([], "[]"),
    ],
)
def test_numbers_get_their_plus(given: object, written: str) -> None:
    """Short codes and names stay as they are."""
    assert calls.e164(given) == written


@pytest.mark.parametrize(
    ("given", "written"),
    [("23410", "23410"), ("310260", "310260"), (23410, "23410"), ("234", ""), ("2341x", ""),
     (None, ""), ("3102600", "")],
)  # fmt: skip
def test_networks_have_five_or_six_digits(given: object, written: str) -> None:
    """MCC and MNC; all else is not known."""
    assert calls.network(given) == written


def test_forms_and_queries_are_read_within_bounds() -> None:
    """The last of equal names counts; too many fields, and what is no JSON, are refused."""
    assert calls.form_of(_call(b"a=1&b=&a=%C3%A9")) == {"a": "é", "b": ""}
    assert calls.query_of(_call(query="x=1&x=2")) == {"x": "2"}
    assert calls.json_of(_call(b'{"a": 1}')) == {"a": 1}
    many = "&".join(["a=1"] * 201)
    for read, call in (
        (calls.form_of, _call(many.encode())),
        (calls.query_of, _call(query=many)),
        (calls.json_of, _call(b"<html>")),
    ):
        with pytest.raises(CallRefusedError) as refused:
            read(call)
        assert refused.value.status == 400


def test_content_is_there_only_where_something_is() -> None:
    """Media, a subject, or nothing at all."""
    file = Media("https://x.example/a.jpg")
    assert calls.media_content([]) is None
    assert calls.media_content([], "") is None
    assert calls.media_content([file], "cat") == Content(media=(file,), subject="cat")


def test_faults_are_listed_by_class() -> None:
    """Each code has the class that it is listed under."""
    assert calls.faults(recipient="50 200", carrier="20") == {
        "50": "recipient", "200": "recipient", "20": "carrier",
    }  # fmt: skip
