"""The GSM 7-bit default alphabet and its extension table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.sms.alphabet import (
    DEFAULT_BASE,
    DEFAULT_SHIFT,
    GSM7,
    Encoding,
    encodable,
    septets,
)

LETTERS = DEFAULT_BASE.replace("\x1b", "") + "".join(DEFAULT_SHIFT.values())


@given(st.text(LETTERS))
def test_whatever_is_encoded_decodes_to_itself(text: str) -> None:
    """Every text of the alphabet survives the way to septets and back."""
    octets = GSM7.encode(text)
    assert octets is not None
    assert octets.isascii()
    assert GSM7.decode(octets) == text


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("hello", "68656c6c6f"),
        ("hello €", "68656c6c6f201b65"),
        ("@£$¥èéùìòÇ", "00010203040506070809"),
        ("ΔΦΓΛΩΠΨΣΘΞ", "10121314151617181 91a".replace(" ", "")),
        ("^{}\\[~]|€\f", "1b141b281b291b2f1b3c1b3d1b3e1b401b651b0a"),
        ("ÄÖÑÜ§¿äöñüà", "5b5c5d5e5f607b7c7d7e7f"),
        ("\n\r", "0a0d"),
        ("", ""),
    ],
)
def test_known_texts_have_their_known_septets(text: str, octets: str) -> None:
    """The cells are those of the tables of TS 23.038."""
    assert GSM7.encode(text) == bytes.fromhex(octets)


@pytest.mark.parametrize(
    "letter", list("`çáíóúêâîôûëïãõłśžč‘’“”–—\xa0\t©®°²½µ\x00\x1bя😀\ud800\ufffe")
)
def test_letters_outside_are_refused(letter: str) -> None:
    """What looks as if it belonged to the alphabet but does not is never sent as something else."""
    assert GSM7.encode(f"a{letter}b") is None
    assert septets(letter) is None
    assert not encodable(letter)
    assert GSM7.unencodable(f"a{letter}b{letter}") == letter


def test_extension_characters_count_two_septets() -> None:
    """The price of a euro sign is two septets, of an at sign one."""
    assert septets("a@€[]") == 8
    assert encodable("a@€[]")


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("1b61", "a"),  # no such extension: the base character shows
        ("1b0d", "\r"),
        ("1b1b61", " a"),
        ("611b", "a "),
        ("1b00", "@"),
        ("09", "Ç"),
    ],
)
def test_received_escapes_that_mean_nothing_lose_nothing(octets: str, text: str) -> None:
    """Handsets show the base character of an unknown escape pair; so do we."""
    assert GSM7.decode(bytes.fromhex(octets)) == text


def test_each_encoding_has_its_data_coding() -> None:
    """SMPP values of the encodings."""
    assert {encoding.value: encoding.data_coding for encoding in Encoding} == {
        "gsm7": 0,
        "ascii": 1,
        "latin1": 3,
        "binary": 4,
        "ucs2": 8,
        "utf8": 0,
        "jis": 5,
        "cyrillic": 6,
        "hebrew": 7,
        "iso_2022_jp": 10,
        "korean": 14,
    }
