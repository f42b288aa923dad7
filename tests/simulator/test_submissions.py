"""What the record tells of the messages that came."""

from hypothesis import given
from hypothesis import strategies as st

from onesixty.simulator.submissions import Joiner, Record
from onesixty.sms.alphabet import Encoding
from onesixty.sms.reassembly import Fragment
from onesixty.sms.segments import Concatenation, parts, plan

from .conftest import Start
from .esme import RECIPIENT, submit_sm


def submits(text: str, reference: int = 1) -> list[tuple[bytes, int, int]]:
    """User data, esm_class and data_coding of each part of a text."""
    whole = plan(text, concatenation=Concatenation.UDH8, max_segments=255)
    return [
        (part.user_data, 0x40 if part.udh else 0, whole.data_coding)
        for part in parts(whole, reference)
    ]


async def test_long_messages_are_joined(start: Start) -> None:
    """Parts of two messages that come mixed are each joined, and each part is on record."""
    smsc, esme = await start()
    one, two = submits("a" * 300, 1), submits("я" * 100, 2)
    for data, esm_class, data_coding in (one[0], two[1], two[0], one[1]):
        esme.submit(text=data, esm_class=esm_class, data_coding=data_coding)
    await esme.quiet()
    assert smsc.record is not None
    assert [message.text for message in smsc.record.messages()] == ["я" * 100, "a" * 300]
    assert [(each.part, each.total) for each in smsc.record.submissions] == [
        (1, 2),
        (2, 2),
        (1, 2),
        (2, 2),
    ]
    assert smsc.record.submissions[0].text == "a" * 153
    assert smsc.record.submissions[0].destination == RECIPIENT
    assert smsc.record.submissions[0].account == "esme"


async def test_duplicates_are_counted(start: Start) -> None:
    """The same user data to the same number is a duplicate; another number or text is none."""
    smsc, esme = await start()
    for destination, text in (
        ("491", b"a"),
        ("491", b"a"),
        ("492", b"a"),
        ("491", b"b"),
        ("491", b"a"),
    ):
        esme.submit(destination, text)
    await esme.quiet()
    assert smsc.record is not None
    assert smsc.record.duplicates() == {("491", b"a"): 3}


async def test_refused_submits_are_not_on_record(start: Start) -> None:
    """Only what was accepted is recorded, whether or not the answer was lost."""
    smsc, esme = await start("refuse=every:2", "drop_answers=1")
    for number in range(4):
        esme.submit(text=b"%d" % number)
    await esme.quiet()
    assert smsc.record is not None
    assert [each.text for each in smsc.record.submissions] == ["0", "2"]


def test_a_part_that_comes_again_is_joined_once() -> None:
    """Repeating parts, even after the message was complete, makes no second message."""
    record = Record()
    one, two = submits("b" * 200)
    for data, esm_class, data_coding in (one, one, two, two, one):
        record.add("", "esme", submit_sm(text=data, esm_class=esm_class, data_coding=data_coding))
    assert [message.text for message in record.messages()] == ["b" * 200]


@given(st.permutations(range(1, 6)))
def test_parts_join_in_any_order(order: list[int]) -> None:
    """The last part to come completes the message, and none before it."""
    joiner = Joiner()
    wholes = [
        joiner.add("who", Fragment(Encoding.GSM7, b"%d" % part, 9, 8, 5, part)) for part in order
    ]
    assert wholes[:4] == [None] * 4
    assert wholes[4] is not None
    assert wholes[4].text == "12345"
