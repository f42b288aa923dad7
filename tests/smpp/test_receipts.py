"""Receipts: recognising them, every form of text that is seen, TLVs against text, writing them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onesixty.smpp.codec import decode, encode
from onesixty.smpp.pdus import Command, Pdu, Tag, Tlv
from onesixty.smpp.receipts import (
    STATE_WORDS,
    MessageState,
    Receipt,
    ReceiptOptions,
    build_receipt,
    is_receipt,
    parse_receipt,
)
from onesixty.smpp.tlvs import integer_tlv, text_tlv

USUAL = (
    "id:0a1b2c3d sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 "
    "stat:DELIVRD err:000 text:Hello"
)


def pdu_of(text: str | bytes, esm_class: int = 4, *tlvs: Tlv, **fields: Any) -> Pdu:
    """A deliver_sm with this message."""
    octets = text if isinstance(text, bytes) else text.encode("latin-1")
    body = {"esm_class": esm_class, "short_message": octets, **fields}
    return Pdu(Command.DELIVER_SM, 0, 1, body, list(tlvs))


def read(text: str | bytes, *tlvs: Tlv, **fields: Any) -> Receipt:
    """What a receipt with this message says."""
    return parse_receipt(pdu_of(text, 4, *tlvs, **fields))


# -- recognising ---------------------------------------------------------------------------------

ID_TLV = text_tlv(Tag.RECEIPTED_MESSAGE_ID, "7")
STATE_TLV = integer_tlv(Tag.MESSAGE_STATE, 2)


@pytest.mark.parametrize("esm_class", [0x04, 0x44, 0x84, 0x07, 0xC4, 0x20, 0x60, 0x23])
def test_receipts_by_esm_class(esm_class: int) -> None:
    """Bits 5 to 2 say receipt or intermediate notification, whatever the other bits say."""
    assert is_receipt(pdu_of("anything", esm_class))


@pytest.mark.parametrize("esm_class", [0x00, 0x03, 0x08, 0x10, 0x18, 0x40, 0x80, 0xC0, 0x24])
def test_messages_by_esm_class(esm_class: int) -> None:
    """Messages, acknowledgements by the user and aborted conversations are no receipts."""
    assert not is_receipt(pdu_of(USUAL, esm_class))


@pytest.mark.parametrize(
    ("text", "tlvs", "expected"),
    [
        ("", [ID_TLV, STATE_TLV], True),
        (USUAL, [ID_TLV], True),
        ("hello", [ID_TLV], False),
        ("id:7 text:stat:DELIVRD", [ID_TLV], False),
        ("hello", [STATE_TLV], False),
    ],
)
def test_receipts_by_tlvs(text: str, tlvs: list[Tlv], expected: bool) -> None:
    """receipted_message_id with a state, in TLV or text, makes a receipt unless switched off."""
    pdu = pdu_of(text, 0, *tlvs)
    assert is_receipt(pdu) == expected
    assert not is_receipt(pdu, ReceiptOptions(by_tlvs=False))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (USUAL, True),
        ("ID:1 STAT:X", True),
        ("my id:1 stat:2", False),
        ("id:1", False),
        ("id: 1 stat:X", False),
    ],
)
def test_receipts_by_text(text: str, expected: bool) -> None:
    """A text like that of a receipt counts only where the connection says so."""
    assert not is_receipt(pdu_of(text, 0))
    assert is_receipt(pdu_of(text, 0), ReceiptOptions(by_text=True)) == expected


def test_acknowledgements_are_not_taken_for_receipts() -> None:
    """What says by esm_class that it is something else is no receipt for its TLVs."""
    assert not is_receipt(pdu_of(USUAL, 0x08, ID_TLV, STATE_TLV), ReceiptOptions(by_text=True))


# -- the text ------------------------------------------------------------------------------------


def test_the_usual_form() -> None:
    """The form of the specification gives all its fields."""
    assert read(USUAL) == Receipt(
        id="0a1b2c3d",
        state=MessageState.DELIVERED,
        final=True,
        intermediate=False,
        error="000",
        submit_date="2601010000",
        done_date="2601010001",
        text="Hello",
        raw=USUAL.encode(),
        ids=("0a1b2c3d",),
        stat="DELIVRD",
    )


_WORD = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), max_size=12)


@given(st.tuples(_WORD, _WORD, _WORD, _WORD, _WORD, _WORD, _WORD), st.text(max_size=30))
def test_white_space_does_not_matter(words: tuple[str, ...], message: str) -> None:
    """The usual form with other spacing, which is read another way, says the same."""
    labels = ("id", "sub", "dlvrd", "submit date", "done date", "stat", "err")
    pieces = [f"{label}:{word}" for label, word in zip(labels, words, strict=True)]
    text = message.encode("latin-1", errors="replace").decode("latin-1")
    one, two = (read(between.join([*pieces, f"text:{text}"])) for between in (" ", "\r\n "))
    assert one == replace(two, raw=one.raw)


@pytest.mark.parametrize(
    ("text", "message_id"),
    [
        ("id:1 stat:DELIVRD", "1"),
        ("id: 42 stat:DELIVRD", "42"),
        ("ID:0A1B stat:DELIVRD", "0A1B"),
        ("id:6f9619ff-8b86-d011-b42d-00c04fc964ff stat:DELIVRD", None),
        ("id:SAR-77-2-1 stat:DELIVRD", "SAR-77-2-1"),
        ("id:a.b.c stat:DELIVRD", "a.b.c"),
        ("id:0000000012 stat:DELIVRD", "0000000012"),
        ('id:"123" stat:DELIVRD', '"123"'),
        ("stat:DELIVRD id:5", "5"),
        ("id:first id:second stat:DELIVRD", "first"),
        ("nid:9 id:5 stat:DELIVRD", "5"),
        ("xid:9 stat:DELIVRD", ""),
        ("stat:DELIVRD text:id:5", ""),
        ("stat:DELIVRD", ""),
    ],
)
def test_ids(text: str, message_id: str | None) -> None:
    """The id is what stands behind the first `id:` at a word's beginning, before the text."""
    expected = text[3:39] if message_id is None else message_id
    assert read(text).id == expected
    assert read(text).ids == ((expected,) if expected else ())


