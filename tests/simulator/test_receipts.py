"""Which receipts come, when, and in which form."""

import re
from collections.abc import Awaitable, Callable

import pytest

from onesixty.kit.manual_clock import ManualClock
from onesixty.simulator.faults import IdForm
from onesixty.smpp.message_ids import IdForm as KeyForm
from onesixty.smpp.message_ids import match_key
from onesixty.smpp.pdus import Command, Pdu, Tag, Tlv
from onesixty.smpp.receipts import MessageState, is_receipt, parse_receipt

from .conftest import Start
from .esme import RECIPIENT, Esme, submit_sm

SHAPES = {
    IdForm.HEX: "[0-9a-f]{16}",
    IdForm.HEX_UPPER: "[0-9A-F]{16}",
    IdForm.DECIMAL: "[1-9][0-9]+",
    IdForm.PADDED: "0[0-9]{23}",
    IdForm.UUID: "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    IdForm.HEX_THEN_DECIMAL: "[0-9a-f]{16}",
    IdForm.DECIMAL_THEN_HEX: "[1-9][0-9]+",
    IdForm.PADDED_THEN_DECIMAL: "0[0-9]{23}",
}


async def exchange(esme: Esme, pdu: Pdu | None = None) -> tuple[str, list[Pdu]]:
    """Submit one message; the id of the answer, and the receipts in their order."""
    esme.send(pdu or submit_sm())
    answer, *receipts = sorted(await esme.quiet(), key=lambda pdu: not pdu.is_response)
    return answer.text("message_id"), receipts


async def test_a_receipt_is_the_usual_one(start: Start) -> None:
    """Without faults: text and TLVs, addresses turned round, right behind the answer."""
    _, esme = await start()
    esme.submit(text=b"Hello \x00 all the world")
    answer, pdu = await esme.quiet()
    receipt = parse_receipt(pdu)
    assert answer.is_response
    assert pdu.command == Command.DELIVER_SM
    assert pdu.number("esm_class") == 4
    assert (pdu.text("source_addr"), pdu.text("destination_addr")) == (RECIPIENT, "4915100000001")
    assert (receipt.id, receipt.state) == (answer.text("message_id"), MessageState.DELIVERED)
    assert receipt.raw.startswith(b"id:" + receipt.id.encode() + b" sub:001 dlvrd:001 submit date:")
    assert receipt.text == "Hello ? all the worl"
    assert pdu.tlv_text(Tag.RECEIPTED_MESSAGE_ID) == receipt.id


@pytest.mark.parametrize(("registered", "told"), [(0, 0), (1, 1), (2, 0), (3, 1), (0x11, 1)])
async def test_receipts_of_success_come_to_those_who_asked(
    start: Start, registered: int, told: int
) -> None:
    """registered_delivery says whether the receipt of a delivered message is wanted."""
    _, esme = await start()
    assert len((await exchange(esme, submit_sm(registered_delivery=registered)))[1]) == told


@pytest.mark.parametrize(("registered", "told"), [(0, 0), (1, 1), (2, 1), (3, 0)])
async def test_receipts_of_failure_come_to_those_who_asked(
    start: Start, registered: int, told: int
) -> None:
    """registered_delivery says whether the receipt of an undelivered message is wanted."""
    _, esme = await start("undelivered=1", "undelivered_error=003")
    _, receipts = await exchange(esme, submit_sm(registered_delivery=registered))
    assert [parse_receipt(pdu).error for pdu in receipts] == ["003"] * told
    assert all(parse_receipt(pdu).state is MessageState.UNDELIVERABLE for pdu in receipts)


async def test_the_users_reference_comes_back(start: Start) -> None:
    """A receipt echoes user_message_reference, so that it matches where the answer was lost."""
    _, esme = await start()
    reference = Tlv(Tag.USER_MESSAGE_REFERENCE, b"\x12\x34")
    _, (receipt,) = await exchange(esme, submit_sm(tlvs=[reference]))
    assert receipt.tlv(Tag.USER_MESSAGE_REFERENCE) == b"\x12\x34"


@pytest.mark.parametrize("form", list(IdForm))
async def test_ids_are_written_in_the_form_asked_for(start: Start, form: IdForm) -> None:
    """Whatever the forms of answer and receipt, both mean the same message, and ids differ."""
    _, esme = await start(f"id_form={form}")
    seen = set()
    for _ in range(3):
        message_id, (pdu,) = await exchange(esme)
        receipt = parse_receipt(pdu)
        keys = {
            IdForm.HEX_THEN_DECIMAL: (KeyForm.HEX, KeyForm.DECIMAL),
            IdForm.DECIMAL_THEN_HEX: (KeyForm.DECIMAL, KeyForm.HEX),
        }.get(form, (KeyForm.OPAQUE, KeyForm.OPAQUE))
        assert match_key(message_id, keys[0]) == match_key(receipt.id, keys[1])
        assert (message_id != receipt.id) == ("then" in form)
        seen.add(message_id)
    assert len(seen) == 3
    assert all(re.fullmatch(SHAPES[form], message_id) for message_id in seen)


