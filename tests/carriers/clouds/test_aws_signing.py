"""Signatures of requests to AWS, and where the credentials for them come from."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from carriers.aggregators.wire import config
from onesixty.carriers.clouds.aws_signing import Signer, endpoint
from onesixty.carriers.clouds.aws_sns import SPEC
from onesixty.carriers.contract import CarrierConfig
from onesixty.carriers.http.dialect import NotSentError, Request
from onesixty.kit.manual_clock import ManualClock

GIVEN = {
    "region": "us-east-1",
    "access_key_id": "AKIDEXAMPLE",
    "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
}
REQUEST = Request("POST", "https://example.amazonaws.com/")


async def _authorization(config: CarrierConfig, service: str = "service") -> str:
    return (await Signer(config, service).sign(REQUEST)).headers["Authorization"]


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        ("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ],
)
async def test_the_test_vectors_of_aws(method: str, signature: str) -> None:
    """The published signatures of its example requests come out."""
    clock = ManualClock(datetime(2015, 8, 30, 12, 36, tzinfo=UTC))
    request = Request(method, "https://example.amazonaws.com/")
    signed = await Signer(config(SPEC, GIVEN, clock), "service").sign(request)
    assert signed.headers == {
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": "AWS4-HMAC-SHA256"
        " Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request,"
        f" SignedHeaders=host;x-amz-date, Signature={signature}",
    }


async def test_a_session_token_is_signed_with_the_request() -> None:
    """Temporary credentials in the settings need their token."""
    signed = await Signer(config(SPEC, GIVEN | {"session_token": "tok"}), "sns").sign(REQUEST)
    assert signed.headers["X-Amz-Security-Token"] == "tok"
    assert "x-amz-security-token" in signed.headers["Authorization"]


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"region": "eu-west-1"}, "https://sns.eu-west-1.amazonaws.com"),
        ({"region": "cn-north-1"}, "https://sns.cn-north-1.amazonaws.com.cn"),
        ({"region": "x", "base_url": "https://sns.example.com/"}, "https://sns.example.com"),
    ],
)
def test_the_region_tells_the_address(settings: dict[str, str], url: str) -> None:
    """Unless `base_url` does."""
    assert endpoint(config(SPEC, settings), "sns") == url


def test_a_key_without_its_secret_is_faulty() -> None:
    """It is told when the carrier is built."""
    with pytest.raises(ValueError, match="needs secret_access_key"):
        Signer(config(SPEC, {"region": "x", "access_key_id": "AK"}), "sns")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine without any credentials of AWS."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return monkeypatch


async def test_credentials_are_found_where_aws_tools_find_them(
    machine: pytest.MonkeyPatch,
) -> None:
    """Without any the message has not left; once there are some, they sign, some seconds later."""
    clock = ManualClock()
    signer = Signer(config(SPEC, {"region": "us-east-1"}, clock), "sns")
    with pytest.raises(NotSentError, match="no AWS credentials"):
        await signer.sign(REQUEST)
    machine.setenv("AWS_ACCESS_KEY_ID", "FOUND")
    machine.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(NotSentError, match="no AWS credentials"):
        await signer.sign(REQUEST)
    await clock.advance(5)
    assert "Credential=FOUND/" in (await signer.sign(REQUEST)).headers["Authorization"]


async def test_a_profile_that_is_not_there_is_told(machine: pytest.MonkeyPatch) -> None:
    """What botocore cannot do becomes a reason for people."""
    machine.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(NotSentError, match="nobody"):
        await _authorization(config(SPEC, {"region": "us-east-1"}))


@dataclass
class Role:
    """The credentials of a container's role: new ones at each request, once `go` is set."""

    asked: int = 0
    go: Event = field(default_factory=Event)

    def next(self) -> bytes:
        """Good for ten minutes: botocore renews such as soon as it is asked."""
        self.go.wait(10)
        self.asked += 1
        ends = datetime.now(UTC) + timedelta(minutes=10)
        told = {
            "AccessKeyId": f"ROLE{self.asked}",
            "SecretAccessKey": "secret",
            "Token": "token",
            "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return json.dumps(told).encode()


@pytest.fixture
def role(machine: pytest.MonkeyPatch) -> Iterator[Role]:
    """A machine with a role."""
    made = Role()
    made.go.set()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = made.next()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/role"
    machine.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
    yield made
    made.go.set()
    server.shutdown()
    thread.join()
    server.server_close()


async def test_temporary_credentials_are_renewed_while_messages_go_on(role: Role) -> None:
    """A minute later somebody looks again; meanwhile others sign with what is known."""
    clock = ManualClock()
    signer = Signer(config(SPEC, {"region": "us-east-1"}, clock), "sns")

    async def key() -> str:
        signed = await asyncio.wait_for(signer.sign(REQUEST), 10)
        return signed.headers["Authorization"].partition("Credential=")[2].partition("/")[0]

    first = await key()
    asked = role.asked
    assert await key() == first
    assert role.asked == asked
    await clock.advance(61)
    role.go.clear()
    looking = asyncio.create_task(key())
    await asyncio.sleep(0)
    assert await key() == first
    role.go.set()
    assert await looking == f"ROLE{role.asked}" != first
