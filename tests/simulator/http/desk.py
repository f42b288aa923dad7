"""A far side on a real socket for official clients, which block; in a thread of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from onesixty.simulator.http.far_side import FarSide, Incoming, Refusal, Response, Submitted


class Desk:
    """What came: `submitted`. With `refusal` set every message is refused so."""

    def __init__(self, far_side: FarSide) -> None:
        self.far_side = far_side
        self.submitted: list[Submitted] = []
        self.refusal: Refusal | None = None
        self.url = ""

    def answer(self, request: Incoming) -> Response:
        """What the far side says to a request."""
        taken = self.far_side.take(request)
        if isinstance(taken, Response):
            return taken
        self.submitted.append(taken)
        if self.refusal is not None:
            return self.far_side.refused(taken, self.refusal, 1)
        return self.far_side.accepted(taken)


@contextmanager
def listening(far_side: FarSide) -> Iterator[Desk]:
    """A desk at `Desk.url` until the end of the block."""
    desk = Desk(far_side)

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            path, _, query = self.path.partition("?")
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Incoming(self.command, path, query, headers, self.rfile.read(length))
            given = desk.answer(request)
            self.send_response(given.status)
            self.send_header("content-type", given.content_type)
            self.send_header("content-length", str(len(given.body)))
            for name, value in given.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(given.body)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    desk.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield desk
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
