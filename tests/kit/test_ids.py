"""Identifiers: TypeIDs as others write them, and the order by time that the tables rely on."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.kit import ids

TEXT, IDENTIFIER = "01h455vb4pex5vsknk084sn02q", UUID("01890a5d-ac96-774b-bcce-b302099a8057")
ANY_TIME = st.integers(0, (1 << 48) - 1)


def test_the_example_of_the_typeid_specification() -> None:
    """The published pair of text and UUID is written and read as published."""
    assert ids.to_text("prefix", IDENTIFIER) == f"prefix_{TEXT}"
    assert ids.from_text("prefix", f"prefix_{TEXT}") == IDENTIFIER


@given(st.uuids(), st.from_regex(r"[a-z]([a-z_]{0,20}[a-z])?", fullmatch=True))
def test_every_uuid_comes_back_from_its_text(identifier: UUID, prefix: str) -> None:
    """Writing and reading is lossless, for prefixes with underscores too."""
    assert ids.from_text(prefix, ids.to_text(prefix, identifier)) == identifier


@given(st.uuids(), st.uuids())
def test_texts_sort_as_their_uuids_do(one: UUID, other: UUID) -> None:
    """The order of ids is the same as text and as UUID."""
    assert (ids.to_text("x", one) < ids.to_text("x", other)) == (one < other)


@given(ANY_TIME)
def test_an_id_is_a_uuid_of_version_7(millis: int) -> None:
    """Version, variant and time are where RFC 9562 puts them."""
    identifier = ids.uuid7(millis)
    assert identifier.version == 7
    assert identifier.int >> 62 & 3 == 2
    assert identifier.int >> 80 == millis


@given(ANY_TIME, ANY_TIME)
def test_ids_sort_by_their_time(one: int, other: int) -> None:
    """An id of an earlier millisecond is smaller, whatever its random bits."""
    if one != other:
        assert (ids.uuid7(one) < ids.uuid7(other)) == (one < other)


def test_ids_of_one_millisecond_differ() -> None:
    """The random bits do not repeat, over more ids than one purchase of them serves."""
    assert len({ids.uuid7(1) for _ in range(2000)}) == 2000


def test_the_first_id_of_a_moment_bounds_all_of_it() -> None:
    """`first_at` is not above any id of its moment and above every id before it."""
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    millis = int(moment.timestamp() * 1000)
    assert ids.uuid7(millis - 1) < ids.first_at(moment) <= ids.uuid7(millis)


def test_the_time_of_an_id_is_in_utc_to_the_millisecond() -> None:
    """The time that an id was made for is read from it."""
    moment = datetime(2026, 3, 1, 12, 30, 15, 123_000, UTC)
    assert ids.time_of(ids.first_at(moment)) == moment
    assert ids.time_of(ids.uuid7(int(moment.timestamp() * 1000))) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "_",
        "msg",
        "msg_",
        TEXT,
        f"_{TEXT}",
        f"other_{TEXT}",
        f"MSG_{TEXT}",
        f"msg_msg_{TEXT}",
        f"msg_{TEXT[:-1]}",
        f"msg_{TEXT}0",
        f"msg_8{TEXT[1:]}",
        f"msg_{TEXT.upper()}",
        f"msg_{TEXT[:-1]}u",
        f"msg_{TEXT[:-1]}é",
        f"msg_{TEXT} ",
        f"msg_{IDENTIFIER}",
    ],
)
def test_what_is_no_id_of_the_kind_is_not_read(text: str) -> None:
    """Another prefix, length, letter or case, and more than 128 bits, give None."""
    assert ids.from_text("msg", text) is None


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text raises; what is read is written back the same."""
    found = ids.from_text("msg", f"msg_{text}")
    assert found is None or ids.to_text("msg", found) == f"msg_{text}"


@given(st.uuids(), st.text())
def test_hex_digits_are_read_back_or_refused(identifier: UUID, text: str) -> None:
    """A UUID comes back from its hex digits; anything else is none, whatever it is."""
    assert ids.from_hex(identifier.hex) == identifier
    assert ids.from_hex(text) is None or len(text) == 32
    assert [ids.from_hex(one) for one in (None, 7, str(identifier), "x" * 32)] == [None] * 4
