"""Our client against our server, over real sockets."""

import asyncio
import random
import socket
from dataclasses import replace
from functools import partial

import pytest

from onesixty.kit.clock import SystemClock
from onesixty.kit.manual_clock import ManualClock
from onesixty.smpp.client import AnswerKind, Backoff, Bind, BindMode, Client, Timers
from onesixty.smpp.codec import EncodeError
from onesixty.smpp.link import Link
from onesixty.smpp.pdus import Pdu
from onesixty.smpp.server import Server
from onesixty.smpp.statuses import Status

from .wiring import (
    TIMERS,
    Esme,
    Fates,
    Smsc,
    Watch,
    bind_to,
    connected,
    deliver,
    serving,
    texts,
)

ANSWERED, UNANSWERED, NOT_SENT = AnswerKind.ANSWERED, AnswerKind.UNANSWERED, AnswerKind.NOT_SENT
QUICK = Timers(reconnect_min_seconds=0.01, reconnect_max_seconds=0.05, unbind_seconds=0.2)


@pytest.mark.parametrize(("mode", "submits"), [(m, m is not BindMode.RECEIVER) for m in BindMode])
async def test_every_mode_binds(mode: BindMode, submits: bool) -> None:
    """A client binds in the mode it is told, and knows whether it can submit."""
    watch = Watch()
    smsc, esme, fates = Smsc(watch), Esme(watch), Fates(watch)
    async with serving(smsc) as (_, port), connected(esme, bind_to(port, mode)) as client:
        await watch.until(lambda: client.state()[0].phase == "bound")
        assert client.bound_for_submit is submits
        assert client.room() == (10 if submits else 0)
        client.submit(texts("a"), fates)
        await watch.until(lambda: bool(fates.answers))
        assert fates.kinds() == {0: [ANSWERED if submits else NOT_SENT]}
        assert [pdu.command for pdu in smsc.binds] == [mode.value]
        assert client.state()[0].smsc_id == "ONESIXTY"


@pytest.mark.parametrize("window", [1, 100])
async def test_the_window_is_filled_and_never_exceeded(window: int) -> None:
    """400 messages through a window: each answered with its own id, no more open than allowed."""
    watch = Watch()
    smsc, esme, fates = Smsc(watch), Esme(watch), Fates(watch)
    smsc.answering = False
    async with (
        serving(smsc, window=100) as (server, port),
        connected(esme, bind_to(port), window=window) as client,
    ):
        await watch.until(lambda: client.bound_for_submit)
        client.submit(texts(*[str(number) for number in range(400)]), fates)
        assert client.room() == window - 400
        for number in range(window, 401, window):
            await smsc.asked(number)
            assert len(smsc.open) <= window
            smsc.answer_all()
        await watch.until(lambda: len(fates.answers) == 400)
        assert smsc.most_open == window
        assert [pdu.octets("short_message") for pdu in smsc.requests] == [
            str(number).encode() for number in range(400)
        ]
        for number, answers in fates.answers.items():
            assert [(a.kind, a.message_id) for a in answers] == [(ANSWERED, f"id-{number}")]
        assert client.room() == window
        assert len(server.links) == 1


async def test_a_link_lost_in_mid_window_says_exactly_what_was_sent() -> None:
    """Of 25 messages with a window of 10 the first 10 are UNANSWERED, the other 15 NOT_SENT."""
    watch = Watch()
    smsc, esme, fates = Smsc(watch), Esme(watch), Fates(watch)
    smsc.answering = False
    async with serving(smsc) as (server, port), connected(esme, bind_to(port)) as client:
        await watch.until(lambda: client.bound_for_submit)
        client.submit(texts(*"abcdefghijklmnopqrstuvwxy"), fates)
        await watch.until(lambda: len(smsc.requests) == 10)
        next(iter(server.links)).abort()
        await watch.until(lambda: len(fates.answers) == 25)
        assert fates.kinds() == {n: [UNANSWERED if n < 10 else NOT_SENT] for n in range(25)}
        assert not client.bound_for_submit


