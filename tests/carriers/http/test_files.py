"""Files of received messages: the provider sees the credentials, and nobody else does."""

from collections.abc import AsyncIterator, Mapping

import pytest
from aiohttp import web

from carriers.aggregators.wire import config
from onesixty.carriers.aggregators.twilio import SPEC
from onesixty.carriers.contract import CarrierConfig, MediaCarrier
from onesixty.carriers.http.files import is_at

SETTINGS: Mapping[str, str] = {"account_sid": "AC" + "1" * 32, "auth_token": "token"}


@pytest.fixture
async def shelf() -> AsyncIterator[tuple[str, list[str]]]:
    """A provider with files: its URL, and the credentials of each request."""
    seen: list[str] = []

    async def give(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        match request.path:
            case "/file":
                return web.Response(body=b"picture", content_type="image/png")
            case "/leads":
                return web.Response(status=307, headers={"Location": "/file"})
        return web.Response(status=404)

    runner = web.ServerRunner(web.Server(give))  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    await runner.cleanup()


async def _fetched(given: CarrierConfig, url: str) -> tuple[str, bytes]:
    carrier = SPEC.build(given)
    assert isinstance(carrier, MediaCarrier)
    try:
        return await carrier.fetch(url)
    finally:
        await carrier.stop(0)


async def test_a_file_at_the_provider_is_fetched_with_credentials(
    shelf: tuple[str, list[str]],
) -> None:
    """Its type and its octets; a file that is gone is said to be."""
    url, seen = shelf
    given = config(SPEC, {**SETTINGS, "base_url": url})
    assert await _fetched(given, f"{url}/file") == ("image/png", b"picture")
    assert seen[0].startswith("Basic ")
    with pytest.raises(OSError, match="404"):
        await _fetched(given, f"{url}/gone")


@pytest.mark.parametrize(("path", "requests"), [("leads", 1), ("file", 0)])
async def test_nobody_else_sees_them(
    shelf: tuple[str, list[str]], path: str, requests: int
) -> None:
    """Neither a place that the provider leads to, nor one that only a message names.

    Both are places of our own network here, and are not called at all.
    """
    url, seen = shelf
    other = url.replace("127.0.0.1", "localhost")
    base = url if requests else "https://api.twilio.com"
    with pytest.raises(OSError, match=r"not|internal|private"):
        await _fetched(
            config(SPEC, {**SETTINGS, "base_url": base}), f"{other if not requests else url}/{path}"
        )
    assert len(seen) == requests


@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("https://api.twilio.com/a", True),
        ("https://api.dublin.ie1.twilio.com/a", True),
        ("http://127.0.0.1:8/a", True),
        ("http://127.0.0.1:9/a", False),
        ("https://127.0.0.1:8/a", False),
        ("http://api.twilio.com/a", False),
        ("https://eviltwilio.com/a", False),
        ("https://twilio.com.evil.example/a", False),
        ("https://evil.example/?api.twilio.com", False),
        ("https://api.twilio.com@evil.example/a", False),
        ("nonsense", False),
    ],
)
def test_what_is_the_providers_own(url: str, there: bool) -> None:
    """The place of the settings, or by TLS below the provider's domain."""
    assert is_at(url, "http://127.0.0.1:8/2010", "twilio.com") is there
