"""Official clients that build their URLs themselves are led to a desk by their own `requests`."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

from .desk import Desk


def reroute(session: Session, desk: Desk) -> None:
    """Whatever host it means, its requests come to the desk, and are as they would have been."""
    session.mount("https://", _Rerouted(desk.url))


class _Rerouted(HTTPAdapter):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._desk = urlsplit(url)

    def send(self, request: PreparedRequest, *args: Any, **more: Any) -> Response:
        parts = urlsplit(request.url or "")
        there = parts._replace(scheme=self._desk.scheme, netloc=self._desk.netloc)
        request.url = urlunsplit(there)
        return super().send(request, *args, **more)
