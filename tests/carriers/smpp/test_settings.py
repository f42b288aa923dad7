"""What the settings of an SMPP carrier do, over real sockets or in the PDUs that go out."""

import datetime
import ssl
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from conformance.behaviours import SOMEBODY
from conformance.bench import Bench, submission
from conformance.peers import SmppPeer, built
from onesixty.carriers import registry
from onesixty.carriers.contract import (
    CarrierConfig,
    ErrorClass,
    OutcomeKind,
    ReceiptState,
    Submission,
)
from onesixty.carriers.smpp.binds import binds
from onesixty.carriers.smpp.carrier import SmppCarrier
from onesixty.carriers.smpp.pdus import PduBuilder
from onesixty.kit.chance import Chance
from onesixty.kit.chance import chance as a_chance
from onesixty.kit.clock import SystemClock
from onesixty.kit.problems import Problem
from onesixty.records.carriers import check
from onesixty.simulator.fault_words import Share
from onesixty.simulator.faults import Faults
from onesixty.smpp.codec import decode, encode
from onesixty.smpp.pdus import Command, Pdu, Tag
from onesixty.smpp.statuses import Status
from onesixty.sms import packing
from onesixty.sms.alphabet import GSM7
from onesixty.sms.form import Form
from smpp.wiring import Smsc, Watch, serving
from walk.platform import until

from .test_carrier import Open, connect

__all__ = ["connect"]
DEFAULTS = {field.name: field.default for field in registry.SPECS["smpp"].fields}
ACCOUNT = {"host": "h", "system_id": "x", "password": ""}


def sent(one: Submission, **settings: Any) -> list[Pdu]:
    """What the SMSC reads of a submission under these settings."""
    build = PduBuilder(1, DEFAULTS | settings, a_chance(160))
    now = one.expires_at - timedelta(days=1)
    return [decode(encode(pdu)) for pdu in build.submits(one, now).values()]


def receipt_of(text: str, **settings: Any) -> Any:
    """A receipt with this text, as a carrier with these settings reads it."""
    build = PduBuilder(1, DEFAULTS | settings, a_chance(160))
    pdu = Pdu(Command.DELIVER_SM, fields={"esm_class": 4, "short_message": text.encode()})
    return build.receipt(pdu, datetime.datetime.now(UTC), lambda pdu, status: None)


@pytest.mark.parametrize(
    ("sender", "settings", "numbering"),
    [
        ("+447700900111", {"international_ton": 0, "international_npi": 1}, (0, 1)),
        ("07700900111", {}, (2, 1)),
        ("07700900111", {"national_ton": 0, "national_npi": 8}, (0, 8)),
        ("60111", {"short_code_ton": 6, "short_code_npi": 1}, (6, 1)),
        ("ACME", {"alphanumeric_npi": 1}, (5, 1)),
    ],
)
def test_numbering(sender: str, settings: dict[str, Any], numbering: tuple[int, int]) -> None:
    """Each kind of sender, and the recipient, has the type of number that the carrier wants."""
    one = submission(SOMEBODY)
    one.sender = sender
    (pdu,) = sent(one, destination_ton=0, destination_npi=9, **settings)
    assert (pdu.number("source_addr_ton"), pdu.number("source_addr_npi")) == numbering
    assert (pdu.number("dest_addr_ton"), pdu.number("dest_addr_npi")) == (0, 9)


@pytest.mark.parametrize(
    ("alphabet", "body", "octets", "coding"),
    [
        ("gsm7", "@é", b"\x00\x05", 0),
        ("latin1", "@é", b"@\xe9", 0),
        ("latin1", "a[€]", "a[€]".encode("utf-16-be"), 8),
        ("ascii", "a@[1]", b"a@[1]", 0),
        ("ascii", "é", "é".encode("utf-16-be"), 8),
        ("utf8", "é€", "é€".encode(), 0),
    ],
)
def test_what_data_coding_0_means(alphabet: str, body: str, octets: bytes, coding: int) -> None:
    """GSM texts are written in the SMSC's own alphabet, or in UCS-2 where it lacks a letter."""
    (pdu,) = sent(submission(SOMEBODY, body), default_alphabet=alphabet)
    assert (pdu.octets("short_message"), pdu.number("data_coding")) == (octets, coding)


def test_long_texts_in_another_alphabet() -> None:
    """Parts are cut as for the GSM alphabet, which the SMSC writes on the air, and then written."""
    body = "é{" * 100  # 300 septets: two parts
    pdus = sent(submission(SOMEBODY, body), default_alphabet="latin1")
    texts = [pdu.octets("short_message")[6:].decode("latin-1") for pdu in pdus]
    assert "".join(texts) == body
    assert [len(text) for text in texts] == [102, 98]