def test_an_id_with_words_behind() -> None:
    """With words behind the id the whole value is tried, then its first word."""
    assert read("id:123 (part 1) stat:DELIVRD").ids == ("123 (part 1)", "123")


@pytest.mark.parametrize(
    ("stat", "state"),
    [
        *((word, state) for state, word in STATE_WORDS.items()),
        *((str(int(state)), state) for state in MessageState),
        *((word, MessageState.DELIVERED) for word in ("DELIVERED", "DELIVERD", "DELIVER")),
        *(
            (word, MessageState.UNDELIVERABLE)
            for word in ("UNDELIVERED", "UNDELIVERABLE", "UNDELIVRD", "UNDELIVD", "FAILED", "FAIL")
        ),
        ("EXPIRD", MessageState.EXPIRED),
        ("DELETD", MessageState.DELETED),
        ("ACCEPTED", MessageState.ACCEPTED),
        ("ACKED", MessageState.ACCEPTED),
        *((word, MessageState.REJECTED) for word in ("REJECTED", "REJECTE", "BLOCKED", "DND")),
        *(
            (word, MessageState.ENROUTE)
            for word in ("EN_ROUTE", "BUFFERED", "BUFFRED", "QUEUED", "PENDING", "SENT")
        ),
        ("UNKNOWD", MessageState.UNKNOWN),
        ("UNKN", MessageState.UNKNOWN),
        ("delivrd", MessageState.DELIVERED),
        ("Delivrd,", MessageState.DELIVERED),
        ("DELIVRD (by postman)", MessageState.DELIVERED),
        ("WHATEVER", MessageState.UNKNOWN),
        ("", MessageState.UNKNOWN),
        ("10", MessageState.UNKNOWN),
    ],
)
def test_states(stat: str, state: MessageState) -> None:
    """The known words and numbers, in any case, are told; any other is unknown."""
    assert read(f"id:1 stat:{stat} err:000 text:").state is state
    assert read(f"id:1 stat:{stat}").state is state


