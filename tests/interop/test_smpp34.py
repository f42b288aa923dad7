"""smpp34, an independent implementation in Rust, on either side of ours."""

import asyncio

import smpp34

from onesixty.cli.demo.ports import free_port
from onesixty.smpp.client import AnswerKind
from onesixty.smpp.receipts import MessageState, parse_receipt
from smpp.wiring import (
    Esme,
    Fates,
    Watch,
    bind_to,
    connected,
    serving,
    texts,
)

from .receipting import ReceiptingSmsc

MESSAGES = 50


async def test_smpp34_submits_to_our_server_and_takes_receipts() -> None:
    """Fifty messages at once: every id comes back, every receipt arrives, unbind is clean."""
    watch = Watch()
    smsc = ReceiptingSmsc(watch)
    async with serving(smsc) as (_, port), asyncio.timeout(10):
        client = smpp34.Client("127.0.0.1", port, "rust", "secret", bind_type="TRX")
        session = await client.connect()
        sent = [
            session.submit_sm("491700000001", b"%d" % number, source_addr="Shop")
            for number in range(MESSAGES)
        ]
        answers = await asyncio.gather(*sent)
        receipts: list[bytes] = []
        while len(receipts) < MESSAGES:
            event = await session.next()
            assert isinstance(event, smpp34.DeliverSmEvent)
            receipts.append(event.short_message)
        await session.unbind()
        await client.stop()
        await watch.until(lambda: len(smsc.unbound) == 1)
    assert {answer.message_id for answer in answers} == {f"m-{n}" for n in range(MESSAGES)}
    ids = {b"id:m-%d" % number for number in range(MESSAGES)}
    assert {receipt.split(b" ")[0] for receipt in receipts} == ids  # it hands them on in any order
    smsc.check_receipts(MESSAGES)


async def test_smpp34_is_a_centre_for_our_client() -> None:
    """Our client binds, submits fifty messages through its window, takes receipts, and unbinds."""
    watch = Watch()
    esme, fates = Esme(watch), Fates(watch)
    port = free_port()  # smpp34 does not tell which port it was given
    server = smpp34.Server("127.0.0.1", port, system_id="RUST")
    await server.start()
    answering = asyncio.create_task(_answer(server))
    async with asyncio.timeout(10), connected(esme, bind_to(port)) as client:
        await watch.until(lambda: client.bound_for_submit)
        assert client.state()[0].smsc_id == "RUST"
        client.submit(texts(*[str(number) for number in range(MESSAGES)]), fates)
        await watch.until(lambda: len(fates.answers) == MESSAGES)
        await watch.until(lambda: sum(map(len, esme.delivered)) == MESSAGES)
        await client.stop(1)
        await answering
    await server.stop()
    assert {a[0].kind for a in fates.answers.values()} == {AnswerKind.ANSWERED}
    ids = {fates.answers[number][0].message_id for number in range(MESSAGES)}
    assert ids == {f"r-{number}" for number in range(MESSAGES)}
    parsed = [parse_receipt(pdu) for batch in esme.delivered for pdu in batch]
    assert {receipt.id for receipt in parsed} == ids
    assert {receipt.state for receipt in parsed} == {MessageState.DELIVERED}


async def _answer(server: smpp34.Server) -> None:
    """Accept every message and deliver its receipt, until the client unbinds."""
    count, esme = 0, None
    while not isinstance(event := await server.next(), smpp34.Unbound):
        if isinstance(event, smpp34.SubmitSmEvent):
            event.accept(f"r-{int(event.short_message)}")
            assert esme is not None
            text = b"id:r-%d sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 "
            text += b"stat:DELIVRD err:000 text:"
            answer = await esme.deliver_sm("Shop", text % count, esm_class=4)
            assert answer.is_success
            count += 1
        else:
            esme = event
