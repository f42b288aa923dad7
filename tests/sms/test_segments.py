"""How many segments a message takes, and what its parts carry."""

from typing import Final

import pytest

from onesixty.sms import udh
from onesixty.sms.alphabet import Encoding
from onesixty.sms.national import Language
from onesixty.sms.segments import (
    Concatenation,
    Part,
    SegmentationError,
    TextEncoding,
    capacity,
    count,
    parts,
    plan,
    plan_octets,
)

GSM7: Final = Encoding.GSM7
UCS2: Final = Encoding.UCS2

GOLDEN = [
    ("a" * 160, GSM7, [160]),
    ("a" * 161, GSM7, [153, 8]),
    ("a" * 159 + "€", GSM7, [153, 8]),
    ("a" * 158 + "€", GSM7, [160]),
    ("a" * 152 + "€" + "a" * 10, GSM7, [152, 12]),
    ("a" * 306, GSM7, [153, 153]),
    ("a" * 307, GSM7, [153, 153, 1]),
    ("я" * 70, UCS2, [70]),
    ("я" * 71, UCS2, [67, 4]),
    ("я" * 134, UCS2, [67, 67]),
    ("я" * 135, UCS2, [67, 67, 1]),
    ("😀" * 35, UCS2, [70]),
    ("😀" * 36, UCS2, [66, 6]),
    ("я" * 66 + "😀" + "яяя", UCS2, [66, 5]),
    ("😀" * 67, UCS2, [66, 66, 2]),
    ("", GSM7, [0]),
]


