"""`onesixty smpp probe`: what it finds out, and what it leaves alone."""

import json
import ssl
from pathlib import Path

import pytest

from onesixty.cli.smpp.probe import form_of
from smpp import wiring
from smpp.test_tls import certificate, server_side

from .centre import PASSWORD, centre, run

__all__ = ["certificate"]


async def test_it_tells_what_a_centre_supports() -> None:
    """Versions, modes, round trips and commands; nothing is sent."""
    async with centre() as (smsc, there):
        done = await run("smpp", "probe", *there, "--json", **PASSWORD)
        assert done.returncode == 0, done.stderr
        assert smsc.statistics.submits == 0
        assert smsc.statistics.binds == 5
    found = json.loads(done.stdout)
    assert "by ONESIXTY, sc_interface_version 0x34" in found["transceiver 3.4"]
    assert "sc_interface_version 0x50" in found["transceiver 5.0"]
    assert "no sc_interface_version" in found["transceiver 3.3"]
    assert "accepted" in found["transmitter 3.4"]
    assert "accepted" in found["receiver 3.4"]
    assert found["query_sm"].startswith("known: ESME_RQUERYFAIL")
    assert "least / median / most" in found["enquire_link"]
    assert "secret" not in done.stdout


@pytest.mark.parametrize(
    ("form", "message_id", "receipt_id"),
    [
        ("uuid", "(36 characters, UUID, lower case)", "the same id"),
        ("hex_then_decimal", "(16 characters, ", ", the message id in decimal ("),
        ("decimal_then_hex", "decimal digits)", ", the message id in hexadecimal ("),
        (
            "padded_then_decimal",
            "(24 characters, decimal digits)",
            ", the same but for case, zeros",
        ),
    ],
)
async def test_a_message_shows_how_ids_are_written(
    form: str, message_id: str, receipt_id: str
) -> None:
    """With --to one message goes out; its id, and how the id of its receipt stands to it."""
    async with centre(f"id_form={form}") as (smsc, there):
        done = await run("smpp", "probe", *there, "--to", "+447700900123", "--json", **PASSWORD)
        assert smsc.statistics.submits == 1
    found = json.loads(done.stdout)
    assert message_id in found["message id"]
    assert receipt_id in found["receipt"]
    assert "DELIVRD" in found["receipt"]


@pytest.mark.parametrize(
    ("identifier", "form"),
    [
        ("6882966063000001", "16 characters, decimal digits"),
        ("19a0b1c2d3e4f001", "16 characters, hexadecimal digits, lower case"),
        ("19A0B1C2D3E4F001", "16 characters, hexadecimal digits, upper case"),
        ("smsc1-4711", "10 characters, neither decimal nor hexadecimal"),
    ],
)
def test_an_id_tells_its_form(identifier: str, form: str) -> None:
    """Only what its characters say: digits alone may be a number in either base."""
    assert form_of(identifier) == form


async def test_what_is_for_somebody_else_is_left_to_them() -> None:
    """A message from a handset that comes while an account is probed comes again afterwards."""
    async with centre("bind_delay_seconds=0.05") as (smsc, there):
        smsc.receive_from("+447700900123", "+14155550100", "not for a probe", account="me")
        done = await run("smpp", "probe", *there, "--json", **PASSWORD)
        assert smsc.statistics.delivered == 0
    assert "with ESME_RX_T_APPN" in json.loads(done.stdout)["deliveries"]


async def test_a_wrong_password_is_tried_once() -> None:
    """A refusal that may be about the password ends it, so that no address is banned."""
    async with centre() as (smsc, there):
        done = await run("smpp", "probe", *there, ONESIXTY_SMPP_PASSWORD="wrong")
        assert smsc.statistics.binds == 0
    assert done.returncode == 1
    assert done.stdout.count("refused: ESME_") == 1
    assert "no further bind was tried" in done.stdout


async def test_a_silent_centre_is_given_up() -> None:
    """Who does not answer is told, and the exit code says that no bind was accepted."""
    async with centre("bind_delay_seconds=5") as (_, there):
        done = await run("smpp", "probe", *there, "--seconds", "0.2", **PASSWORD)
    assert done.returncode == 1
    assert "no answer within 0.2 s" in done.stdout
    nobody = await run("smpp", "probe", "--host", "127.0.0.1", "--port", "1", "--system-id", "me",
                       **PASSWORD)  # fmt: skip
    assert nobody.returncode == 1
    assert "Connection refused" in nobody.stdout


async def test_tls_is_told(certificate: Path) -> None:
    """The version, the cipher, and for whom the certificate is; one that is not good is refused."""
    smsc = wiring.Smsc(wiring.Watch())
    context: ssl.SSLContext = server_side(certificate)
    async with wiring.serving(smsc, tls=context) as (_, port):
        there = ("--host", "127.0.0.1", "--port", str(port), "--system-id", "me", "--tls")
        good = await run(
            "smpp", "probe", *there, "--tls-ca", str(certificate), "--seconds", "0.5", **PASSWORD
        )
        bad = await run("smpp", "probe", *there, **PASSWORD)
    assert "TLSv1.3" in good.stdout
    assert "smsc.example, 127.0.0.1; by smsc.example; until" in good.stdout
    assert "the certificate is not good" in bad.stdout
    assert bad.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name a message centre"),
        (("--host", "x", "--system-id", "me", "--mode", "both"), "--mode is one of"),
        (("--host", "x", "--system-id", "me", "--password-file", "/none"), "No such file"),
        (("--host", "x", "--system-id", "me"), "a password is needed"),
    ],
)
async def test_wrong_use_is_said(arguments: tuple[str, ...], told: str) -> None:
    """What is missing is named; a password is never taken from the command line."""
    done = await run("smpp", "probe", *arguments)
    assert done.returncode == 2
    assert told in done.stderr
