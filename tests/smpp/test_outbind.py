"""An SMSC that calls: outbind, over real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from onesixty.cli.demo.ports import free_port
from onesixty.smpp.client import Bind, Outbinds, Timers
from onesixty.smpp.client.outbind import CALLS_MOST
from onesixty.smpp.pdus import Command, Pdu

from .wiring import TIMERS, Esme, Raw, Watch, bare, connected, deliver

OUTBIND = Pdu(Command.OUTBIND, sequence=1, fields={"system_id": "smsc", "password": "x"})


@contextlib.asynccontextmanager
async def listening(
    esme: Esme, host: str, timers: Timers = TIMERS
) -> AsyncIterator[tuple[Outbinds, int]]:
    """A client without binds of its own, whose port the SMSC at this host may call."""
    port = free_port()
    async with connected(esme, timers=timers) as client:
        bind = Bind(host=host, port=2775, system_id="esme", password="secret")
        outbinds = Outbinds(client, bind)
        await outbinds.listen(port)
        try:
            yield outbinds, port
        finally:
            outbinds.close()


async def test_a_call_is_answered_by_a_bind_and_delivers() -> None:
    """The SMSC connects, gets a bind_receiver, and delivers; the bind goes with the connection."""
    watch = Watch()
    async with listening(Esme(watch), "127.0.0.1") as (outbinds, port):
        smsc, client = await Raw.connect(port), outbinds.client
        smsc.write(OUTBIND)
        bind = await smsc.read()
        assert (bind.command, bind.text("password")) == (Command.BIND_RECEIVER, "secret")
        smsc.write(bare(Command.BIND_RECEIVER_RESP, 0, bind.sequence), deliver(7))
        answer = await smsc.read()
        assert (answer.command, answer.sequence) == (Command.DELIVER_SM_RESP, 7)
        assert [line.phase for line in client.state()] == ["bound"]
        assert not client.bound_for_submit
        await smsc.close()
        await watch.until(lambda: client.state() == [])


@pytest.mark.parametrize("said", [OUTBIND, deliver(1)], ids=["outbind", "deliver_sm"])
async def test_a_stranger_is_told_nothing(said: Pdu) -> None:
    """Who is none of the SMSC's hosts gets no bind, and so no password, whatever it says."""
    async with listening(Esme(Watch()), "192.0.2.1") as (_, port):
        stranger = await Raw.connect(port)
        stranger.write(said)
        if said is OUTBIND:
            assert await stranger.ended() == b""
        else:
            assert (await stranger.read()).status
        await stranger.close()


async def test_a_silent_caller_holds_up_no_stop() -> None:
    """A bound SMSC that never answers our unbind: the client stops all the same, in its time."""
    watch = Watch()
    timers = Timers(unbind_seconds=0.1)
    async with listening(Esme(watch), "127.0.0.1", timers) as (outbinds, port):
        smsc, client = await Raw.connect(port), outbinds.client
        smsc.write(OUTBIND)
        bind = await smsc.read()
        smsc.write(bare(Command.BIND_RECEIVER_RESP, 0, bind.sequence))
        await watch.until(lambda: [line.phase for line in client.state()] == ["bound"])
        outbinds.close()
        async with asyncio.timeout(5):
            await client.stop(0.1)
        assert client.state() == []
        assert (await smsc.read()).command == Command.UNBIND
        assert await smsc.ended() == b""


async def test_calls_are_bounded() -> None:
    """One connection more than the most is closed at once; the others stay."""
    async with listening(Esme(Watch()), "127.0.0.1") as (_, port):
        calls = [await Raw.connect(port) for _ in range(CALLS_MOST)]
        calls[0].write(OUTBIND)
        assert await calls[0].read()  # so all of them were let in
        assert await (await Raw.connect(port)).ended() == b""
        calls[-1].write(OUTBIND)
        assert (await calls[-1].read()).command == Command.BIND_RECEIVER
        for call in calls:
            await call.close()
