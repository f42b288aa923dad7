"""`onesixty smpp decode`: octets as people have them, into words."""

import io
import json
import sys

import pytest

from cli.programs import onesixty
from onesixty.cli.smpp.hexadecimal import HexError, parse
from smpp.test_golden import GOLDEN

ENQUIRE = bytes.fromhex("00000010000000150000000000000002")


@pytest.mark.parametrize(
    "text",
    [
        "00000010000000150000000000000002",
        "0x00000010 0x00000015, 0x00000000 0x00000002",
        "00:00:00:10:00:00:00:15:00:00:00:00:00:00:00:02",
        r"\x00\x00\x00\x10\x00\x00\x00\x15\x00\x00\x00\x00\x00\x00\x00\x02",
        "0000  00 00 00 10 00 00 00 15 00 00 00 00 00 00 00 02   ................\n",
        "00000000: 0000 0010 0000 0015 0000 0000 0000 0002  ................",
        "\t0x0000:  0000 0010 0000 0015\n\t0x0008:  0000 0000 0000 0002\n",
    ],
)
def test_octets_are_read_as_tools_write_them(text: str) -> None:
    """Digits, C arrays, Wireshark's colons, tshark -x, xxd and tcpdump -x all give the same."""
    assert parse(text) == ENQUIRE


@pytest.mark.parametrize(
    ("text", "told"),
    [("00zz", "'z' is no hexadecimal digit (digit 3)"), ("000", "one is missing"), (" ", "no oct")],
)
def test_what_is_no_octets_is_said(text: str, told: str) -> None:
    """The digit in the way is named."""
    with pytest.raises(HexError) as caught:
        parse(text)
    assert told in str(caught.value)


def test_every_golden_pdu_is_told_without_a_fault() -> None:
    """A stream of all of them comes out one by one, with the names of their fields."""
    stream = b"".join(one.octets for one in GOLDEN).hex()
    done = onesixty("smpp", "decode", "--json", stream)
    assert done.returncode == 0, done.stdout
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == len(GOLDEN)
    assert not any(one["faults"] for one in told)
    texts = [one["message"]["text"] for one in told if one["message"]]
    assert "hello €" in texts
    assert "Привет 😀" in texts
    assert {one["receipt"]["state"] for one in told if one["receipt"]} == {"delivered"}
    assert "secret" not in done.stdout
    assert b"secret".hex() not in done.stdout


def test_a_broken_pdu_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    """From stdin, in words, with the octet of the fault and exit code 1."""
    given = "00000013 00000004 00000000 00000001 000500"
    monkeypatch.setattr(sys, "stdin", io.StringIO(given))
    done = onesixty("smpp", "decode", "-")
    assert done.returncode == 1
    assert "source_addr_ton  5      alphanumeric" in done.stdout
    assert "wrong at octet 19: the PDU ends before source_addr" in done.stdout


def test_a_terminal_is_not_told_what_to_do() -> None:
    """Control characters in names and texts are not passed on."""
    sender = b"\x1b[31mred\0"
    octets = GOLDEN[5].octets.replace(b"Shop\0", sender)
    octets = len(octets).to_bytes(4, "big") + octets[4:]
    done = onesixty("smpp", "decode", octets.hex())
    assert "[31mred" in done.stdout
    assert "\x1b" not in done.stdout
