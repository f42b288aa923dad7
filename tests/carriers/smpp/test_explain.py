"""A PDU in words: what a reader gets to see of it."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from onesixty.carriers.smpp.explain import explain, pieces
from onesixty.kit.clock import SystemClock
from onesixty.smpp.codec import encode
from onesixty.smpp.pdus import Command, Destination, Pdu, Tag, Tlv
from onesixty.smpp.receipts import MessageState, build_receipt
from smpp.test_golden import GOLDEN


def message(text: bytes, **fields: Any) -> bytes:
    """The octets of a submit_sm."""
    return encode(
        Pdu(
            Command.SUBMIT_SM,
            0,
            7,
            {"destination_addr": "491700000001", "short_message": text} | fields,
        )
    )


def test_the_text_is_counted_always_and_shown_to_who_may_see_it() -> None:
    """Alphabet and length are there for everybody, the text only when it may be shown."""
    octets = message("Zoë €".encode("utf-16-be"), data_coding=8)
    told = explain(octets)
    assert told["message"] == {
        "alphabet": "UCS-2", "octets": 10, "characters": 5, "header": None, "flaws": [],
    }  # fmt: skip
    assert "0131" not in told["fields"]["short_message"]
    assert told["fields"]["destination_addr"] == "49170*******"
    whole = explain(octets, show_text=True)
    assert whole["message"]["text"] == "Zoë €"
    assert whole["hex"] == octets.hex()


def test_each_alphabet_is_read_as_what_it_is() -> None:
    """GSM with its escapes, a national table, Cyrillic, Latin-1 that claims to be GSM, binary."""
    for octets, fields, text, flaws in (
        (b"\x1be", {}, "€", []),
        (b"\x03\x24\x01\x01\x1bs", {"esm_class": 0x40}, "ş", []),
        (b"\xbf", {"data_coding": 6}, "П", []),
        (b"\xe9", {}, "é", ["high_bit"]),
        (b"\x00\x01", {"data_coding": 4}, None, []),
        (b"\x7fabc", {"esm_class": 0x40}, "àabc", ["malformed_header"]),
    ):
        told = explain(message(octets, **fields), show_text=True)["message"]
        assert (told["text"], told["flaws"]) == (text, flaws)


def test_the_user_data_header_is_in_words() -> None:
    """Parts and ports are told as such."""
    octets = message(b"\x0b\0\3\x2a\2\1\5\4\x0b\x84\x23\xf0hi", esm_class=0x40)
    told = explain(octets)["message"]
    assert [one["meaning"] for one in told["header"]] == [
        "part 1 of 2, reference 42",
        "to port 2948, from port 9200",
    ]


def test_a_receipt_is_read() -> None:
    """Its id, state and error stand apart; the text it quotes is for those who may see texts."""
    now = SystemClock().now()
    fields, tlvs = build_receipt(
        "0a1b", MessageState.UNDELIVERABLE, submitted=now, done=now, error=27, text="secret"
    )
    octets = encode(Pdu(Command.DELIVER_SM, 0, 1, fields, tlvs))
    told = explain(octets)
    assert told["receipt"]["id"] == "0a1b"
    assert (told["receipt"]["state"], told["receipt"]["error"]) == ("undeliverable", "027")
    assert b"secret".hex() not in told["hex"]
    assert "secret" not in str(told)
    assert told["tlvs"][2]["meaning"] == "GSM error 27"
    assert explain(octets, show_text=True)["receipt"]["text"] == "secret"


def test_pieces_tell_where_they_stand_and_what_they_mean() -> None:
    """A field has its octet and its meaning, a TLV its tag."""
    octets = encode(
        Pdu(Command.DATA_SM, fields={"esm_class": 0x44}, tlvs=[Tlv(Tag.MESSAGE_STATE, b"\2")])
    )
    found = {one["name"]: one for one in pieces(octets)}
    assert found["esm_class"]["meaning"] == "delivery receipt, UDH"
    assert found["esm_class"]["offset"] == 23
    assert (found["message_state"]["tag"], found["message_state"]["meaning"]) == (
        "0x0427",
        "delivered",
    )


def test_what_is_no_pdu_is_told_too() -> None:
    """A web browser that came to the wrong port is recognised."""
    told = explain(b"GET / HTTP/1.1\r\n")
    assert told["command"] is None
    assert told["faults"] == [{"offset": 0, "text": "not SMPP: an HTTP GET request"}]


def test_every_destination_of_a_list_is_told() -> None:
    """The second address of submit_multi has a name of its own."""
    both = (Destination(1, 1, "491700000001"), Destination(1, 1, "123"))
    octets = encode(Pdu(Command.SUBMIT_MULTI, fields={"dest_address": both}))
    fields = explain(octets)["fields"]
    assert fields["destination_addr"] == "49170*******"
    assert fields["destination_addr.2"] == "123"


@given(
    st.sampled_from([one.octets for one in GOLDEN]),
    st.lists(st.tuples(st.integers(4, 200), st.integers(0, 255)), max_size=4),
    st.booleans(),
)
def test_damage_is_told_and_never_fails(
    octets: bytes, changes: list[tuple[int, int]], show_text: bool
) -> None:
    """Whatever is changed in a PDU, the answer is JSON, and its octets are as many as before."""
    changed = bytearray(octets)
    for at, octet in changes:
        changed[at % len(changed)] = octet
    told = explain(bytes(changed), show_text=show_text)
    assert len(bytes.fromhex(orjson.loads(orjson.dumps(told))["hex"])) == len(octets)
    assert pieces(bytes(changed)) is not None