@pytest.mark.parametrize(("text", "encoding", "units"), GOLDEN)
def test_golden_counts(text: str, encoding: Encoding, units: list[int]) -> None:
    """Counts and part sizes around every border that naive arithmetic gets wrong."""
    width = 2 if encoding is UCS2 else 1
    planned = plan(text)
    assert planned.encoding is encoding
    assert [len(part.data) // width for part in parts(planned)] == units
    assert planned.units == sum(units)
    assert count(text) == (encoding, len(units))


@pytest.mark.parametrize(
    ("header_octets", "septets", "octets", "units"),
    [
        (0, 160, 140, 70),
        (6, 153, 134, 67),
        (7, 152, 133, 66),
        (4, 155, 136, 68),
        (9, 149, 131, 65),
        (12, 146, 128, 64),
        (10, 148, 130, 65),
        (13, 145, 127, 63),
        (5, 154, 135, 67),
    ],
)
def test_capacities(header_octets: int, septets: int, octets: int, units: int) -> None:
    """What fits beside headers of every size in use."""
    assert capacity(GSM7, header_octets) == septets
    assert capacity(Encoding.BINARY, header_octets) == octets
    assert capacity(Encoding.LATIN1, header_octets) == octets
    assert capacity(UCS2, header_octets) == units


@pytest.mark.parametrize(
    ("concatenation", "first", "segments"),
    [
        (Concatenation.UDH8, Part(bytes.fromhex("050003340201"), b"a" * 153, 1, 2), 2),
        (Concatenation.UDH16, Part(bytes.fromhex("06080412340201"), b"a" * 152, 1, 2), 2),
        (Concatenation.SAR, Part(b"", b"a" * 153, 1, 2), 2),
        (Concatenation.PAYLOAD, Part(b"", b"a" * 161, 1, 1), 2),
    ],
)
def test_forms_of_concatenation(concatenation: Concatenation, first: Part, segments: int) -> None:
    """Each form writes its own header, or none; the count is that of the radio side."""
    planned = plan("a" * 161, concatenation=concatenation)
    built = parts(planned, 0x1234)
    assert built[0] == first
    assert first.user_data == first.udh + first.data
    assert planned.segments == segments
    assert "".join(part.data.decode() for part in built) == "a" * 161


def test_a_short_message_has_no_header_whatever_the_form() -> None:
    """One part is sent plain."""
    for concatenation in Concatenation:
        assert parts(plan("hi", concatenation=concatenation), 7) == [Part(b"", b"hi", 1, 1)]


def test_clusters_stay_together_where_it_costs_no_part() -> None:
    """An emoji family at the border of two parts moves whole into the second."""
    family = "👨‍👩‍👧"
    first, second = parts(plan("я" * 63 + family + "я"))
    assert first.data.decode("utf-16-be") == "я" * 63
    assert second.data.decode("utf-16-be") == family + "я"


def test_clusters_are_cut_where_keeping_them_would_cost_a_part() -> None:
    """Two parts that are full to the last unit stay two."""
    text = "я" * 64 + "👨‍👩‍👧" + "я" * 62
    planned = plan(text)
    assert planned.segments == 2
    assert b"".join(planned.pieces).decode("utf-16-be") == text


def test_only_the_cuts_that_must_fall_in_a_cluster_do() -> None:
    """With two units to spare, one of two clusters at borders is kept and the other cut."""
    text = "я" * 66 + "e\u0301" + "я" * 65 + "e\u0301" + "я" * 65
    pieces = [piece.decode("utf-16-be") for piece in plan(text).pieces]
    assert [len(piece) for piece in pieces] == [66, 67, 67]
    assert pieces[1].startswith("e\u0301")


def test_line_ends_stay_whole() -> None:
    """CR LF is one line end also at the border of a part."""
    first, second = plan("a" * 152 + "\r\n" + "a" * 20).pieces
    assert (len(first), second[:2]) == (152, b"\r\n")


@pytest.mark.parametrize(
    ("encoding", "text", "data"),
    [
        (GSM7, "é", b"\x05"),
        (UCS2, "é", b"\x00\xe9"),
        (Encoding.LATIN1, "ç", b"\xe7"),
    ],
)
def test_a_wanted_encoding_is_used(encoding: TextEncoding, text: str, data: bytes) -> None:
    """The caller may decide."""
    planned = plan(text, encoding=encoding)
    assert planned.pieces == (data,)
    assert planned.data_coding == encoding.data_coding
    assert count("ç" * 141, encoding=Encoding.LATIN1) == (Encoding.LATIN1, 2)


@pytest.mark.parametrize(
    ("encoding", "text", "characters"),
    [
        (GSM7, "aяb😀я", "я😀"),
        (Encoding.LATIN1, "ça €5", "€"),
        (None, "half \ud83d pair", ""),
    ],
)
def test_characters_outside_are_named(
    encoding: TextEncoding | None, text: str, characters: str
) -> None:
    """An impossible encoding is refused with the characters that made it so."""
    with pytest.raises(SegmentationError, match=r"U\+") as caught:
        plan(text, encoding=encoding)
    assert (caught.value.code, caught.value.characters) == ("not_encodable", characters)


@pytest.mark.parametrize(("allowed", "limit"), [(10, 10), (1000, 255)])
def test_too_many_segments_are_refused_with_their_number(allowed: int, limit: int) -> None:
    """The limit is the caller's, and 255 in any case."""
    with pytest.raises(SegmentationError) as caught:
        count("a" * (153 * limit + 1), max_segments=allowed)
    error = caught.value
    assert (error.code, error.segments, error.limit) == ("too_many_segments", limit + 1, limit)
    assert count("a" * (153 * limit), max_segments=allowed) == (GSM7, limit)


def test_national_tables_save_segments() -> None:
    """Turkish text of 130 letters is one segment with its tables and two in UTF-16."""
    text = "Değerli müşterimiz, siparişiniz yola çıktı. " * 3
    assert count(text) == (UCS2, 2)
    planned = plan(text, national=[Language.SPANISH, Language.TURKISH])
    assert (planned.encoding, planned.segments) == (GSM7, 1)
    assert planned.elements == udh.shifts(single=Language.TURKISH)
    assert parts(planned)[0].udh == bytes.fromhex("03240101")


def test_national_tables_are_repeated_in_every_part() -> None:
    """Tables apply to a part, so each part names them beside its number."""
    planned = plan("ş" * 150 + "a" * 20, national=[Language.TURKISH])
    first, second = parts(planned, 9)
    assert first.udh == bytes.fromhex("080003090201250101")
    assert second.udh == bytes.fromhex("080003090202250101")
    assert len(first.data) == 149


def test_national_tables_are_left_out_where_they_save_nothing() -> None:
    """UTF-16 is read by every handset, so it wins at equal price; plain GSM always wins."""
    assert plan("ş", national=[Language.TURKISH]).encoding is UCS2
    assert plan("a", national=[Language.TURKISH]).elements == b""
    assert plan("ş", encoding=GSM7, national=[Language.TURKISH]).encoding is GSM7


def test_a_message_with_tables_is_concatenated_in_its_header() -> None:
    """SMPP forbids a header beside sar_* parameters."""
    planned = plan("ş" * 170, concatenation=Concatenation.SAR, national=[Language.TURKISH])
    assert planned.concatenation is Concatenation.UDH8
    assert all(part.udh for part in parts(planned))


@pytest.mark.parametrize(
    ("octets", "header", "sizes"),
    [
        (140, b"", [140]),
        (141, b"", [134, 7]),
        (133, udh.build(udh.ports(2948, 9200)), [133]),
        (134, udh.build(udh.ports(2948, 9200)), [128, 6]),
        (0, b"", [0]),
    ],
)
def test_binary_data_is_split_by_octets(octets: int, header: bytes, sizes: list[int]) -> None:
    """8-bit data fills 140 octets less the header, and ports stand in every part."""
    data = bytes(range(256))[:octets]
    planned = plan_octets(data, header=header)
    built = parts(planned, 1)
    assert (planned.data_coding, planned.segments) == (4, len(sizes))
    assert [len(part.data) for part in built] == sizes
    assert b"".join(part.data for part in built) == data
    assert all(part.udh.endswith(header[1:]) for part in built)
    assert all(len(part.user_data) <= 140 for part in built)


def test_binary_data_may_be_split_by_the_carrier() -> None:
    """PAYLOAD hands the data over whole, and still counts what the radio side will take."""
    planned = plan_octets(bytes(141), concatenation=Concatenation.PAYLOAD)
    assert (planned.segments, planned.pieces) == (2, (bytes(141),))


def test_a_caller_who_concatenates_must_fit_one_part() -> None:
    """A header that is already numbered is not numbered again."""
    header = udh.build(udh.concatenation(1, 2, 1))
    assert parts(plan_octets(bytes(134), header=header))[0].udh == header
    with pytest.raises(SegmentationError, match="2 segments"):
        plan_octets(bytes(135), header=header)


@pytest.mark.parametrize("header", ["05", "050003aa02", "0600", "050003aa020199"])
def test_malformed_headers_are_refused(header: str) -> None:
    """A header whose length is not its own would eat data or leave junk."""
    with pytest.raises(SegmentationError, match="malformed"):
        plan_octets(b"data", header=bytes.fromhex(header))


WAP = udh.build(udh.ports(2948, 9200))


@pytest.mark.parametrize(
    ("text", "sizes"),
    [("a" * 152, [152]), ("a" * 153, [146, 7]), ("я" * 66, [132]), ("я" * 67, [128, 6])],
)
def test_text_under_a_header(text: str, sizes: list[int]) -> None:
    """A header takes its room in every part, also where the carrier numbers or cuts plain text."""
    for concatenation in (Concatenation.UDH8, Concatenation.SAR, Concatenation.PAYLOAD):
        built = parts(plan(text, header=WAP, concatenation=concatenation), 1)
        assert [len(part.data) for part in built] == sizes
        assert all(part.udh.endswith(WAP[1:]) for part in built)


def test_text_is_written_in_the_tables_of_its_header() -> None:
    """A header that names a language is believed; what its tables lack makes the text UTF-16."""
    turkish = udh.build(udh.shifts(single=Language.TURKISH))
    planned = plan("ş", header=turkish)
    assert (planned.encoding, planned.pieces) == (GSM7, (b"\x1bs",))
    assert plan("я", header=turkish).encoding is UCS2
    with pytest.raises(SegmentationError, match=r"U\+044F"):
        plan("я", header=turkish, encoding=GSM7)


def test_a_part_that_the_caller_cut_is_not_cut_again() -> None:
    """Text under a header with a number must fit one part."""
    header = udh.build(udh.concatenation(1, 2, 1))
    assert plan("a" * 153, header=header).segments == 1
    with pytest.raises(SegmentationError, match="2 segments"):
        plan("a" * 154, header=header)


@pytest.mark.parametrize(
    ("octets", "encoding", "sizes"),
    [
        (b"a" * 160, GSM7, [160]),
        (b"a" * 152 + b"\x1be" + b"a" * 10, GSM7, [152, 12]),
        ("я".encode("utf-16-be") * 66 + "😀яяя".encode("utf-16-be"), UCS2, [132, 10]),
    ],
)
def test_octets_are_cut_in_their_unit(octets: bytes, encoding: Encoding, sizes: list[int]) -> None:
    """Octets that go out untouched are cut like the text that they are."""
    planned = plan_octets(octets, encoding=encoding)
    assert [len(piece) for piece in planned.pieces] == sizes
    assert b"".join(planned.pieces) == octets


def test_the_longest_header_leaves_room() -> None:
    """Beside it every part still has a character of any encoding; a longer one is refused."""
    longest = udh.build(udh.join([(0x70, bytes(127))]))
    assert len(longest) == 130
    for concatenation in (Concatenation.UDH8, Concatenation.UDH16):
        planned = plan("😀" * 3, header=longest, concatenation=concatenation)
        assert "".join(piece.decode("utf-16-be") for piece in planned.pieces) == "😀" * 3
    with pytest.raises(SegmentationError, match="malformed"):
        plan("a", header=udh.build(udh.join([(0x70, bytes(128))])))
