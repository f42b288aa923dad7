"""npm smpp on either side of our protocol library: conversations without a platform behind."""

from pathlib import Path
from typing import Any

from onesixty.smpp.client import AnswerKind
from onesixty.smpp.pdus import Pdu
from onesixty.smpp.receipts import MessageState, parse_receipt
from smpp.test_tls import certificate, server_side
from smpp.wiring import Esme, Fates, Watch, bind_to, connected, serving, texts

from . import npm
from .receipting import ReceiptingSmsc

__all__ = ["certificate"]  # a fixture

SHOP = {"source_addr": "Shop", "destination_addr": "491700000001", "registered_delivery": 1}


async def test_npm_smpp_submits_to_our_server_and_takes_receipts(npm_smpp: Path) -> None:
    """Plain text, UCS-2 and a message_payload: answered, receipted, unbound, nothing complained."""
    watch = Watch()
    smsc = ReceiptingSmsc(watch)
    async with serving(smsc) as (_, port), npm.esme(npm_smpp, port) as esme:
        bound = await esme.ask("bind_transceiver", system_id="node", password="secret")
        assert (bound["command"], bound["status"]) == ("bind_transceiver_resp", 0)
        assert bound["fields"] == {"system_id": "ONESIXTY", "sc_interface_version": 0x50}
        sent = [
            esme.send("submit_sm", **SHOP, data_coding=0, short_message="hello"),
            esme.send("submit_sm", **SHOP, data_coding=8, short_message="Привет"),
            esme.send("submit_sm", **SHOP, data_coding=0, message_payload="x" * 600),
        ]
        answers = [(await esme.answer(number))["fields"]["message_id"] for number in sent]
        assert answers == ["m-0", "m-1", "m-2"]
        receipts = [await esme.asked("deliver_sm") for _ in sent]
        assert [one["receipted_message_id"] for one in receipts] == answers
        assert {one["message_state"] for one in receipts} == {2}
        assert (await esme.ask("unbind"))["status"] == 0
        await watch.until(lambda: len(smsc.unbound) == 1)
    assert smsc.requests[0].user_data() == b"hello"
    assert smsc.requests[1].user_data().decode("utf-16-be") == "Привет"
    assert smsc.requests[2].user_data() == b"x" * 600
    smsc.check_receipts(3)


async def test_npm_smpp_speaks_tls_with_our_server(npm_smpp: Path, certificate: Path) -> None:
    """Node.js verifies our certificate, and a bind passes."""
    smsc = ReceiptingSmsc(Watch())
    async with (
        serving(smsc, tls=server_side(certificate)) as (_, port),
        npm.esme(npm_smpp, port, ca=_issuer(certificate)) as esme,
    ):
        bound = await esme.ask("bind_transceiver", system_id="node", password="secret")
        assert bound["status"] == 0
        assert (await esme.ask("unbind"))["status"] == 0


def _issuer(certificate: Path) -> str:
    """What a file with a certificate and its key says of the certificate."""
    pem = certificate.read_text()
    return pem[pem.index("-----BEGIN CERT") :]


async def test_npm_smpp_is_a_centre_for_our_client(npm_smpp: Path) -> None:
    """Our client binds, answers its enquire_link, submits, takes receipts and unbinds."""
    watch = Watch()
    esme, fates = Esme(watch), Fates(watch)
    async with npm.running(npm_smpp, "smsc.js") as script:
        port = (await script.told("port"))["port"]
        async with connected(esme, bind_to(port)) as client:
            await watch.until(lambda: client.bound_for_submit)
            assert client.state()[0].smsc_id == "npm"
            assert await script.told("alive") == {"alive": 0}
            pdus = texts("hello", "")
            unicode: dict[str, Any] = {
                "data_coding": 8,
                "short_message": "Привет".encode("utf-16-be"),
            }
            pdus[1] = Pdu(pdus[1].command, fields={**pdus[1].fields, **unicode})
            for pdu in pdus:
                pdu.fields["registered_delivery"] = 1
            client.submit(pdus, fates)
            await watch.until(lambda: len(fates.answers) == 2)
            await watch.until(lambda: sum(map(len, esme.delivered)) == 2)
            taken = [(await script.told("taken"))["fields"] for _ in pdus]
            assert [(await script.told("receipted"))["status"] for _ in pdus] == [0, 0]
            await client.stop(1)
            assert await script.told("unbind") == {"unbind": True}
    assert [one["short_message"]["message"] for one in taken] == ["hello", "Привет"]
    assert {one["destination_addr"] for one in taken} == {"491700000001"}
    assert [one["data_coding"] for one in taken] == [0, 8]
    assert {n: (a[0].kind, a[0].message_id) for n, a in fates.answers.items()} == {
        0: (AnswerKind.ANSWERED, "npm-1"),
        1: (AnswerKind.ANSWERED, "npm-2"),
    }
    receipts = [parse_receipt(pdu) for batch in esme.delivered for pdu in batch]
    assert [(r.id, r.state) for r in receipts] == [
        ("npm-1", MessageState.DELIVERED),
        ("npm-2", MessageState.DELIVERED),
    ]
