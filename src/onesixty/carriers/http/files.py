"""Carriers over HTTP whose inbound files are kept by the provider, for who has the credentials."""

from collections.abc import Callable, Mapping
from typing import Final, Protocol
from urllib.parse import urljoin, urlsplit

from aiohttp import ClientError

from onesixty.carriers.contract import CarrierConfig
from onesixty.carriers.http.carrier import HttpCarrier
from onesixty.carriers.http.client import Client
from onesixty.carriers.http.dialect import Ask, Dialect, NoAnswerError, NotSentError, Request
from onesixty.kit import http

SECONDS: Final = 60.0
OCTETS_MOST: Final = 50_000_000
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_UNTYPED: Final = "application/octet-stream"


class FilesDialect(Dialect, Protocol):
    """A dialect that knows which URLs are the provider's own."""

    def file_headers(self, url: str) -> Mapping[str, str] | None:
        """The headers that fetch a file; None for a URL that must not see the credentials."""
        ...


class FilesCarrier(HttpCarrier):
    """Fetches files: with the credentials from the provider, without from wherever it leads."""

    def __init__(self, config: CarrierConfig, make: Callable[[Ask], FilesDialect]) -> None:
        self._files: FilesDialect
        self._public_only = config.public_only

        def kept(ask: Ask) -> FilesDialect:
            self._files = make(ask)
            return self._files

        super().__init__(config, kept)

    async def fetch(self, url: str) -> tuple[str, bytes]:
        """Content type and octets of an inbound file. Raises OSError."""
        headers = self._files.file_headers(url)
        if headers is None:
            return await _from_elsewhere(url)
        client = Client(SECONDS, OCTETS_MOST, public_only=self._public_only)
        try:
            answer = await client.ask(Request("GET", url, headers))
        except (NotSentError, NoAnswerError) as error:
            raise OSError(str(error)) from None
        finally:
            await client.close()
        if answer.status in _REDIRECTS and "location" in answer.headers:
            return await _from_elsewhere(urljoin(url, answer.headers["location"]))
        if answer.status != 200:
            raise OSError(f"the provider answers {answer.status}")
        return answer.headers.get("content-type", _UNTYPED), answer.body


def is_at(url: str, place: str, *domains: str) -> bool:
    """Whether a URL is of the same scheme, host and port as `place`, or by TLS below a domain."""
    parts, known = urlsplit(url), urlsplit(place)
    if (parts.scheme, parts.netloc) == (known.scheme, known.netloc):
        return True
    host = parts.hostname or ""
    return parts.scheme == "https" and any(host.endswith(f".{domain}") for domain in domains)


async def _from_elsewhere(url: str) -> tuple[str, bytes]:
    """A file of a stranger, who may not lead us to addresses of our own network."""
    try:
        async with http.got(url, allow_private=False, seconds=SECONDS) as answer:
            if answer.status != 200:
                raise OSError(f"its server answers {answer.status}")
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > OCTETS_MOST:
                    raise OSError("the file is too long")
            return answer.headers.get("Content-Type", _UNTYPED), bytes(body)
    except ClientError as error:
        raise OSError(f"the file broke off: {type(error).__name__}") from error
