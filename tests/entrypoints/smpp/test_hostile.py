"""Clients who mean harm or have faults: each harms itself only."""

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from onesixty.entrypoints.smpp import submits
from onesixty.smpp.codec import encode
from onesixty.smpp.pdus import Command, FieldValue, Pdu
from onesixty.smpp.statuses import Status
from smpp.test_tls import certificate  # noqa: F401 - a fixture

from .customer import NAME, PASSWORD, Office, office, submit_sm


async def test_a_pdu_that_breaks_us_breaks_nobody_else(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours costs one message, which is answered; the others of its read are stored."""
    await desk.esme()
    client = await desk.bound()
    read = submits.read

    def broken(pdu: Pdu, *more: object) -> object:
        if pdu.octets("short_message") == b"poison":
            raise ZeroDivisionError
        return read(pdu, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(submits, "read", broken)
    sequences = [client.send(submit_sm(text)) for text in (b"one", b"poison", b"two")]
    answers = {(answer := await client.read()).sequence: answer.status for _ in sequences}
    assert [answers[sequence] for sequence in sequences] == [0, Status.RSYSERR, 0]


async def test_what_no_database_takes(desk: Office) -> None:
    """NUL characters go out of texts; addresses with control characters are refused."""
    await desk.esme()
    client = await desk.bound()
    answer = await client.ask(submit_sm("a\0b".encode("utf-16-be"), data_coding=8))
    assert (await desk.message(answer.text("message_id")))["body"] == "ab"
    for address in ("Sh\x01op", "\xff" * 11):
        assert (await client.ask(submit_sm(source_addr=address))).status == Status.RINVSRCADR


async def test_more_than_the_window(desk: Office) -> None:
    """A client that ignores its window is read more slowly, and every submit is answered."""
    await desk.esme(window=1)
    client = await desk.bound()
    sequences = {client.send(submit_sm()) for _ in range(500)}
    answers = [await client.read() for _ in sequences]
    assert {answer.sequence for answer in answers} == sequences
    assert {answer.status for answer in answers} == {0}


async def test_without_the_database(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database is away submits are refused as not stored, and taken again afterwards."""
    await desk.esme()
    client = await desk.bound()
    database = desk.app.database

    async def away(*_: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(type(database), "fetch", away)
    assert (await client.ask(submit_sm())).status == Status.RSYSERR
    monkeypatch.undo()
    assert (await client.ask(submit_sm())).status == 0


async def test_overloaded(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """When too much waits to be stored, the client is told that the queue is full."""
    await desk.esme(window=100)
    client = await desk.bound()
    gatherer = desk.app.acceptor.gatherer
    monkeypatch.setattr(gatherer, "_bounds", replace(gatherer._bounds, inbox_max=5))
    client._writer.write(b"".join(encode(replace(submit_sm(), sequence=n)) for n in range(50)))
    statuses = [(await client.read()).status for _ in range(50)]
    assert set(statuses) == {0, Status.RMSGQFUL}


async def test_tls(url: str, certificate: Path) -> None:  # noqa: F811
    """Customers bind over TLS, and the session says so; plain octets there are no SMPP."""
    async with office(url, smpp_tls_port=0, smpp_tls_certificate=certificate) as desk:
        await desk.esme()
        server = desk.app.door.servers["smpp_tls"]
        port = await server.start("127.0.0.1", 0)
        trusting = ssl.create_default_context(cafile=str(certificate))
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        fields: dict[str, FieldValue] = {"system_id": NAME, "password": PASSWORD}
        writer.write(encode(Pdu(Command.BIND_TRANSCEIVER, sequence=1, fields=fields)))
        head = await reader.readexactly(16)
        assert head[8:12] == bytes(4)
        (session,) = desk.app.door.sessions.by_link.values()
        assert session.tls
        writer.close()