async def test_receipts_can_be_delayed(start: Start, clock: ManualClock) -> None:
    """The receipt comes at its time."""
    _, esme = await start("receipt_delay_seconds=5")
    assert (await exchange(esme))[1] == []
    assert await esme.pass_time(clock, 4.9) == []
    assert len(await esme.pass_time(clock, 0.2)) == 1


async def test_receipts_can_overtake_the_answer(start: Start) -> None:
    """The receipt comes first, the answer behind it."""
    _, esme = await start("receipt_early=1")
    esme.submit()
    receipt, answer = await esme.quiet()
    assert parse_receipt(receipt).id == answer.text("message_id")


async def test_receipts_can_be_lost(start: Start, clock: ManualClock) -> None:
    """Every second receipt never comes, and is counted."""
    smsc, esme = await start("receipt_loss=every:2")
    assert len((await exchange(esme))[1]) == 1
    assert (await exchange(esme))[1] == []
    assert await esme.pass_time(clock, 120) == []
    assert (smsc.statistics.receipts, smsc.statistics.receipts_lost) == (1, 1)


async def test_receipts_can_come_twice(start: Start) -> None:
    """Both say the same."""
    _, esme = await start("receipt_duplicates=1")
    _, (first, second) = await exchange(esme)
    assert parse_receipt(first) == parse_receipt(second)


async def test_receipts_can_come_over_another_link(
    start: Start, connect: Callable[[int], Awaitable[Esme]]
) -> None:
    """The link that submitted gets none while the account has another one."""
    smsc, esme = await start("receipt_elsewhere=1")
    other = await connect(smsc.port)
    await other.bind()
    esme.submit()
    assert is_receipt(await other.read())
    assert all(pdu.is_response for pdu in await esme.quiet())
    await other.close()
    _, receipts = await exchange(esme)
    assert len(receipts) == 1


@pytest.mark.parametrize(
    ("order", "states"),
    [
        ("final", ["DELIVERED"]),
        ("enroute_final", ["ENROUTE", "DELIVERED"]),
        ("accepted_final", ["ACCEPTED", "DELIVERED"]),
        ("final_enroute", ["DELIVERED", "ENROUTE"]),
    ],
)
@pytest.mark.parametrize("delay", [0, 2])
async def test_intermediate_receipts_come_in_the_order_asked_for(
    start: Start, clock: ManualClock, order: str, states: list[str], delay: int
) -> None:
    """Before the final one or behind it, at once and after a delay."""
    _, esme = await start(f"receipt_order={order}", f"receipt_delay_seconds={delay}")
    came = (await exchange(esme))[1] + await esme.pass_time(clock, 3)
    assert [parse_receipt(pdu).state.name for pdu in came] == states


@pytest.mark.parametrize(("registered", "esm_class"), [(0x01, 0x04), (0x11, 0x20)])
async def test_intermediate_receipts_are_notifications_for_those_who_asked(
    start: Start, registered: int, esm_class: int
) -> None:
    """Bit 4 of registered_delivery asks for notifications; unasked they look like receipts."""
    _, esme = await start("receipt_order=enroute_final")
    _, (first, last) = await exchange(esme, submit_sm(registered_delivery=registered))
    assert (first.number("esm_class"), last.number("esm_class")) == (esm_class, 0x04)


@pytest.mark.parametrize(
    ("form", "command", "short", "payload", "tlvs"),
    [
        ("text_and_tlvs", Command.DELIVER_SM, True, False, True),
        ("text", Command.DELIVER_SM, True, False, False),
        ("tlvs", Command.DELIVER_SM, False, False, True),
        ("payload", Command.DELIVER_SM, False, True, True),
        ("data_sm", Command.DATA_SM, False, True, True),
    ],
)
async def test_receipts_come_in_the_form_asked_for(
    start: Start, form: str, command: Command, short: bool, payload: bool, tlvs: bool
) -> None:
    """Text in short_message or message_payload or nowhere, TLVs or none; always understood."""
    _, esme = await start(f"receipt_form={form}")
    message_id, (pdu,) = await exchange(esme)
    assert pdu.command == command
    assert bool(pdu.octets("short_message")) is short
    assert bool(pdu.tlv(Tag.MESSAGE_PAYLOAD)) is payload
    assert (pdu.tlv(Tag.RECEIPTED_MESSAGE_ID) is not None) is tlvs
    receipt = parse_receipt(pdu)
    assert (receipt.id, receipt.state) == (message_id, MessageState.DELIVERED)


async def test_receipts_can_be_in_lower_case(start: Start) -> None:
    """The words of the text, and the id too."""
    _, esme = await start("receipt_lower_case", "id_form=hex_upper")
    _, (pdu,) = await exchange(esme)
    assert pdu.octets("short_message").islower()
    assert parse_receipt(pdu).state is MessageState.DELIVERED


async def test_receipts_can_look_like_messages(start: Start) -> None:
    """esm_class says that it is a message; only the TLVs tell."""
    _, esme = await start("receipt_esm_class_zero")
    _, (pdu,) = await exchange(esme)
    assert pdu.number("esm_class") == 0
    assert is_receipt(pdu)
    _, esme = await start("receipt_esm_class_zero", "receipt_form=text")
    _, (pdu,) = await exchange(esme)
    assert not is_receipt(pdu)
