"""What customers submit over SMPP: what becomes of it, and what they are told."""

from typing import Any

import pytest

from onesixty.messages.types import Category
from onesixty.smpp.pdus import Command, Destination, DistributionList, FieldValue, Pdu, Tag, Tlv
from onesixty.smpp.statuses import Status
from onesixty.smpp.tlvs import integer_tlv
from onesixty.sms.form import Form, from_json

from .customer import RECIPIENT, Office, submit_sm

EXPIRED = "200101000000000+"


async def test_a_submit_is_a_row_before_its_answer(desk: Office) -> None:
    """The id of the answer names a message that is stored, with where it came from."""
    number = await desk.esme()
    client = await desk.bound()
    reference = integer_tlv(Tag.USER_MESSAGE_REFERENCE, 77)
    answer = await client.ask(
        submit_sm(b"hello \x1be", registered_delivery=1, service_type="CMT", tlvs=[reference])
    )
    assert (answer.command, answer.status) == (Command.SUBMIT_SM_RESP, 0)
    row = await desk.message(answer.text("message_id"))
    assert (row["sender"], row["recipient"], row["body"]) == ("Shop", "+" + RECIPIENT, "hello €")
    assert (row["account_id"], row["form"]) == (desk.account, None)
    assert row["origin"] == {
        "esme": number,
        "registered": 1,
        "source": [5, 0, "Shop"],
        "destination": [1, 1, RECIPIENT],
        "reference": 77,
        "service": "CMT",
        "peer": next(iter(desk.app.door.sessions.by_link)).peer,
    }


async def test_the_submits_of_one_read_are_stored_together(desk: Office) -> None:
    """Each of many gets its own id; the acceptor writes them in few commits."""
    await desk.esme(window=100)
    client = await desk.bound()
    sequences = {client.send(submit_sm(f"message {number}".encode())) for number in range(100)}
    answers = [await client.read() for _ in sequences]
    assert {answer.sequence for answer in answers} == sequences
    assert {answer.status for answer in answers} == {0}
    assert len({answer.text("message_id") for answer in answers}) == len(sequences)
    (found,) = await desk.rows("SELECT count(*), count(DISTINCT body) AS texts FROM messages")
    assert (found["count"], found["texts"]) == (100, 100)


UTF16 = "Привет 😀"
PARTS = bytes((5, 0, 3, 0xAA, 2, 1))
PORTS = bytes((6, 5, 4, 0x23, 0xF0, 0x23, 0xF0))
TURKISH = bytes((3, 0x24, 1, 1))
SAR = [
    integer_tlv(Tag.SAR_MSG_REF_NUM, 0xAA),
    integer_tlv(Tag.SAR_TOTAL_SEGMENTS, 2),
    integer_tlv(Tag.SAR_SEGMENT_SEQNUM, 1),
]
SHAPES: list[tuple[dict[str, Any], str, Form | None]] = [
    ({"text": b"caf\x05"}, "café", None),
    ({"text": b"caf\xe9", "data_coding": 3}, "café", None),
    ({"text": "Привет".encode("iso8859-5"), "data_coding": 6}, "Привет", None),
    ({"text": UTF16.encode("utf-16-be"), "data_coding": 8}, UTF16, None),
    (
        {"text": b"", "tlvs": [Tlv(Tag.MESSAGE_PAYLOAD, b"x" * 400)]},
        "x" * 400,
        None,
    ),
    ({"text": b"now", "data_coding": 0x10}, "now", Form(message_class=0)),
    (
        {"text": b"now", "tlvs": [integer_tlv(Tag.DEST_ADDR_SUBUNIT, 1)]},
        "now",
        Form(message_class=0),
    ),
    ({"text": b"\x00\xff", "data_coding": 4}, "", Form(data=b"\x00\xff", data_coding=4)),
    ({"text": PARTS + b"part", "esm_class": 0x43}, "part", Form(udh=PARTS)),
    ({"text": b"part", "tlvs": SAR}, "part", Form(udh=PARTS)),
    (
        {
            "text": b"\x01",
            "data_coding": 4,
            "tlvs": [
                integer_tlv(Tag.SOURCE_PORT, 0x23F0),
                integer_tlv(Tag.DESTINATION_PORT, 0x23F0),
            ],
        },
        "",
        Form(udh=PORTS, data=b"\x01", data_coding=4),
    ),
    ({"text": b"hush", "protocol_id": 0x40}, "hush", Form(protocol_id=0x40)),
    # A header that says how to read the text, and a text that ends within a character.
    (
        {"text": TURKISH + b"\x1bI", "esm_class": 0x40},
        "",
        Form(udh=TURKISH, data=b"\x1bI", data_coding=0),
    ),
    (
        {"text": PARTS + b"10 \x1b", "esm_class": 0x40},
        "",
        Form(udh=PARTS, data=b"10 \x1b", data_coding=0),
    ),
    # Half of a character: it has a meaning only beside the next part, so its octets go as they are.
    (
        {"text": PARTS + b"\x04\x1f\xd8\x3d", "esm_class": 0x40, "data_coding": 8},
        "",
        Form(udh=PARTS, data=b"\x04\x1f\xd8\x3d", data_coding=8),
    ),
]


