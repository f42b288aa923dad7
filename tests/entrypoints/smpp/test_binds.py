"""Who may bind over SMPP, how often, and what ends a session."""

import asyncio
from typing import Any

import pytest

from onesixty.entrypoints.smpp import admission
from onesixty.kit.secrets import password_hash
from onesixty.smpp.pdus import Command, Pdu, Tag
from onesixty.smpp.statuses import Status

from .customer import NAME, Office, submit_sm


@pytest.fixture(autouse=True)
def soon(desk: Office) -> None:
    """Refusals do not take their second."""
    desk.app.door.admission.refusal_seconds = 0.0


async def refused(desk: Office, name: str = NAME, **more: object) -> int:
    """The status of a bind on a connection of its own; `more`: command."""
    client = await desk.connect()
    answer = await client.bind(more.get("command", Command.BIND_TRANSCEIVER), name=name)  # type: ignore[arg-type]
    return answer.status


def why(desk: Office, number: int) -> str:
    """The reason of the last refusal."""
    return str(desk.app.door.sessions.shown()[number]["last_refusal"]["reason"])


async def test_versions(desk: Office) -> None:
    """The lower version holds, and clients from 3.4 on are told which."""
    await desk.esme()
    for version, shown in ((0x33, None), (0x34, b"\x34"), (0x50, b"\x50")):
        client = await desk.connect()
        answer = await client.bind(name=NAME, version=version)
        assert (answer.status, answer.text("system_id")) == (0, "ONESIXTY")
        assert answer.tlv(Tag.SC_INTERFACE_VERSION) == shown


async def test_wrong_names_and_wrong_passwords_look_the_same(desk: Office) -> None:
    """Neither tells whether there is such a customer; the operator is told which it was."""
    number = await desk.esme()
    assert await refused(desk, "nobody") == Status.RBINDFAIL
    await desk.change(password_hash=password_hash("another1"))
    assert await refused(desk) == Status.RBINDFAIL
    assert why(desk, number) == "wrong password"


async def test_refusals_of_customers_on_file(desk: Office) -> None:
    """Disabled, from elsewhere, in another mode: refused for its reason."""
    number = await desk.esme("off")
    await desk.change("off", enabled=False)
    assert await refused(desk, "off") == Status.RBINDFAIL
    assert why(desk, number) == "it is disabled"
    number = await desk.esme("away", allowed_ips=["192.0.2.0/24"])
    assert await refused(desk, "away") == Status.RBINDFAIL
    assert why(desk, number) == "not from this address"
    number = await desk.esme("sink", bind_modes=["receiver"])
    assert await refused(desk, "sink", command=Command.BIND_TRANSMITTER) == Status.RBINDFAIL
    assert why(desk, number) == "it may not bind as transmitter"
    assert await refused(desk, "sink", command=Command.BIND_RECEIVER) == 0


async def test_so_many_binds_and_no_more(desk: Office) -> None:
    """Binds at the same moment do not slip past the limit; one that ends makes room."""
    await desk.esme(max_binds=2)
    clients = [await desk.connect() for _ in range(5)]
    answers = await asyncio.gather(*(client.bind(name=NAME) for client in clients))
    assert sorted(answer.status for answer in answers) == [0, 0] + [Status.RALYBND] * 3
    bound = next(c for c, answer in zip(clients, answers, strict=True) if not answer.status)
    assert (await bound.ask(Pdu(Command.UNBIND))).status == 0
    await bound.close()
    assert await refused(desk) == 0


