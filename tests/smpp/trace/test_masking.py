"""What is covered: secrets, whatever the state of the PDU; and what is not."""

import pytest

from onesixty.smpp.codec import encode
from onesixty.smpp.pdus import Command, Pdu, Tag, Tlv
from onesixty.smpp.trace.dissect import dissect
from onesixty.smpp.trace.masking import masked

SECRET = "topsecrt"
NUMBER = "491700000001"


def covered(pdu: Pdu | bytes, *, show_text: bool = False) -> bytes:
    """The octets of a PDU as they may be shown."""
    octets = encode(pdu, lenient=True) if isinstance(pdu, Pdu) else pdu
    shown = masked(dissect(octets), show_text=show_text)
    assert len(shown) == len(octets)
    return shown


def bind(password: str = SECRET) -> Pdu:
    """A bind."""
    return Pdu(Command.BIND_TRANSCEIVER, fields={"system_id": "esme1", "password": password})


def message(text: bytes, esm_class: int = 0, command: int = Command.SUBMIT_SM) -> Pdu:
    """A message to a number."""
    return Pdu(
        command,
        fields={
            "source_addr": "Shop",
            "destination_addr": NUMBER,
            "esm_class": esm_class,
            "short_message": text,
        },
    )


@pytest.mark.parametrize("show_text", [False, True])
def test_a_password_is_never_shown(show_text: bool) -> None:
    """Not to those who may see texts, not when too long, and not in a bind that is broken."""
    whole = encode(bind())
    broken = [
        whole.replace(b"esme1\0", b"esme1x"),
        whole[:-9],
        encode(bind("topsecrt-and-more"), lenient=True),
        whole.replace(b"\0\0\0\x09", b"\0\0\0\x0b", 1),
    ]
    for octets in (whole, *broken):
        assert b"topse" in octets
        assert b"topse" not in covered(octets, show_text=show_text)
    assert b"esme1" in covered(whole)


def test_texts_and_numbers_are_covered() -> None:
    """Of a number the first five digits stay, of a name all of it, of a text nothing."""
    shown = covered(message(b"your code is 123456"))
    assert b"49170*******" in shown
    assert b"Shop" in shown
    assert b"code" not in shown
    payload = message(b"")
    payload.tlvs = [Tlv(Tag.MESSAGE_PAYLOAD, b"your code"), Tlv(Tag.CALLBACK_NUM, b"\1\1\1491700")]
    assert b"code" not in covered(payload)
    assert b"49170*" in covered(payload)


def test_whoever_may_see_texts_sees_them() -> None:
    """Nothing of a message is covered then."""
    pdu = message(b"your code is 123456")
    assert covered(pdu, show_text=True) == encode(pdu)


def test_a_header_stays_and_what_only_looks_like_one_does_not() -> None:
    """The user data header can be read; a text that claims to have one is covered."""
    assert b"\5\0\3\xaa\2\1***" in covered(message(b"\5\0\3\xaa\2\1abc", 0x40))
    assert b"Hello" not in covered(message(b"Hello, your code is 123456", 0x40))
    assert b"Hel" not in covered(message(b"\3Hello, your code is 123456", 0x40))


def test_a_receipt_shows_all_but_the_text_it_quotes() -> None:
    """Its id and state stay; what follows `text:` goes, in UTF-16 too."""
    words = "id:0a1b stat:DELIVRD err:000 text:your code"
    for octets in (words.encode(), words.encode("utf-16-be")):
        shown = covered(message(octets, 0x04, Command.DELIVER_SM)).replace(b"\0", b"")
        assert b"stat:DELIVRD" in shown
        assert b"code" not in shown
    assert b"code" not in covered(message(b"your code", 0x04, Command.DELIVER_SM))


def test_behind_a_fault_nothing_is_shown() -> None:
    """A field without its NUL swallows what follows: its text could stand anywhere."""
    octets = encode(message(b"your code"))
    assert b"code" not in covered(octets.replace(b"Shop\0", b"Shop!"))
    assert b"code" not in covered(b"\0\0\0\x19\0\0\1\x11" + bytes(8) + b"your code")
    assert b"code" not in covered(octets[:-4] + b"e\0\0")
