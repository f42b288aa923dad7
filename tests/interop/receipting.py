"""Our server as a foreign client wants it: every message is answered and has its receipt."""

from datetime import UTC, datetime
from functools import partial

from onesixty.smpp.link import AnswerKind
from onesixty.smpp.pdus import Command, Pdu
from onesixty.smpp.receipts import MessageState, build_receipt
from onesixty.smpp.server import ServerLink
from smpp.wiring import Fates, Smsc, Watch

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


class ReceiptingSmsc(Smsc):
    """Answers with ids "m-0", "m-1", ... and delivers a receipt for each right behind."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch)
        self.receipts = Fates(watch)

    def on_requests(self, link: ServerLink, pdus: list[Pdu]) -> None:
        """Answer and deliver."""
        for pdu in pdus:
            number = len(self.requests)
            self.requests.append(pdu)
            link.respond(pdu, 0, {"message_id": f"m-{number}"})
            fields, tlvs = build_receipt(
                f"m-{number}", MessageState.DELIVERED, submitted=MOMENT, done=MOMENT
            )
            addresses = {
                "source_addr": pdu.text("destination_addr"),
                "destination_addr": pdu.text("source_addr"),
            }
            receipt = Pdu(Command.DELIVER_SM, fields={**addresses, **fields}, tlvs=tlvs)
            link.deliver(receipt, partial(self.receipts, number))

    def check_receipts(self, number: int) -> None:
        """AssertionError unless that many were delivered and accepted, each once."""
        accepted = [(AnswerKind.ANSWERED, 0)]
        told = {n: [(a.kind, a.status) for a in got] for n, got in self.receipts.answers.items()}
        assert told == dict.fromkeys(range(number), accepted)