def test_an_unknown_state_keeps_its_word() -> None:
    """What the SMSC wrote as state is there to be shown."""
    assert read("id:1 stat:WHATEVER err:1").stat == "WHATEVER"


@pytest.mark.parametrize("state", MessageState)
def test_final_states(state: MessageState) -> None:
    """Delivered, expired, deleted, undeliverable, rejected and skipped are the last word."""
    receipt = read(f"id:1 stat:{int(state)}")
    assert receipt.final == (state in {2, 3, 4, 5, 8, 9})
    assert not receipt.intermediate


def test_accepted_may_be_final() -> None:
    """ACCEPTD is intermediate in practice, and final where the connection says so."""
    pdu = pdu_of("id:1 stat:ACCEPTD")
    assert not parse_receipt(pdu).final
    assert parse_receipt(pdu, ReceiptOptions(accepted_is_final=True)).final


def test_an_intermediate_notification_is_never_final() -> None:
    """esm_class 0x20 says there is more to come, whatever state it tells."""
    receipt = parse_receipt(pdu_of(USUAL, 0x20))
    assert (receipt.state, receipt.final, receipt.intermediate) == (2, False, True)


@pytest.mark.parametrize(
    ("text", "submit", "done"),
    [
        ("submit date:2601010000 done date:2601010001", "2601010000", "2601010001"),
        ("submit_date:260101000000 done_date:260101000100", "260101000000", "260101000100"),
        ("Submit Date:20260101000000 Done Date:1767225660", "20260101000000", "1767225660"),
        ("submit date: done date:0000000000", "", "0000000000"),
        (
            "submit date:2026-01-01 00:00:00 done date:2026-01-01 00:00:01",
            "2026-01-01 00:00:00",
            "2026-01-01 00:00:01",
        ),
        ("done date:2601010001", "", "2601010001"),
        ("", "", ""),
    ],
)
def test_dates(text: str, submit: str, done: str) -> None:
    """Dates are kept in the SMSC's own words, with either spelling of their labels."""
    receipt = read(f"id:1 sub:1 dlvrd:0 {text} stat:DELIVRD err:0 text:")
    assert (receipt.submit_date, receipt.done_date) == (submit, done)


@pytest.mark.parametrize(
    ("err", "error"),
    [
        (" err:000", "000"),
        (" err:0x1F", "0x1F"),
        (" ERR:ABSENT", "ABSENT"),
        (" err:1234567890", "1234567890"),
        (" err:null", ""),
        (" err:", ""),
        ("", ""),
        (" err:31,", "31"),
        (" err:5 nid:x mccmnc:26201", "5"),
    ],
)
def test_errors(err: str, error: str) -> None:
    """The error is one word of any kind; null and nothing are nothing."""
    assert read(f"id:1 stat:UNDELIV{err} text:").error == error
    assert read(f"id:1 stat:UNDELIV{err}").error == error


@pytest.mark.parametrize(
    ("behind", "text"),
    [
        ("text:Hello you", "Hello you"),
        ("Text:Hello", "Hello"),
        ("TEXT: Hello ", "Hello"),
        ("text Hello", "Hello"),
        ("text", ""),
        ("text:", ""),
        ("", ""),
        ("text:id:9 stat:REJECTD err:9 text:more", "id:9 stat:REJECTD err:9 text:more"),
        ("text:\x00\x01\xff", "\x01ÿ"),
    ],
)
def test_texts(behind: str, text: str) -> None:
    """Whatever stands behind `text:` is the text, and labels in it are not labels."""
    receipt = read(f"id:1 stat:DELIVRD err:000 {behind}")
    assert (receipt.text, receipt.id, receipt.state, receipt.error) == (text, "1", 2, "000")


def test_labels_the_specification_does_not_know() -> None:
    """Unknown labels end the value before them and are otherwise left alone."""
    receipt = read("id:1 nid:77 sub:001 msc:491770 stat:DELIVRD mccmnc:26201 err:000 imsi:2 ppid:3")
    assert (receipt.id, receipt.stat, receipt.error) == ("1", "DELIVRD", "000")


