"""Answers and calls that are written by hand, for tests of dialects and of readers of calls."""

from onesixty.carriers.contract import Call
from onesixty.carriers.http.dialect import Answer, Request

from .wire import CALLBACK, NOW


def call(
    path: str, body: bytes = b"", *, method: str = "POST", query: str = "", **more: str
) -> Call:
    """A call of a far side; `more` are headers, with _ in place of -."""
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    url = f"{CALLBACK}/{path}" + (f"?{query}" if query else "")
    return Call(method, url, path, headers, body, NOW)


def answer(status: int, body: bytes, **headers: str) -> Answer:
    """An answer; names of headers with _ in place of -."""
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


class Asked:
    """An `Ask` that answers what it was given, and keeps what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.requests: list[Request] = []
        self._answers = list(answers)

    async def __call__(self, request: Request) -> Answer:
        """The next answer."""
        self.requests.append(request)
        return self._answers.pop(0)
