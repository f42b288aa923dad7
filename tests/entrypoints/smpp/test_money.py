"""Customers over SMPP whose account pays: refused without money, nothing made longer for free."""

from types import SimpleNamespace
from typing import Any

from features.billing.priced import Priced
from onesixty.smpp.pdus import Command, FieldValue, Pdu
from onesixty.smpp.statuses import Status

from .customer import Office, submit_sm

IN_AN_HOUR = "000000010000000R"


async def test_what_money_does_not_cover(desk: Office) -> None:
    """The eleventh segment is refused; what is held for a message allows no longer text."""
    walk: Any = SimpleNamespace(
        database=desk.app.database, account=desk.account, clock=desk.app.keeper._clock,
        keeper=desk.app.keeper,
    )  # fmt: skip
    await Priced.open(walk)
    await desk.esme(window=100)
    client = await desk.bound()
    later = submit_sm(b"later", schedule_delivery_time=IN_AN_HOUR)
    name = (await client.ask(later)).text("message_id")
    answers = [await client.ask(submit_sm(b"now")) for _ in range(10)]
    assert [answer.status for answer in answers] == [0] * 9 + [Status.RSUBMITFAIL]
    for text, status in ((b"x" * 161, Status.RREPLACEFAIL), (b"sooner", Status.ROK)):
        fields: dict[str, FieldValue] = {
            "message_id": name, "source_addr_ton": 5, "source_addr_npi": 0, "source_addr": "Shop",
            "schedule_delivery_time": "", "validity_period": "", "registered_delivery": 0,
            "sm_default_msg_id": 0, "short_message": text,
        }  # fmt: skip
        answer = await client.ask(Pdu(Command.REPLACE_SM, fields=fields))
        assert answer.status == status
