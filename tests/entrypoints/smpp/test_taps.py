"""What can be seen of the sessions of customers."""

from onesixty.entrypoints.smpp.taps import ENDED_MOST
from onesixty.smpp.pdus import Command, Pdu
from onesixty.smpp.trace.capture import Kind
from walk.platform import until

from .customer import NAME, Office, submit_sm


async def test_bound_refused_and_ended_sessions_can_be_seen(desk: Office) -> None:
    """A refused bind stays visible beside the session that is bound, and one that ended."""
    number = await desk.esme()
    refused = await desk.connect()
    wrong_password = Pdu(Command.BIND_TRANSCEIVER, fields={"system_id": NAME, "password": "wrong"})
    assert (await refused.ask(wrong_password)).status != 0
    client = await desk.bound()
    await client.ask(submit_sm())
    wrong, bound = desk.app.door.taps.of(number)
    assert [one.kind for one in wrong.capture.entries()][:3] == [Kind.OPENED, Kind.IN, Kind.OUT]
    assert [one.kind for one in bound.capture.entries()].count(Kind.IN) == 2
    assert bound.session.startswith("transceiver 127.0.0.1:")
    await client.close()
    await until(lambda: bound.capture.entries()[-1].kind is Kind.CLOSED)
    assert bound in desk.app.door.taps.of(number)
    assert desk.app.door.taps.of(number + 1) == []


async def test_only_the_last_ones_that_ended_are_kept(desk: Office) -> None:
    """However often a customer comes and goes, so many sessions are kept and no more."""
    number = await desk.esme()
    for _ in range(ENDED_MOST + 2):
        await (await desk.bound()).close()
    await until(lambda: not desk.app.door.sessions.of(number))
    assert len(desk.app.door.taps.of(number)) == ENDED_MOST
