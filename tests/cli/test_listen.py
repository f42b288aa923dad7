"""`onesixty listen`: events reach a local URL, signed."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from .programs import ENVIRONMENT, PROGRAM, process


async def test_events_are_forwarded_signed(reach: dict[str, str]) -> None:
    """Each event of a message is posted once and verifies with the printed secret."""
    came: asyncio.Queue[tuple[bytes, dict[str, str]]] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        came.put_nowait((await request.read(), dict(request.headers)))
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/hook", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    listening = await asyncio.create_subprocess_exec(
        *(*PROGRAM, "listen", "--forward-to", f"http://127.0.0.1:{port}/hook"),
        env=ENVIRONMENT | reach,
        stdout=PIPE,
        stderr=sys.stderr,
    )
    try:
        assert listening.stdout
        said = ""
        while "whsec_" not in said:
            said = (await listening.stdout.readline()).decode()
        verifier = Webhook(said.strip())
        send = ("send", "--to", "+14155550123", "--from", "ACME", "Hello")
        await asyncio.to_thread(process, *send, **reach)
        events: list[dict[str, Any]] = []
        async with asyncio.timeout(20):
            while not events or events[-1]["type"] != "message.delivered":
                events.append(verifier.verify(*await came.get()))
        assert [event["sequence"] for event in events] == [1, 2, 3]
    finally:
        listening.terminate()
        await listening.communicate()
        await runner.cleanup()
    assert listening.returncode == 0
