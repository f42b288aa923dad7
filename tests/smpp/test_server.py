"""Our server against raw sockets that do what no client of ours would."""

import asyncio
import random
from functools import partial

import pytest

from onesixty.kit.manual_clock import ManualClock
from onesixty.smpp.client import AnswerKind, BindMode
from onesixty.smpp.codec import encode
from onesixty.smpp.pdus import Command, Pdu, Tag, Tlv
from onesixty.smpp.server import ServerLink
from onesixty.smpp.states import Timers
from onesixty.smpp.statuses import Status

from .wiring import Fates, Raw, Smsc, Watch, bare, bind_pdu, deliver, serving, submit, texts

TRX = Command.BIND_TRANSCEIVER


class _Failing(Smsc):
    """An owner with a bug in its bind check."""

    async def on_bind(self, link: ServerLink, pdu: Pdu) -> int:
        """Raise."""
        raise RuntimeError("no such table")


class _Slow(Smsc):
    """An owner that takes its time to decide on a bind."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch)
        self.go = asyncio.Event()

    async def on_bind(self, link: ServerLink, pdu: Pdu) -> int:
        """Accept when told to."""
        await super().on_bind(link, pdu)
        await self.go.wait()
        return 0


async def test_the_bind_response_names_us_and_the_version() -> None:
    """system_id and sc_interface_version go to a 3.4 client; the link knows who it is."""
    smsc = Smsc(Watch())
    async with serving(smsc) as (server, port):
        raw = await Raw.connect(port)
        raw.write(bind_pdu(Command.BIND_RECEIVER, 0x34))
        answer = await raw.read()
        assert answer.text("system_id") == "ONESIXTY"
        assert answer.tlv(Tag.SC_INTERFACE_VERSION) == b"\x34"
        (link,) = server.links
        assert (link.system_id, link.mode, link.version) == ("esme", BindMode.RECEIVER, 0x34)
        assert link.can_receive
        assert link.peer.startswith("127.0.0.1:")
        await raw.close()


async def test_a_refused_client_may_try_again() -> None:
    """The owner's refusal is the status of the answer, and the connection stays for another."""
    watch = Watch()
    smsc = Smsc(watch)
    smsc.bind_statuses = [Status.RBINDFAIL]
    async with serving(smsc) as (_, port):
        raw = await Raw.connect(port)
        raw.write(bind_pdu())
        assert (await raw.read()).status == Status.RBINDFAIL
        raw.write(bind_pdu())
        assert (await raw.read()).status == 0
        assert smsc.unbound == []
        await raw.close()
        await watch.until(lambda: len(smsc.unbound) == 1)


async def test_an_owner_that_fails_refuses_the_bind() -> None:
    """An exception in on_bind is reported to the loop and answered with ESME_RSYSERR."""
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, c: reported.append(c["message"]))
    async with serving(_Failing(Watch())) as (_, port):
        raw = await Raw.connect(port)
        raw.write(bind_pdu())
        assert (await raw.read()).status == Status.RSYSERR
        assert reported == ["on_bind failed"]
        await raw.close()


async def test_a_client_that_leaves_while_it_is_judged_is_unbound_once() -> None:
    """The owner accepts a client that is already gone: it is told so, exactly once."""
    watch = Watch()
    smsc = _Slow(watch)
    async with serving(smsc) as (server, port):
        raw = await Raw.connect(port)
        raw.write(bind_pdu())
        await watch.until(lambda: len(smsc.binds) == 1)
        (link,) = server.links
        raw.write(submit(2))
        assert (await raw.read()).status == Status.RINVBNDSTS
        await raw.close()
        await link.lost.wait()
        assert smsc.unbound == []
        smsc.go.set()
        await watch.until(lambda: smsc.unbound == [link])
        assert not link.can_receive


async def test_a_connection_without_a_bind_is_closed() -> None:
    """Nobody may sit on a connection for longer than the session_init timer."""
    clock = ManualClock()
    async with serving(Smsc(Watch()), clock=clock) as (_, port):
        raw = await Raw.connect(port)
        raw.write(bare(Command.ENQUIRE_LINK, 0, 1))
        assert (await raw.read()).command == Command.ENQUIRE_LINK_RESP
        for _ in range(11):
            await clock.advance(1)
        assert await raw.ended() == b""
        await raw.close()