async def test_who_guesses_waits(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """After five wrong passwords the right one does not help either, for a while."""
    number = await desk.esme()
    monkeypatch.setattr(admission, "BAN_SECONDS", 0.2)
    wrong = Pdu(Command.BIND_TRANSCEIVER, fields={"system_id": NAME, "password": "guess"})
    for _ in range(admission.GUESSES_MOST):
        client = await desk.connect()
        assert (await client.ask(wrong)).status == Status.RBINDFAIL
    assert await refused(desk) == Status.RBINDFAIL
    assert why(desk, number) == "wrong too often, banned for a minute"
    async with asyncio.timeout(5):
        while await refused(desk):
            pass


async def test_a_known_password_is_hashed_once(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes back with the same password costs no slow hash."""
    await desk.esme(max_binds=100)
    await desk.bound()

    def slow(password: str, kept: str) -> bool:
        raise AssertionError("hashed again")

    monkeypatch.setattr(admission, "password_fits", slow)
    for _ in range(20):
        await desk.bound()


async def test_binds_of_one_address_have_a_pace(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A storm of binds is throttled."""
    monkeypatch.setattr(admission, "BINDS_AT_ONCE", 3)
    monkeypatch.setattr(admission, "BINDS_PER_SECOND", 0.01)
    await desk.esme(max_binds=100)
    statuses = [await refused(desk) for _ in range(5)]
    assert statuses == [0, 0, 0, Status.RTHROTTLED, Status.RTHROTTLED]


async def test_connections_have_a_bound(desk: Office) -> None:
    """What is one too many is closed at once; who is bound goes on."""
    await desk.esme()
    client = await desk.bound()
    server = desk.app.door.servers["smpp"]
    server.unbound_most = 2
    waiting = [await desk.connect() for _ in range(2)]
    assert await (await desk.connect()).ended() == b""
    assert (await waiting[0].bind(name=NAME)).status == 0
    server.connections_most = 3
    assert await (await desk.connect()).ended() == b""
    assert (await client.ask(submit_sm())).status == 0


CHANGES: list[dict[str, Any]] = [
    {"enabled": False},
    {"password_hash": password_hash("another1")},
    {"settings": {"bind_modes": ["receiver"]}},
    {"settings": {"allowed_ips": ["192.0.2.0/24"]}},
]


async def test_changes_that_end_sessions(desk: Office) -> None:
    """Who may be bound no longer is unbound in order; the others stay."""
    await desk.esme("other")
    other = await desk.bound("other")
    for number, changes in enumerate(CHANGES):
        await desk.esme(f"acme{number}")
        client = await desk.bound(f"acme{number}")
        await desk.change(f"acme{number}", **changes)
        assert (await client.read()).command == Command.UNBIND
    assert (await other.ask(submit_sm())).status == 0


async def test_a_change_of_settings_holds_at_once(desk: Office) -> None:
    """A session goes on under its new rate."""
    await desk.esme()
    client = await desk.bound()
    assert (await client.ask(submit_sm())).status == 0
    await desk.change(settings={"rate_per_second": 0.01, "burst": 1})
    assert (await client.ask(submit_sm())).status == 0
    assert (await client.ask(submit_sm())).status == Status.RTHROTTLED


async def test_modes(desk: Office) -> None:
    """A receiver submits nothing; what a transceiver asks before its bind is refused too."""
    await desk.esme()
    receiver = await desk.bound(command=Command.BIND_RECEIVER)
    assert (await receiver.ask(submit_sm())).status == Status.RINVBNDSTS
    stranger = await desk.connect()
    assert (await stranger.ask(submit_sm())).status == Status.RINVBNDSTS


async def test_stopping(desk: Office) -> None:
    """Open answers are given, new messages are turned away, and every session is unbound."""
    await desk.esme(window=100)
    client = await desk.bound()
    sequences = {client.send(submit_sm()) for _ in range(50)}
    answers = [await client.read()]
    stopping = asyncio.ensure_future(desk.app.door.stop(5.0))
    while (pdu := await client.read()).command != Command.UNBIND:
        answers.append(pdu)
    assert {answer.sequence for answer in answers} == sequences
    stored = sum(answer.status == 0 for answer in answers)
    assert {answer.status for answer in answers} <= {0, Status.RMSGQFUL}
    client.respond(pdu)
    await stopping
    (found,) = await desk.rows("SELECT count(*) FROM messages")
    assert found["count"] == stored > 0
    with pytest.raises(OSError, match="failed"):
        await desk.connect()


async def test_what_is_shown_of_sessions(desk: Office) -> None:
    """The state of a customer tells of its sessions and what they did."""
    number = await desk.esme()
    client = await desk.bound(version=0x50)
    await client.ask(submit_sm())
    await client.ask(submit_sm(destination_addr="12"))
    state = (await desk.app.door.headcount.states([number]))[number]
    (session,) = state["sessions"]
    assert (session["mode"], session["version"], session["tls"]) == ("transceiver", "5.0", False)
    assert (session["submits"], session["accepted"], session["unanswered_submits"]) == (2, 1, 0)
    assert state["last_refusal"] is None