# -- octets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["utf-16-be", "utf-16-le", "utf-16", "latin-1"])
@pytest.mark.parametrize("data_coding", [0, 8])
def test_any_alphabet(codec: str, data_coding: int) -> None:
    """A receipt is read in one or two octets a character, whatever its data_coding claims."""
    receipt = read(USUAL.encode(codec), data_coding=data_coding)
    assert (receipt.id, receipt.state, receipt.text) == ("0a1b2c3d", 2, "Hello")


def test_a_text_in_another_alphabet() -> None:
    """The quoted text may be beyond Latin-1 in a receipt in UCS-2, or cut within a character."""
    text = USUAL.replace("Hello", "Привет").encode("utf-16-be")
    assert read(text, data_coding=8).text == "Привет"
    assert read(text[:-1], data_coding=8).text == "Приве"


def test_a_udh_before_the_text() -> None:
    """With UDHI set the header is skipped; a header longer than the message is no header."""
    udh = b"\x05\x00\x03\x01\x02\x01"
    assert parse_receipt(pdu_of(udh + USUAL.encode(), 0x44)).id == "0a1b2c3d"
    assert parse_receipt(pdu_of(b"\xff", 0x44)).raw == b"\xff"
    assert parse_receipt(pdu_of(b"", 0x44)).id == ""


def test_a_text_in_the_payload() -> None:
    """message_payload is read where short_message is empty, in data_sm always."""
    payload = Tlv(Tag.MESSAGE_PAYLOAD, USUAL.encode())
    assert read("", payload).id == "0a1b2c3d"
    data_sm = Pdu(Command.DATA_SM, 0, 1, {"esm_class": 4}, [payload])
    assert is_receipt(data_sm)
    assert parse_receipt(data_sm).state is MessageState.DELIVERED


# -- TLVs ----------------------------------------------------------------------------------------


def test_only_tlvs() -> None:
    """A receipt without text is whole when its TLVs say id and state."""
    receipt = read("", ID_TLV, STATE_TLV, Tlv(Tag.NETWORK_ERROR_CODE, b"\x03\x00\x1f"))
    assert (receipt.id, receipt.state, receipt.final, receipt.error) == ("7", 2, True, "3:31")


@pytest.mark.parametrize("value", [b"7", b"7\0", b"7  \0", b" 7\0\0\0"])
def test_the_id_in_the_tlv(value: bytes) -> None:
    """receipted_message_id is read with NUL, without, and padded."""
    assert read("stat:DELIVRD", Tlv(Tag.RECEIPTED_MESSAGE_ID, value)).ids == ("7",)


def test_two_ids() -> None:
    """Where TLV and text differ both are candidates, the TLV first; equal ones count once."""
    assert read("id:10847 stat:DELIVRD", text_tlv(Tag.RECEIPTED_MESSAGE_ID, "2A5F")).ids == (
        "2A5F",
        "10847",
    )
    assert read("id:7 stat:DELIVRD", ID_TLV).ids == ("7",)


def test_ids_beyond_all_bounds_are_no_ids() -> None:
    """What could never have been in a submit_sm_resp is no candidate."""
    assert read(f"id:{'9' * 300} stat:DELIVRD", ID_TLV).ids == ("7",)


@pytest.mark.parametrize(
    ("stat", "tlv", "by_text", "by_tlv"),
    [
        ("UNDELIV", 2, MessageState.UNDELIVERABLE, MessageState.DELIVERED),
        ("WHATEVER", 5, MessageState.UNDELIVERABLE, MessageState.UNDELIVERABLE),
        ("EXPIRED", None, MessageState.EXPIRED, MessageState.EXPIRED),
        ("EXPIRED", 99, MessageState.EXPIRED, MessageState.EXPIRED),
        ("", None, MessageState.UNKNOWN, MessageState.UNKNOWN),
    ],
)
def test_two_states(
    stat: str, tlv: int | None, by_text: MessageState, by_tlv: MessageState
) -> None:
    """The text wins when it is a known word, or the TLV, as the connection says."""
    tlvs = [] if tlv is None else [integer_tlv(Tag.MESSAGE_STATE, tlv)]
    pdu = pdu_of(f"id:1 stat:{stat}", 4, *tlvs)
    assert parse_receipt(pdu).state is by_text
    assert parse_receipt(pdu, ReceiptOptions(text_state_wins=False)).state is by_tlv


