"""Ids of messages as customers see them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from onesixty.entrypoints.smpp import message_ids
from onesixty.kit import ids

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def test_every_form_is_read_back() -> None:
    """What is shown names its message, in upper case too; what is no id names none."""
    identifier = ids.uuid7()
    for form in ("hex", "uuid", "decimal"):
        shown = message_ids.shown(identifier, form)
        assert len(shown) <= 64
        assert message_ids.read(shown, form) == identifier
        assert message_ids.read(shown.upper(), form) == identifier
        for text in ("", "x" * 32, "0a1b2c3d", "9" * 60, "-1"):
            assert message_ids.read(text, form) in (None, UUID(int=0))
    assert message_ids.shown(identifier, "hex", {"id": "abc"}) == "abc"


def test_short_ids_tell_their_second() -> None:
    """No two are alike, over processes and beyond the numbers of a second; each tells its time."""
    one, other = message_ids.ShortIds(1), message_ids.ShortIds(2)
    taken = [source.take(NOW) for _ in range(25_000) for source in (one, other)]
    assert len(set(taken)) == len(taken)
    assert {len(text) for text in taken} == {message_ids.SHORT_MOST}
    for text in (taken[0], taken[-1]):
        for days in (0, 1, 40):
            at = message_ids.time_of_short(text, NOW + timedelta(days=days))
            assert at is not None
            assert abs(at - NOW) <= timedelta(seconds=2)
    assert message_ids.time_of_short("tooshort1", NOW) is None