def test_packed_septets() -> None:
    """Septets go out eight in seven octets, after a header from a septet boundary on."""
    (pdu,) = sent(submission(SOMEBODY, "hellohello"), gsm7_packed=True)
    assert pdu.octets("short_message") == packing.pack(GSM7.encode("hellohello") or b"")
    body = "ab" * 150
    parts = [
        pdu.octets("short_message") for pdu in sent(submission(SOMEBODY, body), gsm7_packed=True)
    ]
    assert [len(part) for part in parts] == [140, 135]
    septets = [packing.unpack(part[6:], packing.fill_bits(6)) for part in parts]
    assert b"".join(septets).decode() == body


def test_data_codings() -> None:
    """Each alphabet goes out under the data_coding that the carrier knows it by."""
    settings = {"gsm7_data_coding": 1, "ucs2_data_coding": 0x18}
    one, other = submission(SOMEBODY, "hi"), submission(SOMEBODY, "щ")
    other.encoding = "ucs2"
    codings = [pdu.number("data_coding") for each in (one, other) for pdu in sent(each, **settings)]
    assert codings == [1, 0x18]


@pytest.mark.parametrize(
    ("flash", "coding", "subunit"),
    [("data_coding", 0x10, None), ("data_coding_f0", 0xF0, None), ("dest_addr_subunit", 0, 1)],
)
def test_flash(flash: str, coding: int, subunit: int | None) -> None:
    """A flash message says so in the way that the carrier understands."""
    (pdu,) = sent(submission(SOMEBODY, form=Form(message_class=0)), flash=flash)
    assert pdu.number("data_coding") == coding
    assert pdu.tlv_integer(Tag.DEST_ADDR_SUBUNIT) == subunit


def test_tlvs_of_every_submit() -> None:
    """The India TLVs and free ones go with every part, text ended by a NUL where that is wanted."""
    settings = {
        "dlt_entity_id": "1101",
        "dlt_template_id": "1107",
        "dlt_chain": "a,b",
        "extra_tlvs": {"0x1403": "text:41001", "897": "0A0b"},
    }
    for pdu in sent(submission(SOMEBODY, "x" * 300), **settings):
        assert {tlv.tag: tlv.value for tlv in pdu.tlvs} == {
            0x1400: b"1101\0", 0x1401: b"1107\0", 0x1402: b"a,b\0", 0x1403: b"41001",
            0x381: b"\x0a\x0b",
        }  # fmt: skip
    (bare,) = sent(submission(SOMEBODY), **settings, dlt_nul=False)
    assert bare.tlv(0x1400) == b"1101"


def test_receipts_of_the_last_part_only() -> None:
    """Only the last part asks for a receipt, and only its id is one to match."""
    settings = {"receipts_of": "last_part", "intermediate_receipts": True}
    pdus = sent(submission(SOMEBODY, "x" * 400), **settings)
    assert [pdu.number("registered_delivery") for pdu in pdus] == [0, 0, 0x11]
    build = PduBuilder(1, DEFAULTS | settings, a_chance(160))
    assert [build.key("4711", is_last=last) for last in (False, True)] == ["", "4711"]


def test_words_of_the_carrier() -> None:
    """What stands behind `stat:` means what the carrier says it means, before any TLV."""
    text = "id:1 sub:001 dlvrd:001 submit date:1 done date:1 stat:Foo err:000 text:x"
    assert receipt_of(text).state is ReceiptState.UNKNOWN
    told = receipt_of(text, status_words={"FOO": "undelivered"}, receipt_state="tlv")
    assert (told.state, told.word) == (ReceiptState.UNDELIVERABLE, "Foo")


@pytest.mark.parametrize(
    ("given", "kind", "error_class"),
    [
        ("throttle", OutcomeKind.DEFERRED, ErrorClass.THROTTLE),
        ("transient", OutcomeKind.DEFERRED, ErrorClass.RECIPIENT),
        ("permanent", OutcomeKind.REFUSED, ErrorClass.RECIPIENT),
        ("session", OutcomeKind.DEFERRED, ErrorClass.RECIPIENT),
    ],
)
async def test_codes_of_the_carrier(
    connect: Open, given: str, kind: OutcomeKind, error_class: str
) -> None:
    """A command_status means what the settings say; one of a broken session makes it bind anew."""
    peer, bench = await connect(status_codes={"0x0B": given}, reconnect_min_seconds=0.1)
    await bench.up()
    peer.smsc.faults = Faults(refuse=Share(every=1), refuse_status=Status.RINVDSTADR)
    await bench.send(submission(SOMEBODY))
    (outcome,) = bench.final()
    assert (outcome.kind, outcome.error_class) == (kind, error_class)
    if given == "session":
        await bench.until(lambda: peer.smsc.statistics.binds == 2)