# -- never raising -------------------------------------------------------------------------------

_OCTETS = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from(
            ["id:", "stat:", "text:", "text", "err:", "submit date:", ":", " ", "7", "\0", "é"]
        )
    ).map(lambda pieces: "".join(pieces).encode("latin-1")),
)
_ANY_TLVS = st.lists(
    st.builds(
        Tlv,
        st.sampled_from([0x1E, 0x0427, 0x0423, 0x0424]),
        st.binary(max_size=80),
    ),
    max_size=4,
)


@given(_OCTETS, st.integers(0, 255), _ANY_TLVS, st.booleans(), st.booleans())
def test_reading_never_fails(
    octets: bytes, esm_class: int, tlvs: list[Tlv], by_text: bool, text_state_wins: bool
) -> None:
    """Whatever octets a PDU holds, it is told whether it is a receipt and what it says."""
    options = ReceiptOptions(by_text=by_text, text_state_wins=text_state_wins)
    pdu = pdu_of(octets, esm_class, *tlvs)
    assert is_receipt(pdu, options) in (True, False)
    receipt = parse_receipt(pdu, options)
    assert "\0" not in "".join([*receipt.ids, receipt.text, receipt.stat, receipt.error])
    assert receipt.id == (receipt.ids[0] if receipt.ids else "")


@pytest.mark.parametrize(
    "piece", [b" ", b"a", b"id:", b"text", b" submit ", b"a ", b"\0", b"id:1 sub:", b" _"]
)
def test_reading_stays_fast(piece: bytes) -> None:
    """A payload of 64 kB made to slow the reader down is read like any other."""
    payload = (b"id:1 " + piece * 65535)[:65535]
    receipt = read("", Tlv(Tag.MESSAGE_PAYLOAD, payload))
    assert receipt.raw == payload


# -- writing -------------------------------------------------------------------------------------

SUBMITTED = datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=1)))
DONE = datetime(2026, 1, 1, 0, 1, 59, tzinfo=UTC)


def test_the_golden_receipt_is_written() -> None:
    """The canonical text and TLVs come out as in the golden deliver_sm."""
    fields, tlvs = build_receipt(
        "0a1b2c3d", MessageState.DELIVERED, submitted=SUBMITTED, done=DONE, text="Hello"
    )
    assert fields == {"esm_class": 4, "short_message": USUAL.encode()}
    assert tlvs == [Tlv(0x001E, b"0a1b2c3d\x00"), Tlv(0x0427, b"\x02")]


@pytest.mark.parametrize("state", MessageState)
def test_what_is_written_is_read_again(state: MessageState) -> None:
    """A receipt of any state is recognised on the other side and says what was put in."""
    fields, tlvs = build_receipt("i" * 64, state, submitted=SUBMITTED, done=DONE, error=31)
    pdu = decode(encode(Pdu(Command.DELIVER_SM, 0, 1, fields, tlvs)))
    assert is_receipt(pdu)
    receipt = parse_receipt(pdu)
    assert (receipt.ids, receipt.state, receipt.error) == (("i" * 64,), state, "031")
    assert receipt.intermediate == (state in {0, 1, 6})
    assert pdu.tlv(Tag.NETWORK_ERROR_CODE) == b"\x03\x00\x1f"


def test_only_a_delivered_message_counts_as_delivered() -> None:
    """dlvrd is 001 for DELIVRD and 000 for all else; err has at least three digits."""
    fields, _ = build_receipt("7", MessageState.EXPIRED, submitted=SUBMITTED, done=DONE, error=1234)
    text = fields["short_message"]
    assert isinstance(text, bytes)
    assert b"dlvrd:000" in text
    assert b"err:1234 " in text


def test_the_quoted_text_is_short_and_plain() -> None:
    """Of the message 20 characters are quoted, "?" for what GSM and ASCII read apart."""
    text = "Привет\r\nworld@_$, and more than that"
    fields, _ = build_receipt(
        "7", MessageState.DELIVERED, submitted=SUBMITTED, done=DONE, text=text
    )
    octets = fields["short_message"]
    assert isinstance(octets, bytes)
    assert octets.endswith(b"text:????????world???, an")
