"""Foreign clients as customers of the whole platform: quick conversations with each.

`make interop` has the same with a thousand messages, and a carrier that keeps what it took.
"""

import asyncio
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import smpp34
import smpplib.client
import smpplib.gsm

from entrypoints.smpp.customer import NAME, PASSWORD, Office, office

from . import kannel, npm
from .corpus import is_gsm, mixed

NUMBER: Final = "447700900111"
ECHO: Final = "15005550111"  # delivered after 1 s, and sends the text back
SHOP: Final[dict[str, Any]] = {
    "source_addr_ton": 5, "source_addr": "Shop", "dest_addr_ton": 1, "dest_addr_npi": 1,
    "destination_addr": "447700900123", "registered_delivery": 1,
}  # fmt: skip


@pytest.fixture
async def desk(url: str) -> AsyncIterator[Office]:
    """A platform that sends to the sandbox, and one customer."""
    async with office(url) as found:
        await found.esme(data_coding_0="gsm7")
        yield found


def _hexadecimal(text: str) -> dict[str, str]:
    return {"hex": text}


# What npm smpp is told to submit, and what is stored then.
SUBMITS: Final[tuple[tuple[dict[str, Any], dict[str, Any]], ...]] = (
    ({"short_message": "@£$¥ {€}"}, {"body": "@£$¥ {€}", "form": None}),
    ({"data_coding": 3, "short_message": "àéîõü"}, {"body": "àéîõü", "form": None}),
    ({"data_coding": 8, "short_message": "Привет 😀"}, {"body": "Привет 😀", "form": None}),
    ({"data_coding": 8, "message_payload": "я" * 200}, {"body": "я" * 200, "segments": 3}),
    (
        {"short_message": {"udh": _hexadecimal("0500032a0201"), "message": "one, "}},
        {"body": "one, ", "form": {"udh": "0500032a0201"}},
    ),
    (
        {"short_message": "two", "sar_msg_ref_num": 42, "sar_total_segments": 2,
         "sar_segment_seqnum": 2},
        {"body": "two", "form": {"udh": "0500032a0202"}},
    ),
    (
        {"data_coding": 4, "short_message": _hexadecimal("00ff7f80")},
        {"body": "", "form": {"data": "00ff7f80", "data_coding": 4}},
    ),
    ({"data_coding": 0x10, "short_message": "now"}, {"body": "now", "form": {"message_class": 0}}),
)  # fmt: skip


async def test_npm_smpp_submits_everything(desk: Office, npm_smpp: Path) -> None:
    """Text of each alphabet, parts, binary, flash: stored as meant, receipted on a receiver."""
    async with npm.esme(npm_smpp, desk.port) as sender, npm.esme(npm_smpp, desk.port) as receiver:
        for client, mode in ((sender, "transmitter"), (receiver, "receiver")):
            bound = await client.ask(f"bind_{mode}", system_id=NAME, password=PASSWORD)
            assert bound["status"] == 0
            assert bound["fields"]["sc_interface_version"] == 0x50
        numbers = [sender.send("submit_sm", **SHOP, **given) for given, _ in SUBMITS]
        answers = [await sender.answer(number) for number in numbers]
        assert {answer["status"] for answer in answers} == {0}
        names = [answer["fields"]["message_id"] for answer in answers]
        for name, (_, kept) in zip(names, SUBMITS, strict=True):
            row = await desk.message(name)
            assert {each: row[each] for each in kept} == kept
        receipts = [await receiver.asked("deliver_sm") for _ in names]
        assert sorted(one["receipted_message_id"] for one in receipts) == sorted(names)
        assert {(one["esm_class"], one["message_state"]) for one in receipts} == {(4, 2)}
        refused = await receiver.ask("submit_sm", **SHOP, short_message="no")
        assert refused["status"] == 4
        for client in (sender, receiver):
            assert (await client.ask("unbind"))["status"] == 0


async def test_npm_smpp_asks_and_takes_back(desk: Office, npm_smpp: Path) -> None:
    """query_sm, replace_sm, cancel_sm, submit_multi, enquire_link, and a text that comes back."""
    async with npm.esme(npm_smpp, desk.port) as esme:
        assert (await esme.ask("enquire_link"))["status"] == 0
        await esme.ask("bind_transceiver", system_id=NAME, password=PASSWORD)
        echo = {"source_addr_ton": 1, "source_addr": NUMBER, "destination_addr": ECHO}
        await esme.ask("submit_sm", **SHOP | echo, data_coding=8, short_message="Эхо")
        later = await esme.ask(
            "submit_sm", **SHOP, short_message="later", schedule_delivery_time="000001000000000R"
        )
        own = {
            "message_id": later["fields"]["message_id"],
            "source_addr_ton": 5,
            "source_addr": "Shop",
        }
        waiting = await esme.ask("query_sm", **own)
        assert waiting["fields"]["message_state"] in (0, 1)
        assert (await esme.ask("replace_sm", **own, short_message="even later"))["status"] == 0
        assert (await desk.message(own["message_id"]))["body"] == "even later"
        assert (await esme.ask("cancel_sm", **own))["status"] == 0
        assert (await esme.ask("query_sm", **own))["fields"]["message_state"] == 4
        assert (await esme.ask("query_sm", message_id="0" * 32))["status"] == 0x67
        several = [
            {"destination_addr": each, "dest_addr_ton": 1, "dest_addr_npi": 1}
            for each in ("447700900124", "447700900125")
        ]
        fields = SHOP | {"dest_address": several, "short_message": "both"}
        multi = await esme.ask("submit_multi", **fields)
        assert (multi["status"], multi["fields"]["unsuccess_sme"]) == (0, [])
        while (came := await esme.asked("deliver_sm"))["esm_class"] == 4:
            pass  # receipts
        assert (came["source_addr"], came["destination_addr"]) == (ECHO, NUMBER)
        assert came["short_message"]["message"] == "Эхо"