async def test_every_shape_of_a_message(desk: Office) -> None:
    """Text is decoded in all alphabets; what is more than text is kept as it came."""
    await desk.esme()
    client = await desk.bound()
    for given, body, form in SHAPES:
        fields = dict(given)
        answer = await client.ask(submit_sm(fields.pop("text"), **fields))
        assert answer.status == 0, (given, hex(answer.status))
        row = await desk.message(answer.text("message_id"))
        assert row["body"] == body
        assert (from_json(row["form"]) if row["form"] else None) == form


async def test_data_coding_0_means_what_its_customer_says(desk: Office) -> None:
    """The same octets are another text to a customer of Latin-1."""
    await desk.esme("latin", data_coding_0="latin1")
    client = await desk.bound("latin")
    answer = await client.ask(submit_sm(b"caf\xe9 @\x24"))
    assert (await desk.message(answer.text("message_id")))["body"] == "café @$"


ADDRESSES: list[tuple[dict[str, Any], str, str]] = [
    ({"dest_addr_ton": 0, "destination_addr": "+447700900123"}, "Shop", "+447700900123"),
    ({"dest_addr_ton": 0, "destination_addr": "00447700900123"}, "Shop", "+447700900123"),
    ({"dest_addr_ton": 2, "destination_addr": "07700900123"}, "Shop", "+447700900123"),
    ({"source_addr_ton": 1, "source_addr": "447700900999"}, "+447700900999", "+447700900123"),
    ({"source_addr_ton": 2, "source_addr": "07700900999"}, "+447700900999", "+447700900123"),
    ({"source_addr_ton": 3, "source_addr": "60999"}, "60999", "+447700900123"),
    ({"source_addr_ton": 0, "source_addr": "447700900999"}, "+447700900999", "+447700900123"),
]


async def test_addresses_by_their_type_of_number(desk: Office) -> None:
    """Whatever way a number is written, it is one in E.164; short codes and names stay."""
    await desk.esme(country="GB")
    client = await desk.bound()
    for given, sender, recipient in ADDRESSES:
        answer = await client.ask(submit_sm(**given))
        row = await desk.message(answer.text("message_id"))
        assert (row["sender"], row["recipient"]) == (sender, recipient), given


async def test_wishes(desk: Office) -> None:
    """Priority, times and tags come with the message; a validity is cut to 7 days."""
    await desk.esme(default_category="marketing", tags=["vip"])
    client = await desk.bound()
    plain = await client.ask(submit_sm())
    wanted: dict[str, Any] = {
        "priority_flag": 2,
        "schedule_delivery_time": "000001000000000R",
        "validity_period": "000002000000000R",
    }
    wishing = await client.ask(submit_sm(**wanted))
    long = await client.ask(submit_sm(validity_period="000030000000000R"))
    rows = [await desk.message(one.text("message_id")) for one in (plain, wishing, long)]
    assert [row["category"] for row in rows] == [
        Category.MARKETING,
        Category.OTP,
        Category.MARKETING,
    ]
    assert [row["tags"] for row in rows] == [["vip"]] * 3
    assert (rows[1]["send_at"] - rows[1]["created_at"]).total_seconds() == pytest.approx(86_400, 1)
    assert (rows[1]["expires_at"] - rows[1]["send_at"]).total_seconds() == pytest.approx(86_400, 1)
    assert (rows[2]["expires_at"] - rows[2]["created_at"]).days == 7


REFUSED: list[tuple[dict[str, Any], Status]] = [
    ({"text": b""}, Status.RINVMSGLEN),
    ({"text": b"\x04", "data_coding": 8}, Status.RINVMSGLEN),
    ({"text": b"\x30ab", "esm_class": 0x40}, Status.RINVESMCLASS),
    ({"destination_addr": "12"}, Status.RINVDSTADR),
    ({"destination_addr": "letters"}, Status.RINVDSTADR),
    ({"source_addr": "Somebody"}, Status.RINVSRCADR),
    ({"priority_flag": 4}, Status.RINVPRTFLG),
    ({"schedule_delivery_time": "tomorrow, please"}, Status.RINVSCHED),
    ({"validity_period": EXPIRED}, Status.RINVEXPIRY),
    ({"text": b"", "sm_default_msg_id": 3}, Status.RINVDFTMSGID),
]


async def test_refusals(desk: Office) -> None:
    """Each fault has its command_status, and nothing of it is stored."""
    await desk.esme(allowed_senders=["Shop"])
    client = await desk.bound()
    for given, status in REFUSED:
        fields = dict(given)
        answer = await client.ask(submit_sm(fields.pop("text", b"hello"), **fields))
        assert answer.status == status, (given, hex(answer.status))
    assert await desk.rows("SELECT 1 FROM messages") == []


