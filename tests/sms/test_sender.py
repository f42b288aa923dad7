"""Sender IDs."""

import pytest

from onesixty.sms.sender import Sender, SenderError, SenderKind, classify


@pytest.mark.parametrize(
    ("text", "sender", "ton", "npi", "address"),
    [
        ("+447700900123", Sender(SenderKind.NUMBER, "+447700900123", "GB"), 1, 1, "447700900123"),
        ("447700900123", Sender(SenderKind.NUMBER, "+447700900123", "GB"), 1, 1, "447700900123"),
        ("+44 7700 900123", Sender(SenderKind.NUMBER, "+447700900123", "GB"), 1, 1, "447700900123"),
        ("12345", Sender(SenderKind.SHORT_CODE, "12345"), 3, 0, "12345"),
        ("12345678", Sender(SenderKind.SHORT_CODE, "12345678"), 3, 0, "12345678"),
        ("Onesixty", Sender(SenderKind.ALPHANUMERIC, "Onesixty"), 5, 0, "Onesixty"),
        (" My Shop ", Sender(SenderKind.ALPHANUMERIC, "My Shop"), 5, 0, "My Shop"),
        ("AT&T-1_2.3", Sender(SenderKind.ALPHANUMERIC, "AT&T-1_2.3"), 5, 0, "AT&T-1_2.3"),
        ("[abcdefgh]"[:8], Sender(SenderKind.ALPHANUMERIC, "[abcdefg"), 5, 0, "[abcdefg"),
    ],
)
def test_senders_are_told_by_their_looks(
    text: str, sender: Sender, ton: int, npi: int, address: str
) -> None:
    """Numbers, short codes and names, with the TON and NPI to try first."""
    assert classify(text) == sender
    assert (sender.ton, sender.npi, sender.address) == (ton, npi, address)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("12", "3 to 8 digits"),
        ("123456789", "not a possible number"),
        ("1234567890123456", "not a possible number"),
        ("+44", "not a possible number"),
        ("A" * 12, "at most 11 characters, this one has 12"),
        ("[[[[[[a", "this one has 13"),
        ("Café", "'\\xe9'"),
        ("a`b", "'`'"),
        ("Shop\nTwo", "'\\n'"),
        ("12-34", "at least one letter"),
    ],
)
def test_refusals_say_what_to_do(text: str, words: str) -> None:
    """Anything else is refused with its cause."""
    error = classify(text)
    assert isinstance(error, SenderError)
    assert words in error.message
