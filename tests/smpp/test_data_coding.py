"""data_coding: SMPP's own values, the GSM scheme above them, and text in the alphabets."""

import pytest

from onesixty.smpp.data_coding import Alphabet, MessageClass, Unit, decode_text, describe


@pytest.mark.parametrize(
    ("value", "alphabet", "per_message", "message_class"),
    [
        (0x00, Alphabet.SMSC_DEFAULT, 160, None),
        (0x01, Alphabet.ASCII, 160, None),
        (0x02, Alphabet.BINARY, 140, None),
        (0x03, Alphabet.LATIN1, 140, None),
        (0x04, Alphabet.BINARY, 140, None),
        (0x05, Alphabet.JIS, 140, None),
        (0x06, Alphabet.CYRILLIC, 140, None),
        (0x07, Alphabet.HEBREW, 140, None),
        (0x08, Alphabet.UCS2, 70, None),
        (0x09, Alphabet.BINARY, 140, None),
        (0x0A, Alphabet.ISO_2022_JP, 140, None),
        (0x0B, Alphabet.BINARY, 140, None),
        (0x0D, Alphabet.BINARY, 140, None),
        (0x0E, Alphabet.KOREAN, 140, None),
        (0x0F, Alphabet.BINARY, 140, None),
        (0x10, Alphabet.GSM7, 160, MessageClass.FLASH),
        (0x11, Alphabet.GSM7, 160, MessageClass.DEVICE),
        (0x14, Alphabet.BINARY, 140, MessageClass.FLASH),
        (0x18, Alphabet.UCS2, 70, MessageClass.FLASH),
        (0x1A, Alphabet.UCS2, 70, MessageClass.SIM),
        (0x1C, Alphabet.GSM7, 160, MessageClass.FLASH),
        (0x20, Alphabet.GSM7, 160, None),
        (0x48, Alphabet.UCS2, 70, None),
        (0x58, Alphabet.UCS2, 70, MessageClass.FLASH),
        (0x88, Alphabet.GSM7, 160, None),
        (0xBF, Alphabet.GSM7, 160, None),
        (0xC8, Alphabet.GSM7, 160, None),
        (0xD8, Alphabet.GSM7, 160, None),
        (0xE8, Alphabet.UCS2, 70, None),
        (0xF0, Alphabet.GSM7, 160, MessageClass.FLASH),
        (0xF3, Alphabet.GSM7, 160, MessageClass.TERMINAL_EQUIPMENT),
        (0xF4, Alphabet.BINARY, 140, MessageClass.FLASH),
        (0xF6, Alphabet.BINARY, 140, MessageClass.SIM),
        (0xF8, Alphabet.GSM7, 160, MessageClass.FLASH),
    ],
)
def test_meaning(
    value: int, alphabet: Alphabet, per_message: int, message_class: MessageClass | None
) -> None:
    """Each value says its alphabet, its unit and, by the GSM scheme, its message class."""
    coding = describe(value)
    assert (coding.alphabet, coding.unit.value, coding.message_class) == (
        alphabet,
        per_message,
        message_class,
    )


def test_flags() -> None:
    """Message waiting and compression are told apart from plain text."""
    waiting = [value for value in range(256) if describe(value).message_waiting]
    assert waiting == list(range(0xC0, 0xF0))
    compressed = [value for value in range(256) if describe(value).compressed]
    assert compressed == [*range(0x20, 0x40), *range(0x60, 0x80)]


def test_units_match_the_alphabets() -> None:
    """Only 7-bit text is counted in septets, only UCS-2 in code units of 16 bits."""
    for coding in map(describe, range(256)):
        assert (coding.unit is Unit.CODE_UNIT) == (coding.alphabet is Alphabet.UCS2)
        seven_bit = (Alphabet.GSM7, Alphabet.SMSC_DEFAULT, Alphabet.ASCII)
        assert (coding.unit is Unit.SEPTET) == (coding.alphabet in seven_bit)


@pytest.mark.parametrize("value", [-1, 256])
def test_only_octets_have_a_meaning(value: int) -> None:
    """A number that is no octet is an error of the caller."""
    with pytest.raises(ValueError, match="octet"):
        describe(value)


@pytest.mark.parametrize(
    ("alphabet", "octets", "text", "intact"),
    [
        (Alphabet.ASCII, b"caf\xe9", "café", True),
        (Alphabet.LATIN1, b"caf\xe9", "café", True),
        (Alphabet.CYRILLIC, "Привет".encode("iso8859-5"), "Привет", True),
        (Alphabet.HEBREW, "שלום".encode("iso8859-8"), "שלום", True),
        (Alphabet.JIS, "日本".encode("shift_jis"), "日本", True),
        (Alphabet.KOREAN, "안녕".encode("euc_kr"), "안녕", True),
        (Alphabet.UCS2, "Привет 😀".encode("utf-16-be"), "Привет 😀", True),
        (Alphabet.UCS2, b"\xff\xfe" + "Привет".encode("utf-16-le"), "Привет", True),
        (Alphabet.UCS2, b"\xfe\xff" + "Привет".encode("utf-16-be"), "Привет", True),
        (Alphabet.UCS2, "hi".encode("utf-16-be") + b"\x00", "hi", False),
        (Alphabet.UCS2, b"\x00h\xd8\x3d\x00i", "h\ufffdi", False),
        (Alphabet.UCS2, b"", "", True),
        (Alphabet.HEBREW, b"\xff\xe0", "\ufffdא", False),
    ],
)
def test_text(alphabet: Alphabet, octets: bytes, text: str, intact: bool) -> None:
    """Text is read in its alphabet; what is no character becomes U+FFFD, and that is told."""
    assert decode_text(alphabet, octets) == (text, intact)


@pytest.mark.parametrize("alphabet", [Alphabet.BINARY, Alphabet.GSM7, Alphabet.SMSC_DEFAULT])
def test_what_is_no_text_here(alphabet: Alphabet) -> None:
    """Binary data is no text, and the GSM table lives elsewhere."""
    assert decode_text(alphabet, b"abc") is None