async def test_where_no_route_leads(desk: Office) -> None:
    """Without a route the destination cannot be reached."""
    await desk.esme("lost", account=await desk.on_file.account())
    client = await desk.bound("lost")
    assert (await client.ask(submit_sm())).status == Status.RINVDSTADR


async def test_the_rate_of_a_customer(desk: Office) -> None:
    """What is over the rate is refused, not kept; all sessions of a customer share it."""
    await desk.esme(rate_per_second=0.01, burst=3)
    clients = [await desk.bound(), await desk.bound()]
    statuses = [(await clients[number % 2].ask(submit_sm())).status for number in range(5)]
    assert statuses == [0, 0, 0, Status.RTHROTTLED, Status.RTHROTTLED]
    (found,) = await desk.rows("SELECT count(*) FROM messages")
    assert found["count"] == 3


async def test_forms_of_ids(desk: Office) -> None:
    """An id comes in the form that its customer wants; SMPP 3.3 has room for 8 characters."""
    for name, form, length in (("hex", "hex", 32), ("uuid", "uuid", 36), ("dec", "decimal", 37)):
        await desk.esme(name, id_form=form)
        client = await desk.bound(name)
        assert len((await client.ask(submit_sm())).text("message_id")) == length
    client = await desk.bound("hex", version=0x33)
    shown = {(await client.ask(submit_sm())).text("message_id") for _ in range(3)}
    assert {len(one) for one in shown} == {8}
    rows = await desk.rows("SELECT origin FROM messages WHERE origin ? 'id'")
    assert {row["origin"]["id"] for row in rows} == shown


def without(fields: dict[str, FieldValue], *names: str) -> dict[str, FieldValue]:
    """The fields but these."""
    return {name: value for name, value in fields.items() if name not in names}


async def test_data_sm(desk: Office) -> None:
    """data_sm is a submit with other clothes."""
    await desk.esme()
    client = await desk.bound()
    pdu = submit_sm(b"", tlvs=[Tlv(Tag.MESSAGE_PAYLOAD, b"by data")])
    pdu.command = Command.DATA_SM
    pdu.fields = without(pdu.fields, "short_message")
    pdu.tlvs.append(integer_tlv(Tag.QOS_TIME_TO_LIVE, 600))
    answer = await client.ask(pdu)
    assert (answer.command, answer.status) == (Command.DATA_SM_RESP, 0)
    row = await desk.message(answer.text("message_id"))
    assert (row["body"], (row["expires_at"] - row["created_at"]).seconds) == ("by data", 600)


async def test_submit_multi(desk: Office) -> None:
    """A message for each good destination under one id, and the others with their faults."""
    await desk.esme()
    client = await desk.bound()
    destinations: list[Destination | DistributionList] = [
        Destination(1, 1, "447700900001"),
        Destination(1, 1, "12"),
        DistributionList("friends"),
        Destination(1, 1, "447700900002"),
    ]
    fields = without(submit_sm().fields, "dest_addr_ton", "dest_addr_npi", "destination_addr")
    fields["dest_address"] = destinations
    answer = await client.ask(Pdu(Command.SUBMIT_MULTI, fields=fields))
    assert answer.status == 0
    failed = {(one.address, one.status) for one in answer.fields["unsuccess_sme"]}  # type: ignore[union-attr]
    assert failed == {("12", Status.RINVDSTADR), ("friends", Status.RINVDLNAME)}
    rows = await desk.rows("SELECT recipient, origin FROM messages ORDER BY recipient")
    assert [row["recipient"] for row in rows] == ["+447700900001", "+447700900002"]
    assert {row["origin"]["id"] for row in rows} == {answer.text("message_id")}
    assert rows[1]["origin"]["destination"] == [1, 1, "447700900002"]


async def test_replace_if_present(desk: Office) -> None:
    """The older message that waits goes; one to somebody else, and the new one, stay."""
    await desk.esme()
    client = await desk.bound()
    later = {"schedule_delivery_time": "000001000000000R"}
    other = await client.ask(submit_sm(b"other", destination_addr="447700900999", **later))
    old = await client.ask(submit_sm(b"old", **later))
    new = await client.ask(submit_sm(b"new", replace_if_present_flag=1, **later))
    rows = [await desk.message(one.text("message_id")) for one in (other, old, new)]
    assert [row["final_at"] is None for row in rows] == [True, False, True]


async def test_unbinding_with_open_answers(desk: Office) -> None:
    """Who submits and unbinds in one breath is told the ids first."""
    await desk.esme(window=100)
    client = await desk.bound()
    sequences = [client.send(submit_sm()) for _ in range(10)]
    last = client.send(Pdu(Command.UNBIND))
    answers = [await client.read() for _ in (*sequences, last)]
    assert [answer.sequence for answer in answers] == [*sequences, last]
    assert all(len(answer.text("message_id")) == 32 for answer in answers[:-1])
