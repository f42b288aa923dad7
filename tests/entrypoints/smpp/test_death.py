"""kill -9 of a server that has receipts in hand."""

import asyncio
from pathlib import Path

from chaos import invariants
from cli.programs import serve
from onesixty.cli.demo.ports import free_port
from onesixty.messages.states import Status
from onesixty.smpp.pdus import Command
from onesixty.smpp.receipts import parse_receipt
from simulator.esme import Esme

from .customer import NAME, SECRET_KEY, office, submit_sm

MESSAGES, WINDOW = 60, 10
TOLD = f"SELECT message_id FROM events WHERE type = {Status.DELIVERED}"


async def bound(port: int, command: Command) -> Esme:
    """A customer's session."""
    client = await Esme.connect(port)
    assert (await client.bind(command, name=NAME)).status == 0
    return client


async def test_a_killed_server_owes_its_receipts(url: str, tmp_path: Path) -> None:
    """What it had handed over without an answer, and what waited, comes from the next one."""
    async with office(url) as desk:
        await desk.esme(window=WINDOW)
    port = free_port()
    arguments = ("--database-url", url, "--smpp-port", str(port))
    started = asyncio.to_thread(
        serve, tmp_path / "data", *arguments, ONESIXTY_SECRET_KEY=SECRET_KEY
    )
    server = await started
    receiver = await bound(port, Command.BIND_RECEIVER)
    receiver.answers = None
    transmitter = await bound(port, Command.BIND_TRANSMITTER)
    for _ in range(MESSAGES):
        answer = await transmitter.ask(submit_sm(registered_delivery=1))
        assert answer.status == 0
    in_hand = {parse_receipt(await receiver.read()).id for _ in range(WINDOW)}
    await asyncio.to_thread(server.kill)
    await receiver.close()
    await transmitter.close()
    async with office(url) as desk:
        await desk.hurry()  # as if the leases of the dead had ended
        told = {row["message_id"].hex for row in await desk.rows(TOLD)}
        assert in_hand <= told
        receiver = await desk.bound(command=Command.BIND_RECEIVER)
        while told:
            told.discard(parse_receipt(await receiver.read()).id)
        await desk.waiting(0)
    await invariants.check(url, at_rest=False)
