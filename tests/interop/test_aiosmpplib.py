"""aiosmpplib, an independent client, as a customer of the whole platform."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiosmpplib
import pytest
from aiosmpplib import NPI, TON, SmppCommand

from entrypoints.smpp.customer import NAME, PASSWORD, Office, office
from entrypoints.smpp.test_inbound import HANDSET, NUMBER, say
from onesixty.messages.states import Status
from walk.platform import until

from .corpus import mixed

DELIVERED: Final[dict[str, Any]] = {"stat": "DELIVRD", "err": 0, "dlvrd": 1, "state": 2}
# Numbers that the sandbox does not deliver to: what the receipt says, what is stored.
FATES: Final[dict[str, tuple[dict[str, Any], Status]]] = {
    "15005550103": ({"stat": "UNDELIV", "err": 3, "dlvrd": 0, "state": 5}, Status.UNDELIVERED),
    "15005550106": ({"stat": "UNDELIV", "err": 7, "dlvrd": 0, "state": 5}, Status.UNDELIVERED),
}
_UDHI: Final = 0x40
_RECEIPTED_MESSAGE_ID, _MESSAGE_STATE = 0x001E, 0x0427
_TWO_SEPTETS: Final = frozenset("^{}\\[~]|€")


class _Told(aiosmpplib.AbstractHook):  # type: ignore[misc]
    """What the library hands to its user, and what it reads of each part of a long message."""

    def __init__(self) -> None:
        self.sent: Counter[SmppCommand] = Counter()
        self.deliveries = 0
        self.part_ids: list[str] = []
        self.part_receipts: list[dict[str, Any]] = []
        self.answers: dict[str, Any] = {}
        self.receipts: list[tuple[str, str]] = []
        self.messages: list[Any] = []
        self.errors: list[Exception] = []

    async def sending(self, smpp_message: Any, pdu: bytes, client_id: str) -> None:
        """Count what it sends."""
        self.sent[smpp_message.smpp_command] += 1

    async def received(self, smpp_message: Any, pdu: bytes, client_id: str) -> None:
        """Keep it; `smpp_message` is None for a part that is not the last."""
        header = aiosmpplib.SmppMessage.parse_header(pdu[:16])
        if header.smpp_command is SmppCommand.SUBMIT_SM_RESP:
            assert header.command_status is aiosmpplib.SmppCommandStatus.ESME_ROK
            part = aiosmpplib.SubmitSmResp.from_pdu(pdu, header)
            self.part_ids.append(part.message_id)
        elif header.smpp_command is SmppCommand.DELIVER_SM:
            self.deliveries += 1
            part = aiosmpplib.DeliverSm.from_pdu(pdu, header, "gsm0338")
            if part.is_receipt():
                self.part_receipts.append(_read(part))
        match smpp_message:
            case aiosmpplib.DeliverSm() if smpp_message.is_receipt():
                self.receipts.append((smpp_message.log_id, smpp_message.parse_receipt()["stat"]))
            case aiosmpplib.DeliverSm():
                self.messages.append(smpp_message)
            case aiosmpplib.SubmitSmResp():
                self.answers[smpp_message.log_id] = smpp_message

    async def send_error(self, smpp_message: Any, error: Exception, client_id: str) -> None:
        """Keep it; a test that sees one fails."""
        self.errors.append(error)


@pytest.fixture
async def desk(url: str) -> AsyncIterator[Office]:
    """A platform that sends to the sandbox, and one customer."""
    async with office(url) as found:
        await found.esme()
        yield found


async def test_aiosmpplib_submits_and_is_told(desk: Office) -> None:
    """Texts of each kind, whole, as a payload and in parts, are stored; ids and states agree."""
    texts = _to_numbers(mixed(12))
    async with _bound(desk.port) as (esme, told):
        for to, text in texts.items():
            await esme.broker.enqueue(_submit(to, text, in_parts=to[-3] == "3"))
        await until(lambda: len(told.receipts) == len(texts) or bool(told.errors))
        found = {row["recipient"].removeprefix("+"): row for row in await desk.rows(_STORED)}
    assert told.errors == []
    assert {to: row["text"] for to, row in found.items()} == texts
    ids = {to: set(row["ids"]) for to, row in found.items()}
    assert sum(map(len, ids.values())) > len(texts)  # some went in parts
    assert sorted(told.part_ids) == sorted(name for names in ids.values() for name in names)
    assert all(told.answers[to].message_id in ids[to] for to in texts)
    receipts = {receipt["id"]: receipt for receipt in told.part_receipts}
    assert len(told.part_receipts) == len(receipts)
    assert sorted(receipts) == sorted(told.part_ids)
    fates = {to: FATES.get(to, (DELIVERED, Status.DELIVERED)) for to in texts}
    assert sorted(told.receipts) == sorted((to, said["stat"]) for to, (said, _) in fates.items())
    for to, (said, status) in fates.items():
        for name in ids[to]:
            quoted = receipts[name].pop("text")
            assert receipts[name] == said | {"id": name, "receipted": name}
            if len(ids[to]) == 1:
                assert len(quoted) == len(texts[to][:20])
                assert all(one in ("?", real) for one, real in zip(quoted, texts[to], strict=False))
        assert set(found[to]["statuses"]) == {status}


async def test_aiosmpplib_is_given_messages(desk: Office) -> None:
    """Texts from a handset, the long ones in parts, are read and put together as they were."""
    texts = mixed(12, seed=2)
    async with _bound(desk.port) as (_, told):
        for text in texts:
            await say(desk, text)
        await until(lambda: len(told.messages) == len(texts))
        await desk.waiting(0)
    assert [one.short_message for one in told.messages] == texts
    assert told.deliveries > len(texts)  # some came in parts
    addresses = {_addresses(one) for one in told.messages}
    assert addresses == {(HANDSET[1:], NUMBER[1:])}


_STORED: Final = (
    "SELECT recipient, string_agg(body, '' ORDER BY form->>'udh', id) AS text,"
    " array_agg(replace(id::text, '-', '')) AS ids, array_agg(status) AS statuses"
    " FROM messages WHERE direction = 0 GROUP BY recipient"
)


@asynccontextmanager
async def _bound(port: int) -> AsyncIterator[tuple[Any, _Told]]:
    """A client that is bound; it unbinds in the end, and waits for no answer to that."""
    told = _Told()
    esme = aiosmpplib.ESME("127.0.0.1", port, NAME, PASSWORD, hook=told, log_level="WARNING")
    async with asyncio.timeout(20):
        await esme.connect()
        running = asyncio.create_task(esme.start())
        try:
            yield esme, told
        finally:
            await esme.stop()
            await running
    assert SmppCommand.GENERIC_NACK not in told.sent  # what it cannot read
    assert told.sent[SmppCommand.UNBIND] == 1


def _to_numbers(texts: list[str]) -> dict[str, str]:
    """Each text as it is (beyond 254 octets it becomes a payload), and again cut into parts."""
    whole = {f"4477009002{number:02d}": text for number, text in enumerate(texts)}
    # It counts characters where it should count septets: its parts of other texts are too long.
    parts = {
        f"4477009003{number:02d}": text
        for number, text in enumerate(texts)
        if not _TWO_SEPTETS & set(text)
    }
    return whole | parts | dict.fromkeys(FATES, "never")


def _submit(to: str, text: str, in_parts: bool) -> Any:
    return aiosmpplib.SubmitSm(
        short_message=text,
        source=aiosmpplib.PhoneNumber("Shop", TON.ALPHANUMERIC),
        destination=aiosmpplib.PhoneNumber(to, TON.INTERNATIONAL, NPI.ISDN),
        log_id=to,
        esm_class=_UDHI if in_parts else 0,
        auto_message_payload=not in_parts,
    )


def _read(receipt: Any) -> dict[str, Any]:
    """What the text and the TLVs of a receipt say, without its dates."""
    said = receipt.parse_receipt()
    tlvs = {one.tag: one.value for one in receipt.optional_params}
    return {name: said[name] for name in ("id", "stat", "err", "dlvrd", "text")} | {
        "state": tlvs[_MESSAGE_STATE],
        "receipted": tlvs[_RECEIPTED_MESSAGE_ID],
    }


def _addresses(message: Any) -> tuple[str, str]:
    return message.source.number, message.destination.number
