"""Files of received messages: fetched by the carrier, or from their URL, and never acted upon."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from messages.walk import Walk
from on_file import OnFile
from onesixty.carriers import loopback, registry
from onesixty.carriers.content import Content, Media
from onesixty.carriers.contract import Inbound, ignored
from onesixty.entrypoints.rest.server import Server
from onesixty.kit import ids
from onesixty.sms.alphabet import Encoding
from onesixty.sms.reassembly import Fragment

from .door import Door, listening


class Gallery(loopback.LoopbackCarrier):
    """A carrier whose files need its credentials."""

    async def fetch(self, url: str) -> tuple[str, bytes]:
        """By the id of a file."""
        if url != "file-7":
            raise OSError("no such file any more")
        return "image/png", b"picture"


@pytest.fixture
async def shelf() -> AsyncIterator[str]:
    """A server that has files; gives its URL."""

    async def give(request: web.Request) -> web.Response:
        return web.Response(body=b"<script>" * 10_000, content_type="text/html")

    async def lead(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": request.match_info["to"]})

    application = web.Application()
    application.router.add_get("/file", give)
    application.router.add_get("/lead/{to}", lead)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def received(walk: Walk, number: int, *media: Media) -> str:
    """The path of the files of a message that came over a carrier."""
    fragment = Fragment(Encoding.UCS2, "look".encode("utf-16-be"))
    walk.inbound.put(
        [
            Inbound(
                number, "+447700900999", "+447700900111", fragment, walk.clock.now(), ignored,
                channel="mms", content=Content(media=media),
            )
        ]
    )  # fmt: skip
    await walk.received()
    name = await walk.ask("SELECT id FROM messages WHERE direction = 1 ORDER BY id DESC LIMIT 1")
    return f"/v1/messages/{ids.to_text('msg', name)}/media"


async def test_by_the_carrier(
    sending: Door, walk: Walk, on_file: OnFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A carrier that has to be asked is asked with its settings; what it says is passed on."""
    spec = replace(loopback.SPEC, kind="gallery", build=Gallery)
    monkeypatch.setitem(registry.SPECS, "gallery", spec)
    number = await on_file.carrier(walk.account, "gallery")
    await walk.keeper.refresh()
    path = await received(walk, number, Media("file-7"), Media("file-8"))
    answer = await sending.ask("GET", f"{path}/1")
    assert (answer.status, answer.body) == (200, "picture")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == "attachment"
    gone = await sending.ask("GET", f"{path}/2")
    assert (gone.status, gone.body["code"]) == (502, "media_unavailable")
    assert gone.body["detail"] == "no such file any more"
    assert (await sending.ask("GET", f"{path}/3")).status == 404
    assert (await sending.ask("GET", f"{path}/0")).status == 422


async def test_by_url(server: Server, sending: Door, walk: Walk, shelf: str) -> None:
    """Redirects are followed; content that could act here is harmless; gone is told in words."""
    urls = [f"{shelf}/file", f"{shelf}/lead/%2Ffile", f"{shelf}/nothing", f"{shelf}/lead/ftp:x"]
    path = await received(walk, walk.carrier.number, *map(Media, urls))
    server.api.state.context = replace(sending.context, allow_private_urls=True)
    async with listening(server) as url:
        door = replace(sending, url=url)
        for n in (1, 2):
            answer = await door.ask("GET", f"{path}/{n}")
            assert (answer.status, len(answer.body)) == (200, 80_000)
            assert answer.headers["content-type"].startswith("text/html")
            assert answer.headers["content-security-policy"] == "sandbox"
        details = [(await door.ask("GET", f"{path}/{n}")).body["detail"] for n in (3, 4)]
    assert details[0] == "its server answers 404 Not Found"
    assert "http://" in details[1]


async def test_nothing_inside_is_fetched(sending: Door, walk: Walk, shelf: str) -> None:
    """A URL that leads into our own network is not called."""
    path = await received(walk, walk.carrier.number, Media(f"{shelf}/file"))
    answer = await sending.ask("GET", f"{path}/1")
    assert (answer.status, answer.body["code"]) == (502, "media_unavailable")
    assert "private" in answer.body["detail"]


async def test_only_received_messages(sending: Door, walk: Walk) -> None:
    """What was sent, or is somebody else's, or has no files, has none here."""
    sent = await walk.send()
    for name in (ids.to_text("msg", sent.id), ids.to_text("msg", ids.uuid7()), "msg_x"):
        answer: Any = await sending.ask("GET", f"/v1/messages/{name}/media/1")
        assert answer.status == 404
    walk.carrier.say("plain")
    await walk.received()
    name = await walk.ask("SELECT id FROM messages WHERE direction = 1")
    path = f"/v1/messages/{ids.to_text('msg', name)}/media/1"
    assert (await sending.ask("GET", path)).status == 404