async def test_bad_peers_end_only_their_own_connection() -> None:
    """Garbage, half PDUs, absurd lengths, HTTP and resets: a client beside them notices nothing."""
    watch = Watch()
    smsc = Smsc(watch)
    chance = random.Random(7)
    async with serving(smsc) as (server, port):
        good = await Raw.connect(port, TRX)
        for number in range(30):
            bad = await Raw.connect(port, TRX if number % 2 else None)
            junk = [chance.randbytes(200), b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\0" * 64]
            bad.write(junk[number % 4])
            assert await bad.ended() is not None
            half = await Raw.connect(port, TRX if number % 2 else None)
            half.write(encode(submit(3))[: chance.randint(1, 40)])
            half.writer.transport.abort()
            good.write(*texts(str(number)))
            assert (await good.read()).text("message_id") == f"id-{number}"
            await bad.close()
        await watch.until(lambda: len(server.links) == 1)
        await good.close()


async def test_pdus_may_come_in_any_pieces() -> None:
    """The same ten PDUs, one octet at a time and all at once, get the same answers."""
    smsc = Smsc(Watch())
    pdus = texts(*"0123456789")
    for number, pdu in enumerate(pdus):
        pdu.sequence = number + 2
    data = b"".join(encode(pdu) for pdu in pdus)
    async with serving(smsc) as (_, port):
        for size in (1, 7, len(data)):
            raw = await Raw.connect(port, TRX)
            for at in range(0, len(data), size):
                raw.write(data[at : at + size])
                await asyncio.sleep(0)
            answers = [await raw.read() for _ in pdus]
            assert [a.text("message_id") for a in answers] == [f"id-{n}" for n in range(10)]
            await raw.close()


async def test_a_client_far_over_its_window_is_not_read() -> None:
    """2 MB of submits with nobody answering: reading stops, and goes on as answers go out."""
    watch = Watch()
    smsc = Smsc(watch)
    smsc.answering = False
    long = [Pdu(Command.SUBMIT_SM, 0, n, {}, [Tlv(Tag.MESSAGE_PAYLOAD, b"x" * 10_000)])
            for n in range(1, 201)]  # fmt: skip
    async with serving(smsc) as (server, port):
        raw = await Raw.connect(port, TRX)
        raw.write(*long)
        (link,) = server.links
        await watch.until(lambda: link.session.saturated)
        other = await Raw.connect(port, TRX)
        for _ in range(5):
            other.write(bare(Command.ENQUIRE_LINK, 0, 1))
            assert (await other.read()).command == Command.ENQUIRE_LINK_RESP
        assert smsc.most_open < 100  # twice the window, and the rest of one read of the socket
        smsc.answering = True
        smsc.answer_all()
        sequences = [(await raw.read()).sequence for _ in range(200)]
        assert sequences == list(range(1, 201))
        await raw.close()
        await other.close()


async def test_a_forgotten_request_counts_no_more() -> None:
    """forget gives the slot of a request back that is never to be answered."""
    watch = Watch()
    smsc = Smsc(watch)
    smsc.answering = False
    async with serving(smsc, window=1) as (server, port):
        raw = await Raw.connect(port, TRX)
        raw.write(*texts("a", "b"))
        await smsc.asked(2)
        (link,) = server.links
        for _, pdu in smsc.open:
            link.forget(pdu)
        smsc.open.clear()
        raw.write(*texts("c"))
        await smsc.asked(3)
        await raw.close()


async def test_deliveries_wait_for_the_window_of_the_client() -> None:
    """With a window of 3 a fourth deliver_sm goes out only when one was answered."""
    watch = Watch()
    smsc, fates = Smsc(watch), Fates(watch)
    async with serving(smsc, window=3) as (server, port):
        raw = await Raw.connect(port, Command.BIND_RECEIVER)
        (link,) = server.links
        for number in range(5):
            link.deliver(deliver(), partial(fates, number))
        got = [await raw.read() for _ in range(3)]
        raw.write(bare(Command.ENQUIRE_LINK, 0, 1))
        assert (await raw.read()).command == Command.ENQUIRE_LINK_RESP
        raw.write(bare(Command.DELIVER_SM_RESP, Status.RX_T_APPN, got[1].sequence))
        assert (await raw.read()).command == Command.DELIVER_SM
        raw.writer.transport.abort()
        await watch.until(lambda: len(fates.answers) == 5)
        assert fates.answers[1][0].status == Status.RX_T_APPN
        kinds = [fates.answers[number][0].kind for number in range(5)]
        unanswered, not_sent = AnswerKind.UNANSWERED, AnswerKind.NOT_SENT
        assert kinds == [unanswered, AnswerKind.ANSWERED, unanswered, unanswered, not_sent]


async def test_nothing_is_delivered_to_a_transmitter() -> None:
    """deliver on a BOUND_TX link is NOT_SENT."""
    watch = Watch()
    fates = Fates(watch)
    async with serving(Smsc(watch)) as (server, port):
        raw = await Raw.connect(port, Command.BIND_TRANSMITTER)
        (link,) = server.links
        assert not link.can_receive
        link.deliver(deliver(), partial(fates, 0))
        assert fates.kinds() == {0: [AnswerKind.NOT_SENT]}
        await raw.close()


async def test_answers_go_out_before_later_deliveries() -> None:
    """A receipt handed over right after its submit_sm_resp never overtakes it; raw octets may."""
    watch = Watch()
    smsc, fates = Smsc(watch), Fates(watch)
    smsc.answering = False
    async with serving(smsc) as (_, port):
        raw = await Raw.connect(port, TRX)
        raw.write(submit(2))
        await smsc.asked(1)
        link, pdu = smsc.open.pop()
        link.respond(pdu, 0, {"message_id": "1"})
        link.deliver(deliver(), partial(fates, 0))
        link.write_raw(bare(Command.ENQUIRE_LINK, 0, 5))
        commands = [(await raw.read()).command for _ in range(3)]
        assert commands == [Command.SUBMIT_SM_RESP, Command.ENQUIRE_LINK, Command.DELIVER_SM]
        await raw.close()


async def test_unbind_is_told_once() -> None:
    """unbind, its answer, the close: on_unbound comes once, and early."""
    watch = Watch()
    smsc = Smsc(watch)
    async with serving(smsc) as (server, port):
        raw = await Raw.connect(port, TRX)
        (link,) = server.links
        raw.write(bare(Command.UNBIND, 0, 2))
        assert (await raw.read()).command == Command.UNBIND_RESP
        assert smsc.unbound == [link]
        assert not link.can_receive
        await raw.close()
        await link.lost.wait()
        assert smsc.unbound == [link]


async def test_a_peer_that_keeps_its_side_open_after_unbind_is_closed() -> None:
    """Two seconds after our unbind_resp the server closes."""
    clock = ManualClock()
    async with serving(Smsc(Watch()), clock=clock) as (_, port):
        raw = await Raw.connect(port, TRX)
        raw.write(bare(Command.UNBIND, 0, 2))
        assert (await raw.read()).command == Command.UNBIND_RESP
        for _ in range(4):
            await clock.advance(1)
        assert await raw.ended() == b""
        await raw.close()


async def test_a_peer_that_does_not_read_is_cut_off() -> None:
    """Octets that nobody takes do not keep a closed link alive."""
    watch, clock = Watch(), ManualClock()
    async with serving(Smsc(watch), clock=clock) as (server, port):
        raw = await Raw.connect(port, TRX)
        (link,) = server.links
        link.write_raw(b"\0" * 30_000_000)
        link.close("enough")
        for _ in range(4):
            await clock.advance(1)
        await link.lost.wait()
        assert link.reason == "enough"
        await raw.close()


async def test_stop_unbinds_everybody() -> None:
    """A stopping server sends unbind to bound clients and closes those that are not bound."""
    watch = Watch()
    smsc = Smsc(watch)
    async with serving(smsc, timers=Timers(unbind_seconds=0.2)) as (server, port):
        waiting, polite, silent = [await Raw.connect(port, mode) for mode in (None, TRX, TRX)]
        await watch.until(lambda: len(smsc.binds) == 2)
        stopping = asyncio.create_task(server.stop())
        ask = await polite.read()
        assert ask.command == Command.UNBIND
        polite.write(bare(Command.UNBIND_RESP, 0, ask.sequence))
        assert (await silent.read()).command == Command.UNBIND
        assert await waiting.ended() == b""
        await stopping
        assert len(smsc.unbound) == 2
        with pytest.raises(OSError, match=r".*"):
            await Raw.connect(port)
        for raw in (waiting, polite, silent):
            await raw.close()