async def test_another_host(chance: Chance) -> None:
    """Where the first host does not answer the next ones are tried, and shown."""
    peer = SmppPeer()
    await peer.start(SystemClock(), chance)
    there = f"127.0.0.1:{peer.settings()['port']}"
    settings = {"port": 1, "fallback_hosts": f"127.0.0.1:2, {there}", "reconnect_min_seconds": 0.1}
    carrier = built("smpp", {**peer.settings(), **settings}, SystemClock(), chance)
    await Bench(carrier, peer, SystemClock()).up()
    assert carrier.state()["binds"][0]["host"] == there
    await carrier.stop(0.0)
    await peer.stop()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"password": "x" * 9}, "password"),
        ({"fallback_hosts": "somewhere"}, "host:port"),
        ({"extra_tlvs": {"0x0424": "00"}}, "set by the message"),
        ({"extra_tlvs": {"0x1400": "zz"}}, "hex octets"),
        ({"extra_tlvs": {"0x1400": "text:щ"}}, "ASCII"),
        ({"extra_tlvs": {"tag": "00"}}, "tag is no number"),
        ({"status_codes": {"0": "transient"}}, "0 is no number"),
        ({"dlt_chain": "щ"}, "dlt_chain"),
        ({"interface_version": "3.3", "concatenation": "sar"}, "TLVs"),
        ({"tls": True, "tls_ca": "no certificate"}, "tls_ca"),
        ({"tls": True, "tls_certificate": "x"}, "belong together"),
        ({"tls": True, "tls_certificate": "x", "tls_key": "y"}, "no pair"),
    ],
)
def test_what_no_carrier_can_be_built_with(settings: dict[str, Any], word: str) -> None:
    """Each setting that cannot be is found when the carrier is built, by its name."""
    with pytest.raises(ValueError, match=word):
        built("smpp", {**ACCOUNT, **settings}, SystemClock(), a_chance(1))


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (["0x45"], "an object"),
        ({"0x45": 4}, "text to text"),
        ({"0x45": "odd"}, "permanent"),
        ({"x" * 65: "transient"}, "64"),
        ({str(n): "transient" for n in range(101)}, "100"),
    ],
)
def test_maps_are_checked(value: Any, word: str) -> None:
    """A setting that maps text to text says what is wrong with what it was given."""
    with pytest.raises(Problem) as caught:
        check(registry.SPECS["smpp"], {**ACCOUNT, "status_codes": value})
    assert word in caught.value.errors[0].detail


def test_a_long_password(chance: Chance) -> None:
    """A password beyond eight characters goes out whole where the carrier hands out such."""
    (bind,) = binds(DEFAULTS | ACCOUNT | {"password": "x" * 12, "long_password": True})
    assert decode(encode(bind.pdu(), lenient=True), lenient=True).text("password") == "x" * 12


@pytest.fixture(scope="module")
def client_pem() -> tuple[str, str]:
    """A certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "us.example")])
    start = datetime.datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("us.example")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    text = key.private_bytes(pem, form, serialization.NoEncryption()).decode()
    return made.public_bytes(pem).decode(), text


@pytest.mark.parametrize("shows", [True, False])
async def test_a_client_certificate(
    client_pem: tuple[str, str], tmp_path: Path, chance: Chance, shows: bool
) -> None:
    """An SMSC that wants a certificate gets ours, and its own is checked against `tls_ca`."""
    certificate, key = client_pem
    path = tmp_path / "both.pem"
    path.write_text(key + certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(path))
    context.load_cert_chain(path)
    context.verify_mode = ssl.CERT_REQUIRED
    watch = Watch()
    smsc = Smsc(watch)
    async with serving(smsc, tls=context) as (_, port):
        tls: dict[str, Any] = {"tls": True, "tls_ca": certificate, "tls_server_name": "us.example"}
        if shows:
            tls |= {"tls_certificate": certificate, "tls_key": key}
        settings = {"host": "127.0.0.1", "port": port, "system_id": "x", "password": "", **tls}
        carrier = built("smpp", settings, SystemClock(), chance)
        bench = Bench(carrier, None, SystemClock())  # type: ignore[arg-type]
        await carrier.start(bench)
        if shows:
            await bench.until(carrier.is_up)
            assert len(smsc.binds) == 1
        else:
            await bench.until(lambda: carrier.state()["binds"][0]["phase"] == "waiting")
            assert smsc.binds == []
        await carrier.stop(0.0)


class _Nobody:
    """Hears news and does nothing."""

    def on_receipts(self, receipts: Any) -> None:
        """Nothing."""

    def on_inbound(self, inbounds: Any) -> None:
        """Nothing."""

    def on_room(self) -> None:
        """Nothing."""


async def test_guests_reach_nothing_inside() -> None:
    """A carrier of an account below the top never connects to this machine, and opens no port."""
    settings = DEFAULTS | ACCOUNT | {"host": "localhost", "port": 1}
    config = CarrierConfig(
        7, "guest", settings, SystemClock(), a_chance(1), is_guest=True, public_only=True
    )
    carrier = SmppCarrier(config)

    async def is_refused() -> bool:
        details = [str(one["detail"]) for one in carrier.state()["binds"]]
        return "this account may not use" in details[0]

    await carrier.start(_Nobody())
    try:
        await until(is_refused)
    finally:
        await carrier.stop(0.0)
    with pytest.raises(ValueError, match="outbind_port"):
        SmppCarrier(replace(config, settings=settings | {"outbind_port": 2776}))