async def test_what_was_not_yet_written_when_the_link_went_is_not_sent() -> None:
    """A submit and the loss in one turn of the loop: nothing reached the network, all NOT_SENT."""
    watch = Watch()
    smsc, esme, fates = Smsc(watch), Esme(watch), Fates(watch)
    async with serving(smsc) as (server, port), connected(esme, bind_to(port)) as client:
        await watch.until(lambda: client.bound_for_submit)

        def submit_and_lose(link: Link) -> None:
            link.abort()
            client.submit(texts("a", "b"), fates)

        esme.when_delivered = submit_and_lose
        next(iter(server.links)).deliver(deliver(), lambda _: None)
        await watch.until(lambda: len(fates.answers) == 2)
        assert fates.kinds() == {0: [NOT_SENT], 1: [NOT_SENT]}
        assert smsc.requests == []


async def test_without_a_link_nothing_is_sent() -> None:
    """Before the first bind every PDU is NOT_SENT, at once."""
    watch = Watch()
    fates, esme = Fates(watch), Esme(watch)
    client = Client(
        [bind_to(1)],
        window=1,
        timers=TIMERS,
        clock=ManualClock(),
        chance=random.Random(1),
        events=esme,
    )
    client.submit(texts("a", "b"), fates)
    assert fates.kinds() == {0: [NOT_SENT], 1: [NOT_SENT]}


async def test_a_refused_part_calls_off_those_behind_it() -> None:
    """The first of three parts is refused: the others never leave; other messages do."""
    watch = Watch()
    smsc, esme, fates, others = Smsc(watch), Esme(watch), Fates(watch), Fates(watch)
    smsc.answering = False
    async with (
        serving(smsc) as (_, port),
        connected(esme, bind_to(port), window=1) as client,
    ):
        await watch.until(lambda: client.bound_for_submit)
        client.submit(texts("1", "2", "3"), fates)
        client.submit(texts("other"), others)
        await watch.until(lambda: len(smsc.requests) == 1)
        smsc.answer_all(Status.RTHROTTLED)
        await watch.until(lambda: len(smsc.requests) == 2)
        smsc.answer_all()
        await watch.until(lambda: len(others.answers) == 1)
        assert fates.kinds() == {0: [ANSWERED], 1: [NOT_SENT], 2: [NOT_SENT]}
        assert fates.answers[0][0].status == Status.RTHROTTLED
        assert others.answers[0][0].message_id == "id-other"


async def test_after_an_accepted_part_the_others_go_out() -> None:
    """Once one part is accepted a refusal of the next does not hold the rest back."""
    watch = Watch()
    smsc, esme, fates = Smsc(watch), Esme(watch), Fates(watch)
    smsc.answering = False
    async with (
        serving(smsc) as (_, port),
        connected(esme, bind_to(port), window=1) as client,
    ):
        await watch.until(lambda: client.bound_for_submit)
        client.submit(texts("1", "2", "3"), fates)
        for number, status in enumerate((0, Status.RSUBMITFAIL, 0), start=1):
            await smsc.asked(number)
            smsc.answer_all(status)
        await watch.until(lambda: len(fates.answers) == 3)
        assert fates.kinds() == {0: [ANSWERED], 1: [ANSWERED], 2: [ANSWERED]}


async def test_a_pdu_without_encoding_is_an_error_of_the_caller() -> None:
    """EncodeError from submit; nothing of the call is sent or answered, the link goes on."""
    watch = Watch()
    smsc, esme, fates = Smsc(watch), Esme(watch), Fates(watch)
    async with serving(smsc) as (_, port), connected(esme, bind_to(port)) as client:
        await watch.until(lambda: client.bound_for_submit)
        with pytest.raises(EncodeError):
            client.submit([*texts("a"), *texts("x" * 300)], fates)
        client.submit(texts("b"), fates)
        await watch.until(lambda: len(fates.answers) == 1)
        assert [pdu.octets("short_message") for pdu in smsc.requests] == [b"b"]
    with pytest.raises(EncodeError):
        Client(
            [Bind(host="h", port=1, system_id="a", password="nine chars")],
            window=1,
            timers=TIMERS,
            clock=ManualClock(),
            chance=random.Random(1),
            events=esme,
        )


