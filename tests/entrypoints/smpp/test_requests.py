"""query_sm, cancel_sm and replace_sm: what a customer may still ask and change."""

from typing import Any

from onesixty.smpp.pdus import Command, Pdu
from onesixty.smpp.receipts import MessageState
from onesixty.smpp.statuses import Status
from onesixty.smpp.times import decode_time
from simulator.esme import Esme
from walk.platform import until

from .customer import RECIPIENT, Office, submit_sm

LATER = {"schedule_delivery_time": "000001000000000R"}
SHOP: dict[str, Any] = {"source_addr_ton": 5, "source_addr": "Shop"}
THERE: dict[str, Any] = {"dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": RECIPIENT}


async def submitted(client: Esme, **fields: Any) -> str:
    """The id of a message that must be taken."""
    answer = await client.ask(submit_sm(fields.pop("text", b"hello"), **fields))
    assert answer.status == 0, answer
    return answer.text("message_id")


async def ask(client: Esme, command: Command, name: str = "", **fields: Any) -> Pdu:
    """The answer to a request about a message."""
    return await client.ask(Pdu(command, fields={"message_id": name} | SHOP | fields))


async def is_final(desk: Office, name: str) -> bool:
    """Whether a message has ended."""
    return (await desk.message(name))["final_at"] is not None


async def test_query_until_the_end(desk: Office) -> None:
    """A message is ENROUTE until it has ended; then its end is told with its date."""
    await desk.esme()
    client, newer = await desk.bound(), await desk.bound(version=0x50)
    waiting = await submitted(client, **LATER)
    states = [(await ask(one, Command.QUERY_SM, waiting)).fields for one in (client, newer)]
    assert [one["message_state"] for one in states] == [
        MessageState.ENROUTE,
        MessageState.SCHEDULED,
    ]
    assert {one["final_date"] for one in states} == {""}
    sent = await submitted(client)
    await until(lambda: is_final(desk, sent))
    answer = await ask(client, Command.QUERY_SM, sent.upper())
    assert (answer.number("message_state"), answer.number("error_code")) == (2, 0)
    date, row = decode_time(answer.text("final_date")), await desk.message(sent)
    assert date == row["final_at"].replace(microsecond=row["final_at"].microsecond // 10**5 * 10**5)


async def test_nobody_asks_about_the_messages_of_others(desk: Office) -> None:
    """What is of another account, or from another sender, or nowhere, is not found."""
    await desk.esme()
    await desk.esme("other", account=await desk.on_file.account())
    client, other = await desk.bound(), await desk.bound("other")
    name = await submitted(client, **LATER)
    for command, status in (
        (Command.QUERY_SM, Status.RQUERYFAIL),
        (Command.CANCEL_SM, Status.RCANCELFAIL),
        (Command.REPLACE_SM, Status.RREPLACEFAIL),
    ):
        more = {"short_message": b"new"} if command == Command.REPLACE_SM else {}
        assert (await ask(other, command, name, **more)).status == status
        assert (await ask(client, command, "f" * 32, **more)).status == status
        assert (await ask(client, command, "no id", **more)).status == status
        wrong = {"source_addr": "Shop2"} | more
        assert (await ask(client, command, name, **wrong)).status == status
    assert not await is_final(desk, name)


async def test_many_queries_of_one_read(desk: Office) -> None:
    """Each gets its own answer."""
    await desk.esme(window=50)
    client = await desk.bound()
    names = [await submitted(client, **LATER) for _ in range(5)]
    asked = {
        client.send(Pdu(Command.QUERY_SM, fields={"message_id": name})): name for name in names * 3
    }
    answers = [await client.read() for _ in asked]
    assert {answer.sequence: answer.text("message_id") for answer in answers} == asked


async def test_short_ids_and_shared_ids_are_found(desk: Office) -> None:
    """Ids of SMPP 3.3 and of submit_multi name their messages too."""
    await desk.esme()
    old = await desk.bound(version=0x33)
    name = await submitted(old, **LATER)
    assert len(name) == 8
    assert (await ask(old, Command.QUERY_SM, name)).number("message_state") == 1
    assert (await ask(old, Command.CANCEL_SM, name)).status == 0
    assert (await ask(old, Command.QUERY_SM, name)).number("message_state") == MessageState.DELETED


async def test_cancel(desk: Office) -> None:
    """A message that waits is ended once; what a carrier has had is not."""
    await desk.esme()
    client = await desk.bound()
    name = await submitted(client, **LATER)
    assert (await ask(client, Command.CANCEL_SM, name)).status == 0
    assert (await ask(client, Command.CANCEL_SM, name)).status == Status.RCANCELFAIL
    answer = await ask(client, Command.QUERY_SM, name)
    assert answer.number("message_state") == MessageState.DELETED
    sent = await submitted(client)
    await until(lambda: is_final(desk, sent))
    assert (await ask(client, Command.CANCEL_SM, sent)).status == Status.RCANCELFAIL


async def test_cancel_between_two_addresses(desk: Office) -> None:
    """Without an id all that wait from here to there go, of one service type if it is given."""
    await desk.esme()
    client = await desk.bound()
    typed = await submitted(client, service_type="CMT", **LATER)
    plain = await submitted(client, **LATER)
    away = await submitted(client, destination_addr="447700900999", **LATER)
    assert (await ask(client, Command.CANCEL_SM, service_type="CMT", **THERE)).status == 0
    ended = [await is_final(desk, name) for name in (typed, plain, away)]
    assert ended == [True, False, False]
    assert (await ask(client, Command.CANCEL_SM, **THERE)).status == 0
    ended = [await is_final(desk, name) for name in (typed, plain, away)]
    assert ended == [True, True, False]
    assert (await ask(client, Command.CANCEL_SM, **THERE)).status == Status.RCANCELFAIL


async def test_replace(desk: Office) -> None:
    """A message that waits gets another text, time and validity, in the alphabet of the first."""
    await desk.esme()
    client = await desk.bound()
    name = await submitted(client, text="один".encode("utf-16-be"), data_coding=8, **LATER)
    new: dict[str, Any] = {
        "short_message": "два".encode("utf-16-be") * 40,
        "schedule_delivery_time": "000002000000000R",
        "validity_period": "000003000000000R",
        "registered_delivery": 1,
    }
    assert (await ask(client, Command.REPLACE_SM, name, **new)).status == 0
    row = await desk.message(name)
    assert (row["body"], row["segments"]) == ("два" * 40, 2)
    assert round((row["expires_at"] - row["send_at"]).total_seconds()) == 86_400
    assert row["origin"]["registered"] == 1
    (queued,) = await desk.rows("SELECT due_at, expires_at FROM queue")
    assert (queued["due_at"], queued["expires_at"]) == (row["send_at"], row["expires_at"])
    empty = {"short_message": b""}
    assert (await ask(client, Command.REPLACE_SM, name, **empty)).status == Status.RINVMSGLEN


async def test_replace_what_is_gone(desk: Office) -> None:
    """What a carrier has, or is more than text, stays as it is."""
    await desk.esme()
    client = await desk.bound()
    sent = await submitted(client)
    await until(lambda: is_final(desk, sent))
    new = {"short_message": b"new"}
    assert (await ask(client, Command.REPLACE_SM, sent, **new)).status == Status.RREPLACEFAIL
    binary = await submitted(client, text=b"\x01", data_coding=4, **LATER)
    assert (await ask(client, Command.REPLACE_SM, binary, **new)).status == Status.RREPLACEFAIL