async def test_npm_smpp_of_an_old_version(desk: Office, npm_smpp: Path) -> None:
    """A client of SMPP 3.3 gets ids of 8 characters, no TLVs, and receipts with these ids."""
    async with npm.esme(npm_smpp, desk.port) as esme:
        bound = await esme.ask(
            "bind_transceiver", system_id=NAME, password=PASSWORD, interface_version=0x33
        )
        assert (bound["status"], list(bound["fields"])) == (0, ["system_id"])
        answer = await esme.ask("submit_sm", **SHOP, data_coding=0, short_message="old")
        name = answer["fields"]["message_id"]
        assert len(name) == 8
        receipt = await esme.asked("deliver_sm")
        assert receipt["short_message"]["message"].startswith(f"id:{name} ")
        assert "receipted_message_id" not in receipt
        found = await esme.ask("query_sm", message_id=name, source_addr_ton=5, source_addr="Shop")
        assert found["fields"]["message_state"] == 2


async def test_smpp34_submits_through_its_window(desk: Office) -> None:
    """Fifty messages at once have fifty ids and fifty receipts, of the same ids."""
    async with asyncio.timeout(20):
        client = smpp34.Client("127.0.0.1", desk.port, NAME, PASSWORD, bind_type="TRX")
        session = await client.connect()
        sent = [
            session.submit_sm(
                "447700900123", b"%d" % number, source_addr="Shop", registered_delivery=1
            )
            for number in range(50)
        ]
        names = {answer.message_id for answer in await asyncio.gather(*sent)}
        told = set()
        for _ in names:
            event = await session.next()
            assert isinstance(event, smpp34.DeliverSmEvent)
            told.add(event.short_message[3:35].decode())
        await session.unbind()
        await client.stop()
    assert len(names) == 50
    assert told == names
    rows = await desk.rows("SELECT body FROM messages WHERE direction = 0")
    assert sorted(int(row["body"]) for row in rows) == list(range(50))


async def test_smpplib_submits_what_it_has_cut(desk: Office) -> None:
    """Long texts that its own encoder has cut into parts are taken, and read as it meant them."""
    texts = ["plain", "x" * 161, "Привет " * 20]
    async with asyncio.timeout(20):
        names = await asyncio.to_thread(_use_smpplib, desk.port, texts)
    stored = [[(await desk.message(name))["body"] for name in each] for each in names]
    assert ["".join(bodies) for bodies in stored] == texts
    assert [len(bodies) for bodies in stored] == [1, 2, 3]


def _use_smpplib(port: int, texts: list[str]) -> list[list[str]]:
    """The ids of the parts of each text, once every one of them has its receipt."""
    answers: list[str] = []
    receipts: list[str] = []

    def received(pdu: Any) -> int:
        receipts.append(pdu.receipted_message_id.decode())
        return 0

    warnings.simplefilter("ignore", DeprecationWarning)
    client = smpplib.client.Client("127.0.0.1", port, allow_unknown_opt_params=True)
    client.set_message_sent_handler(lambda pdu: answers.append(pdu.message_id.decode()))
    client.set_message_received_handler(received)
    client.connect()
    client.bind_transceiver(system_id=NAME, password=PASSWORD)
    cut = []
    for text in texts:
        parts, coding, esm_class = smpplib.gsm.make_parts(text)
        cut.append(len(parts))
        for part in parts:
            client.send_message(**SHOP, short_message=part, data_coding=coding, esm_class=esm_class)
    while len(receipts) < sum(cut):
        client.read_once()
    client.unbind()
    client.disconnect()
    assert sorted(receipts) == sorted(answers)
    given = iter(answers)
    return [[next(given) for _ in range(number)] for number in cut]


@pytest.mark.skipif(
    not kannel.INSTALLED, reason="Kannel is missing: tests/interop/install.sh installs it"
)
async def test_kannel_sends_and_is_told(desk: Office) -> None:
    """Its bearerbox binds; texts of each kind arrive whole, receipts and an answer come back."""
    texts = mixed(9)  # the next one it cuts within a character; that part is stored as octets
    async with kannel.kannel(desk.port, NAME, PASSWORD) as box:
        for number, text in enumerate(texts):
            await box.send(f"+4477009002{number:02d}", text, str(number), gsm=is_gsm(text))
        await box.until(lambda: sum(1 in told for told in box.receipts.values()) == len(texts))
        rows = await desk.rows(
            "SELECT recipient, string_agg(body, '' ORDER BY form->>'udh', id) AS text"
            " FROM messages WHERE direction = 0 GROUP BY recipient ORDER BY recipient"
        )
    assert [row["text"] for row in rows] == texts