async def test_an_answer_after_the_timeout_comes_as_late() -> None:
    """UNANSWERED after response_seconds, the slot is free again, then the answer with late set."""
    watch, clock = Watch(), ManualClock()
    smsc, esme, fates = Smsc(watch), Esme(watch), Fates(watch)
    smsc.answering = False
    async with (
        serving(smsc) as (_, port),
        connected(esme, bind_to(port), window=1, clock=clock, timers=patient()) as client,
    ):
        await watch.until(lambda: client.bound_for_submit)
        client.submit(texts("a"), fates)
        await watch.until(lambda: len(smsc.requests) == 1)
        await clock.advance(61)
        await watch.until(lambda: len(fates.answers) == 1)
        assert client.room() == 1
        smsc.answer_all()
        await watch.until(lambda: len(fates.answers[0]) == 2)
        assert fates.kinds() == {0: [UNANSWERED, ANSWERED]}
        assert [a.late for a in fates.answers[0]] == [False, True]
        assert fates.answers[0][1].message_id == "id-a"


async def test_a_dead_peer_is_noticed_and_connected_to_again() -> None:
    """A server that answers no enquire_link loses its link; the client comes back by itself."""
    watch, clock = Watch(), ManualClock()
    smsc, esme, fates = Smsc(watch), Esme(watch), Fates(watch)
    smsc.answering = False
    async with (
        serving(smsc) as (server, port),
        connected(esme, bind_to(port), clock=clock) as client,
    ):
        await watch.until(lambda: client.bound_for_submit)
        next(iter(server.links)).session.answers_enquire_link = False
        client.submit(texts("a"), fates)
        await watch.until(lambda: len(smsc.requests) == 1)
        for _ in range(51):
            await clock.advance(1)
        await watch.until(lambda: not client.bound_for_submit)
        assert fates.kinds() == {0: [UNANSWERED]}
        assert "enquire_link" in client.state()[0].detail
        await clock.advance(1)
        await watch.until(lambda: client.bound_for_submit)
        assert len(smsc.binds) == 2


async def test_a_client_comes_back_after_a_loss() -> None:
    """Dropped three times, bound four times, and messages pass again."""
    watch = Watch()
    smsc, esme, fates = Smsc(watch), Esme(watch), Fates(watch)
    async with (
        serving(smsc) as (server, port),
        connected(esme, bind_to(port), timers=QUICK) as client,
    ):
        for times in range(1, 4):
            await watch.until(lambda: client.bound_for_submit)
            assert len(smsc.binds) == times
            next(iter(server.links)).abort()
            await watch.until(lambda: not client.bound_for_submit)
        await watch.until(lambda: client.bound_for_submit)
        client.submit(texts("a"), fates)
        await watch.until(lambda: fates.kinds() == {0: [ANSWERED]})


async def test_a_refused_bind_is_tried_again_with_patience() -> None:
    """After ESME_RINVPASWD no attempt for 60 s, then one; the state says why."""
    watch, clock = Watch(), ManualClock()
    smsc, esme = Smsc(watch), Esme(watch)
    smsc.bind_statuses = [Status.RINVPASWD]
    async with serving(smsc) as (_, port), connected(esme, bind_to(port), clock=clock) as client:
        await watch.until(lambda: client.state()[0].phase == "waiting")
        assert client.state()[0].refusal == Status.RINVPASWD
        assert "ESME_RINVPASWD" in client.state()[0].detail
        await clock.advance(59.9)
        assert len(smsc.binds) == 1
        await clock.advance(3)
        await watch.until(lambda: client.bound_for_submit)
        assert client.state()[0].refusal == 0


