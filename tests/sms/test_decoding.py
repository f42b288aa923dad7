"""Reading received user data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.sms.alphabet import Encoding
from onesixty.sms.decoding import Decoded, Flaw, decode


@pytest.mark.parametrize(
    ("octets", "decoded"),
    [
        ("041f0440", Decoded("Пр")),
        ("d83dde00", Decoded("😀")),
        ("feff0041", Decoded("A")),
        ("fffe4100", Decoded("A")),
        ("004100", Decoded("A", (Flaw.ODD_OCTETS,))),
        ("d83d0041", Decoded("\ufffdA", (Flaw.LONE_SURROGATE,))),
        ("0041de00", Decoded("A\ufffd", (Flaw.LONE_SURROGATE,))),
        ("0041d83d", Decoded("A\ufffd", (Flaw.LONE_SURROGATE,))),
        ("0041d83d00", Decoded("A\ufffd", (Flaw.ODD_OCTETS, Flaw.LONE_SURROGATE))),
        ("", Decoded("")),
    ],
)
def test_utf16_is_read_by_what_peers_send(octets: str, decoded: Decoded) -> None:
    """Byte order marks are obeyed, broken ends and halves of pairs cost no other text."""
    assert decode(bytes.fromhex(octets), Encoding.UCS2) == decoded


@pytest.mark.parametrize(
    ("octets", "encoding", "decoded"),
    [
        (b"caf\x05 \x1be", Encoding.GSM7, Decoded("café €")),
        (b"caf\xe9", Encoding.GSM7, Decoded("café", (Flaw.HIGH_BIT,))),
        (b"caf\xe9", Encoding.LATIN1, Decoded("café")),
        (b"plain @", Encoding.ASCII, Decoded("plain @")),
        (b"caf\xe9", Encoding.ASCII, Decoded("café", (Flaw.HIGH_BIT,))),
        (b"\x00\xff", Encoding.BINARY, Decoded("")),
    ],
)
def test_eight_and_seven_bit_data(octets: bytes, encoding: Encoding, decoded: Decoded) -> None:
    """Octets with the high bit in 7-bit data mean Latin-1, and are flagged."""
    assert decode(octets, encoding) == decoded


@given(st.binary(max_size=140), st.sampled_from(Encoding))
def test_no_octets_make_it_fail(octets: bytes, encoding: Encoding) -> None:
    """Whatever arrives, there is a text, and it can be stored as UTF-8."""
    decode(octets, encoding).text.encode()
