"""SMPP over TLS from the first octet, between our client and our server."""

import asyncio
import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from onesixty.smpp.client import AnswerKind, Timers

from .wiring import Esme, Fates, Raw, Smsc, Watch, bind_pdu, bind_to, connected, serving, texts


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for smsc.example and 127.0.0.1, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "smsc.example")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("smsc.example"), address]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(
        key.private_bytes(encoding, form, serialization.NoEncryption())
        + made.public_bytes(encoding)
    )
    return path


def server_side(certificate: Path) -> ssl.SSLContext:
    """What a server with this certificate speaks."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize("server_name", ["", "smsc.example"])
async def test_messages_pass_over_verified_tls(certificate: Path, server_name: str) -> None:
    """Chain and name are checked - the host's own or the one configured - and messages pass."""
    watch = Watch()
    smsc, esme, fates = Smsc(watch), Esme(watch), Fates(watch)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with serving(smsc, tls=server_side(certificate)) as (_, port):
        bind = bind_to(port, tls=trusting, tls_server_name=server_name)
        async with connected(esme, bind) as client:
            await watch.until(lambda: client.bound_for_submit)
            client.submit(texts(*"abc"), fates)
            await watch.until(lambda: len(fates.answers) == 3)
            assert fates.kinds() == {n: [AnswerKind.ANSWERED] for n in range(3)}


@pytest.mark.parametrize(("trusts", "server_name"), [(False, ""), (True, "other.example")])
async def test_an_unknown_issuer_or_wrong_name_is_refused(
    certificate: Path, trusts: bool, server_name: str
) -> None:
    """The client does not bind, and its state says that the certificate is to blame."""
    watch = Watch()
    smsc, esme = Smsc(watch), Esme(watch)
    context = ssl.create_default_context(cafile=str(certificate) if trusts else None)
    async with serving(smsc, tls=server_side(certificate)) as (_, port):
        bind = bind_to(port, tls=context, tls_server_name=server_name)
        async with connected(esme, bind) as client:
            await watch.until(lambda: client.state()[0].phase == "waiting")
            assert "certificate" in client.state()[0].detail.lower()
            assert smsc.binds == []


async def test_plain_smpp_on_the_tls_port_is_closed(certificate: Path) -> None:
    """A client that forgot TLS gets no answer, and the server lives on."""
    smsc = Smsc(Watch())
    async with serving(smsc, tls=server_side(certificate)) as (_, port):
        raw = await Raw.connect(port)
        raw.write(bind_pdu())
        assert b"esme" not in await raw.ended()
        assert smsc.binds == []
        await raw.close()


async def test_tls_towards_a_plain_port_fails_at_once(certificate: Path) -> None:
    """The server calls the ClientHello not SMPP and closes; the client reports it and waits."""
    watch = Watch()
    esme = Esme(watch)
    context = ssl.create_default_context(cafile=str(certificate))
    async with (
        serving(Smsc(watch)) as (server, port),
        connected(esme, bind_to(port, tls=context)) as client,
    ):
        await watch.until(lambda: client.state()[0].phase == "waiting")
        assert client.state()[0].detail
        for link in list(server.links):
            await link.lost.wait()
            assert "not SMPP" in link.reason


async def test_a_handshake_that_never_ends_is_given_up(certificate: Path) -> None:
    """connect_seconds bounds the connection and the handshake together."""
    watch = Watch()
    esme = Esme(watch)
    context = ssl.create_default_context(cafile=str(certificate))
    silent = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    timers = Timers(connect_seconds=0.05)
    async with connected(esme, bind_to(port, tls=context), timers=timers) as client:
        await watch.until(lambda: client.state()[0].phase == "waiting")
        assert client.state()[0].detail == "no connection in time"
    silent.close()
