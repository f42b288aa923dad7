"""`onesixty smpp send`: what goes out is what was asked for, and what comes back is shown."""

import pytest

from onesixty.smpp.pdus import Tag

from .centre import PASSWORD, centre, run

TO = ("--to", "447700900123")


async def test_a_text_goes_out_and_its_receipt_comes_back() -> None:
    """Every PDU is a line; the numbering, the alphabet and a field of one's own are right."""
    async with centre() as (smsc, there):
        done = await run(
            "smpp", "send", *there, *TO, "--from", "ACME", "--tlv", "0x0204=002a",
            "--field", "esm_class=0x03", "Zoë €", **PASSWORD,
        )  # fmt: skip
        assert smsc.record is not None
        (taken,) = smsc.record.submissions
    assert done.returncode == 0, done.stderr
    pdu = taken.pdu
    assert (pdu.number("source_addr_ton"), pdu.number("dest_addr_ton")) == (5, 1)
    assert (pdu.number("data_coding"), pdu.number("esm_class")) == (8, 3)
    assert pdu.octets("short_message") == "Zoë €".encode("utf-16-be")
    assert pdu.tlv_integer(Tag.USER_MESSAGE_REFERENCE) == 42
    lines = [line.split()[1:3] for line in done.stdout.splitlines()]
    assert lines == [
        ["->", "bind_transceiver"], ["<-", "bind_transceiver_resp"],
        ["->", "submit_sm"], ["<-", "submit_sm_resp"],
        ["<-", "deliver_sm"], ["->", "deliver_sm_resp"],
        ["->", "unbind"], ["<-", "unbind_resp"],
    ]  # fmt: skip
    assert "'Zoë €'" in done.stdout
    assert "secret" not in done.stdout


async def test_octets_go_out_as_they_are() -> None:
    """Octets in message_payload, without waiting for a receipt."""
    async with centre() as (smsc, there):
        done = await run(
            "smpp", "send", *there, *TO, "--hex", "00 01 ff", "--payload", "--wait", "0",
            "--field", "data_coding=4", **PASSWORD,
        )  # fmt: skip
        assert smsc.record is not None
        (taken,) = smsc.record.submissions
    assert done.returncode == 0, done.stderr
    assert taken.pdu.user_data() == b"\0\1\xff"
    assert taken.pdu.octets("short_message") == b""


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("refuse=1", "refused: ESME_"),
        ("undelivered=1", "undeliverable"),
        ("bind_status=ESME_RALYBND", "refused: ESME_RALYBND"),
    ],
)
async def test_what_does_not_arrive_fails(fault: str, said: str) -> None:
    """A refused bind, a refused message and a receipt of failure make the exit code 1."""
    async with centre(fault) as (_, there):
        done = await run("smpp", "send", *there, *TO, "Hello", **PASSWORD)
    assert done.returncode == 1
    assert said in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--field", "short=1"), "with one of: service_type"),
        (("--field", "esm_class=x"), "'x' is no number"),
        (("--field", "data_coding=0"), "data_coding 0 has no 'П'"),
        (("--field", "data_coding=2"), "give them with --hex"),
        (("--tlv", "1"), "write TAG=HEX"),
        (("--hex",), "is no hexadecimal digit"),
    ],
)
async def test_wrong_use_is_said(arguments: tuple[str, ...], told: str) -> None:
    """What cannot be sent is told before anything is connected."""
    done = await run("smpp", "send", "--host", "x", "--system-id", "me", *TO, *arguments, "П")
    assert done.returncode == 2
    assert told in done.stderr