def test_back_off_doubles_with_full_jitter() -> None:
    """Each wait lies between 0 and 1, 2, 4, ... 60 s; a bind that stood 60 s starts over."""
    backoff = Backoff(Timers(), _Highest())
    assert [backoff.delay() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert backoff.delay(bound_seconds=59.9) == 60
    assert [backoff.delay(bound_seconds=60), backoff.delay()] == [1, 2]
    assert all(Backoff(Timers(), random.Random(n)).delay() < 1 for n in range(50))


@pytest.mark.parametrize(
    ("refusal", "least"),
    [
        (Status.RBINDFAIL, 60),
        (Status.RINVPASWD, 60),
        (Status.RINVSYSID, 60),
        (Status.RINVSYSTYP, 60),
        (Status.RALYBND, 30),
        (Status.RSYSERR, 0),
    ],
)
def test_back_off_is_longer_where_a_bind_was_refused(refusal: int, least: int) -> None:
    """Wrong credentials wait 60 s, a session still bound 30 s, other refusals as a loss."""
    assert Backoff(Timers(), _Highest()).delay(refusal=refusal) == least + 1


async def test_an_unbind_of_the_server_is_answered_and_followed_by_a_new_bind() -> None:
    """The server asks to unbind: the client answers, closes and binds again."""
    watch = Watch()
    smsc, esme = Smsc(watch), Esme(watch)
    async with (
        serving(smsc) as (server, port),
        connected(esme, bind_to(port), timers=QUICK) as client,
    ):
        await watch.until(lambda: client.bound_for_submit)
        link = next(iter(server.links))
        link.retire(1, "maintenance")
        await link.lost.wait()
        assert link.reason == "maintenance"
        await watch.until(lambda: len(smsc.binds) == 2 and client.bound_for_submit)


async def test_a_session_that_the_server_forgot_is_bound_anew() -> None:
    """ESME_RINVBNDSTS to a submit: no more goes over this link, it is unbound and bound again."""
    watch = Watch()
    smsc, esme, fates = Smsc(watch), Esme(watch), Fates(watch)
    smsc.answering = False
    async with (
        serving(smsc) as (_, port),
        connected(esme, bind_to(port), timers=QUICK) as client,
    ):
        await watch.until(lambda: client.bound_for_submit)
        client.submit(texts("a"), fates)
        await watch.until(lambda: len(smsc.requests) == 1)
        smsc.answer_all(Status.RINVBNDSTS)
        await watch.until(lambda: len(smsc.binds) == 2 and client.bound_for_submit)
        assert fates.answers[0][0].status == Status.RINVBNDSTS
        assert len(smsc.unbound) == 1


async def test_stop_lets_the_window_finish_and_unbinds() -> None:
    """What is in flight is answered, what waits is NOT_SENT, and the server sees an unbind."""
    watch = Watch()
    smsc, esme, fates = Smsc(watch), Esme(watch), Fates(watch)
    smsc.answering = False
    async with (
        serving(smsc) as (server, port),
        connected(esme, bind_to(port), window=2) as client,
    ):
        await watch.until(lambda: client.bound_for_submit)
        link = next(iter(server.links))
        client.submit(texts("a", "b", "c"), fates)
        await watch.until(lambda: len(smsc.requests) == 2)
        stopping = asyncio.create_task(client.stop(5))
        await watch.until(lambda: fates.kinds() == {2: [NOT_SENT]})
        assert not client.bound_for_submit
        smsc.answer_all()
        await stopping
        assert fates.kinds() == {0: [ANSWERED], 1: [ANSWERED], 2: [NOT_SENT]}
        await link.lost.wait()
        assert link.reason == "the peer closed the connection"
        assert smsc.unbound == [link]
        assert link.session.in_flight == 0
        assert client.state()[0].phase == "stopped"
        client.submit(texts("d"), fates)
        assert fates.kinds()[0] == [ANSWERED, NOT_SENT]


async def test_stop_does_not_wait_longer_than_told() -> None:
    """An answer that never comes is UNANSWERED after drain_seconds."""
    watch, clock = Watch(), ManualClock()
    smsc, esme, fates = Smsc(watch), Esme(watch), Fates(watch)
    smsc.answering = False
    async with serving(smsc) as (_, port), connected(esme, bind_to(port), clock=clock) as client:
        await watch.until(lambda: client.bound_for_submit)
        client.submit(texts("a"), fates)
        await watch.until(lambda: len(smsc.requests) == 1)
        stopping = asyncio.create_task(client.stop(3))
        for _ in range(12):  # 3 s of drain, then unbind_resp waits 5 s for the answer that is owed
            await clock.advance(1)
        await stopping
        assert fates.kinds() == {0: [UNANSWERED]}


async def test_stop_while_nothing_is_connected_returns_at_once() -> None:
    """Stopping during a back-off or an attempt cancels it."""
    watch, clock = Watch(), ManualClock()
    esme = Esme(watch)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        port = unused.getsockname()[1]
        async with connected(esme, bind_to(port), clock=clock) as client:
            await watch.until(lambda: client.state()[0].phase == "waiting")
            assert client.state()[0].detail
            await client.stop(60)
            assert client.state()[0].phase == "stopped"


async def test_the_least_busy_link_is_chosen() -> None:
    """Ten messages over two binds with nobody answering: five each; all parts of one over one."""
    watch = Watch()
    smsc, esme, fates = Smsc(watch), Esme(watch), Fates(watch)
    smsc.answering = False
    async with (
        serving(smsc) as (_, port),
        connected(esme, bind_to(port), bind_to(port)) as client,
    ):
        await watch.until(lambda: client.room() == 20)
        for number in range(10):
            client.submit(texts(str(number)), fates)
        client.submit(texts("x", "x", "x"), fates)
        await watch.until(lambda: len(smsc.requests) == 13)
        over: dict[object, list[str]] = {}
        for link, pdu in smsc.open:
            over.setdefault(link, []).append(pdu.octets("short_message").decode())
        counts = sorted((len(words), words.count("x")) for words in over.values())
        assert counts == [(5, 0), (8, 3)]
        smsc.answer_all()


async def test_deliveries_of_one_read_come_together_and_are_answered() -> None:
    """20 deliver_sm through a window of 10: every one accepted, given in batches, in order."""
    watch = Watch()
    smsc, esme = Smsc(watch), Esme(watch)
    fates = Fates(watch)
    async with serving(smsc) as (server, port), connected(esme, bind_to(port)) as client:
        await watch.until(lambda: client.bound_for_submit)
        link = next(iter(server.links))
        pdus: list[Pdu] = []
        for number in range(20):
            pdu = deliver()
            pdu.fields["short_message"] = str(number).encode()
            pdus.append(pdu)
            link.deliver(pdu, partial(fates, number))
        await watch.until(lambda: len(fates.answers) == 20)
        assert [answers[0].status for answers in fates.answers.values()] == [0] * 20
        got = [pdu.octets("short_message") for batch in esme.delivered for pdu in batch]
        assert got == [str(number).encode() for number in range(20)]
        assert len(esme.delivered) < 20
        assert link.session.room == 10


async def test_room_is_told_once_per_read() -> None:
    """100 answers in one go do not wake the owner 100 times."""
    watch = Watch()
    smsc, esme, fates = Smsc(watch), Esme(watch), Fates(watch)
    smsc.answering = False
    async with (
        serving(smsc, window=100) as (_, port),
        connected(esme, bind_to(port), window=100) as client,
    ):
        await watch.until(lambda: client.bound_for_submit)
        client.submit(texts(*["x"] * 100), fates)
        await watch.until(lambda: len(smsc.requests) == 100)
        smsc.answer_all()
        await watch.until(lambda: len(fates.answers) == 100)
        assert 0 < esme.rooms < 10


def patient() -> Timers:
    """Timers of a link that is never probed."""
    return Timers(enquire_link_seconds=3600)


class _Highest(random.Random):
    """Chance that always falls on the high end."""

    def uniform(self, a: float, b: float) -> float:
        """The high end."""
        return max(a, b)


async def test_after_a_loss_the_first_host_is_tried_first() -> None:
    """Where the first host is away the next one serves; when that goes, the first has its turn."""
    watch = Watch()
    first, second, esme = Smsc(watch), Smsc(watch), Esme(watch)
    async with serving(second) as (server, there):
        async with serving(first) as (_, port):
            pass  # its port is free again
        bind = replace(bind_to(port), fallbacks=(("127.0.0.1", there),))
        async with connected(esme, bind, timers=QUICK) as client:
            await watch.until(lambda: client.bound_for_submit)
            assert client.state()[0].port == there
            assert client.state()[0].version == "3.4"
            again = Server(clock=SystemClock(), events=first, timers=TIMERS, window=10)
            await again.start("127.0.0.1", port)
            next(iter(server.links)).abort()
            await watch.until(lambda: bool(first.binds) and client.bound_for_submit)
            assert client.state()[0].port == port
            await client.stop(0)
            await again.stop()


async def test_a_host_that_refuses_is_passed_over() -> None:
    """When the first host refuses the bind the next one is asked soon, without long patience."""
    watch = Watch()
    first, second, esme = Smsc(watch), Smsc(watch), Esme(watch)
    first.bind_statuses = [Status.RBINDFAIL] * 9
    async with serving(first) as (_, port), serving(second) as (_, there):
        bind = replace(bind_to(port), fallbacks=(("127.0.0.1", there),))
        async with connected(esme, bind, timers=QUICK) as client:
            await watch.until(lambda: client.bound_for_submit)
            assert (len(first.binds), len(second.binds)) == (1, 1)
