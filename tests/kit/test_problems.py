"""Problems: the RFC 9457 document, and a table in which every code can be acted on."""

import contextlib
import re
from collections.abc import AsyncIterator

import pytest

from onesixty.kit.problems import KINDS, FieldError, Kind, Problem, document


def test_the_smallest_document() -> None:
    """A problem without fields has the members of RFC 9457 and its code, no empty ones."""
    assert document(Problem("not_found", "there is no message msg_1")) == {
        "type": "/problems/not_found",
        "title": "There is no such thing",
        "status": 404,
        "detail": "there is no message msg_1",
        "code": "not_found",
    }


def test_the_full_document() -> None:
    """Wrong fields and the instance are told; waiting time and headers are not of the body."""
    errors = (FieldError("/to", "invalid_number", "too short"), FieldError("/from", "x", "y"))
    problem = Problem("invalid_request", "two fields", errors, 5, {"X-Header": "1"})
    body = document(problem, "/v1/messages")
    assert body["errors"] == [
        {"pointer": "/to", "code": "invalid_number", "detail": "too short"},
        {"pointer": "/from", "code": "x", "detail": "y"},
    ]
    assert body["instance"] == "/v1/messages"
    assert set(body) == {"type", "title", "status", "detail", "code", "errors", "instance"}


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_code_can_be_acted_on(kind: Kind) -> None:
    """A code is a name for programs, with an error status, a title and a sentence of advice."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)
    assert 400 <= kind.http_status <= 599
    assert kind.title
    assert not kind.title.endswith(".")
    assert len(kind.advice) > 10
    assert kind.advice.endswith(".")
    assert kind.twilio_code is None or 20000 <= kind.twilio_code < 100_000
    assert kind.smpp_status is None or 0 < kind.smpp_status < 0x500


def test_no_code_is_there_twice() -> None:
    """Titles tell the kinds apart, so no row of the table hides another."""
    assert len({kind.title for kind in KINDS.values()}) == len(KINDS)
    assert all(kind.code == code for code, kind in KINDS.items())


async def test_a_problem_passes_through_context_managers() -> None:
    """Leaving `async with` blocks changes neither the problem nor its code."""

    @contextlib.asynccontextmanager
    async def block() -> AsyncIterator[None]:
        yield

    problem = Problem("conflict", "it is sent", retry_after_seconds=3)
    with pytest.raises(Problem) as caught:
        async with block(), block():
            raise problem
    assert caught.value is problem
    assert caught.value.code == "conflict"
    assert caught.value.kind.http_status == 409


def test_problems_share_nothing() -> None:
    """Headers put on one problem are not on the next."""
    Problem("conflict", "one").headers["X-Header"] = "1"
    assert Problem("conflict", "two").headers == {}
