"""smpplib, an independent client, bound to our server."""

import asyncio
import warnings
from typing import Any

import smpplib.client

from smpp.wiring import Watch, serving

from .receipting import ReceiptingSmsc

MESSAGES = 5


async def test_smpplib_submits_and_takes_receipts() -> None:
    """It binds, submits five messages, has all ids and receipts, and unbinds cleanly."""
    watch = Watch()
    smsc = ReceiptingSmsc(watch)
    async with serving(smsc) as (_, port), asyncio.timeout(10):
        answers, receipts = await asyncio.to_thread(_use_smpplib, port)
        await watch.until(lambda: len(smsc.unbound) == 1)
    assert [pdu.octets("short_message") for pdu in smsc.requests] == [
        f"text {number}".encode() for number in range(MESSAGES)
    ]
    assert answers == [f"m-{number}".encode() for number in range(MESSAGES)]
    assert [receipt.split(b" ")[0] for receipt in receipts] == [b"id:" + a for a in answers]
    smsc.check_receipts(MESSAGES)


def _use_smpplib(port: int) -> tuple[list[bytes], list[bytes]]:
    """The message ids and the texts of the receipts that it saw."""
    answers: list[bytes] = []
    receipts: list[bytes] = []

    def received(pdu: Any) -> int:
        assert pdu.receipted_message_id == answers[len(receipts)]
        assert pdu.message_state == 2
        receipts.append(pdu.short_message)
        return 0

    warnings.simplefilter("ignore", DeprecationWarning)
    client = smpplib.client.Client("127.0.0.1", port, allow_unknown_opt_params=True)
    client.set_message_sent_handler(lambda pdu: answers.append(pdu.message_id))
    client.set_message_received_handler(received)
    client.connect()
    client.bind_transceiver(system_id="lib", password="secret")
    for number in range(MESSAGES):
        client.send_message(
            source_addr="Shop",
            destination_addr="491700000001",
            short_message=f"text {number}".encode(),
            registered_delivery=True,
        )
    while len(receipts) < MESSAGES:
        client.read_once()
    client.unbind()
    client.disconnect()
    return answers, receipts
