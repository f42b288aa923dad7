"""Message ids: the known quirks of SMSCs, as pairs that must match and pairs that must not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.smpp.message_ids import IdForm, Reading, match_key, readings

UUID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


@pytest.mark.parametrize(
    ("response", "receipt"),
    [
        ("0a1b2c3d", "0a1b2c3d"),
        ("00B8BE19", "B8BE19"),
        ("B8BE19", "0000B8BE19"),
        ("1101c1-c9d03d-f000", "1101C1-C9D03D-F000"),
        ("123", "123."),
        ("123", '"123"'),
        ("123", " 123 \0"),
        ("123", "'123',"),
        ("0000", "0"),
        (UUID, UUID.upper()),
        ("12345678901234567890", "0012345678901234567890"),
        ("SAR-42-2-1", "sar-42-2-1"),
        ("a.b_c:d", "A.B_C:D"),
        ("---", "---"),
    ],
)
@pytest.mark.parametrize("form", [IdForm.OPAQUE, IdForm.DECIMAL])
def test_the_same_id_written_differently(response: str, receipt: str, form: IdForm) -> None:
    """Case, zeros, quotes, a dot behind and padding do not keep a receipt from its message."""
    assert match_key(response, form) == match_key(receipt, form)


@pytest.mark.parametrize(
    ("in_hex", "in_decimal"),
    [
        ("2A5F", "10847"),
        ("2a5f", "0000010847"),
        ("00002A5F", "10847"),
        ("0", "0000000000"),
        ("812345", "8463173"),
        ("FFFFFFFFFFFFFFFF", "18446744073709551615"),
        ("10000000000000000", "18446744073709551616"),
        ("ab54a98ceb1f0ad2ab54a98ceb1f0ad2", "227737579107269814034907386912645778130"),
    ],
)
def test_hexadecimal_on_one_side(in_hex: str, in_decimal: str) -> None:
    """An id in hex on one side and in decimal on the other is the same, however big."""
    assert match_key(in_hex, IdForm.HEX) == match_key(in_decimal, IdForm.DECIMAL)


@pytest.mark.parametrize(
    ("first", "second", "form"),
    [
        ("812345", "8463173", IdForm.OPAQUE),
        ("2A5F", "10847", IdForm.DECIMAL),
        ("123", "1234", IdForm.OPAQUE),
        ("10", "1", IdForm.OPAQUE),
        (UUID, UUID.replace("-", ""), IdForm.HEX),
        ("9007199254740993", "9007199254740992", IdForm.DECIMAL),
    ],
)
def test_different_ids_stay_different(first: str, second: str, form: IdForm) -> None:
    """The base is never guessed from an id, and no digit of a long one is lost."""
    assert match_key(first, form) != match_key(second, form)


@pytest.mark.parametrize("message_id", [UUID, "g1", "12_34", "0x12", "١٢", "f" * 65])
def test_what_is_no_number_is_not_converted(message_id: str) -> None:
    """Where hex is configured, an id that is no hexadecimal number is taken as it is."""
    assert match_key(message_id, IdForm.HEX) == match_key(message_id, IdForm.OPAQUE)


@pytest.mark.parametrize("message_id", ["", " ", "\0", " \t\r\n\0"])
def test_nothing_has_an_empty_key(message_id: str) -> None:
    """An empty id, which matches nothing, has the empty key, and only it."""
    assert match_key(message_id) == ""


@given(st.text(), st.sampled_from(IdForm))
def test_any_text_has_a_key(message_id: str, form: IdForm) -> None:
    """No text makes it fail, and only white space and NULs have the empty key."""
    assert bool(match_key(message_id, form)) == bool(message_id.strip(" \t\r\n\0"))


@given(st.integers(0, 16**64 - 1), st.integers(0, 10))
def test_any_number_matches_its_hexadecimal(number: int, zeros: int) -> None:
    """Up to 64 hex digits a number matches itself in the other base, zero padded or not."""
    padded = "0" * min(zeros, 64 - len(f"{number:x}")) + f"{number:x}"
    assert match_key(padded, IdForm.HEX) == match_key(str(number), IdForm.DECIMAL)


@pytest.mark.parametrize(
    ("receipt", "reading", "answer"),
    [
        ("9308878062554710043", Reading.DECIMAL_TO_HEX, "812FC7470000001B"),
        ("812FC7470000001B", Reading.HEX_TO_DECIMAL, "9308878062554710043"),
        ("0000010847", Reading.DECIMAL_TO_HEX, "2a5f"),
        ("00B8BE19", Reading.AS_IS, "B8BE19"),
        ("smsc1-4711471", Reading.WITHOUT_FIRST, "4711471"),
        ("4711471:1", Reading.WITHOUT_LAST, "4711471"),
        ("4711471.0", Reading.WITHOUT_LAST, "4711471"),
        ("site_004711471", Reading.WITHOUT_FIRST, "4711471"),
    ],
)
def test_readings(receipt: str, reading: Reading, answer: str) -> None:
    """In one of its readings the id of a receipt has the key of the answer."""
    assert dict(readings(receipt))[reading] == match_key(answer)


@pytest.mark.parametrize(
    ("receipt", "found"),
    [
        ("", []),
        ("f" * 65, []),
        (UUID, [Reading.AS_IS]),
        ("smsc1-4711", [Reading.AS_IS]),
        ("12345", [Reading.AS_IS, Reading.HEX_TO_DECIMAL, Reading.DECIMAL_TO_HEX]),
    ],
)
def test_what_has_no_other_reading(receipt: str, found: list[Reading]) -> None:
    """Nothing, too much, a UUID and short pieces are not taken for something else."""
    assert [reading for reading, _ in readings(receipt)] == found


@given(st.text())
def test_any_text_can_be_read(message_id: str) -> None:
    """No text makes the readings fail, and none of them is empty."""
    assert all(key for _, key in readings(message_id))
