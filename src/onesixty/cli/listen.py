"""`onesixty listen`: events of an account to a URL on this machine, signed as webhooks are.

For developing a webhook where the server cannot reach it: behind a firewall, on a laptop.
"""

from base64 import b64encode
from typing import Annotated, Any, Final

import aiohttp
import orjson
import typer
from standardwebhooks import Webhook

from onesixty.cli import client
from onesixty.cli.terminal import USAGE, Failure, out, run_until_interrupted
from onesixty.kit.clock import SystemClock
from onesixty.kit.secrets import token_bytes

app = typer.Typer(add_completion=False)

FORWARD_SECONDS: Final = 15.0
SECRET_OCTETS: Final = 32


@app.command()
def listen(
    forward_to: Annotated[
        str, typer.Option(metavar="URL", help="Such as http://localhost:3000/hook.")
    ],
    types: Annotated[
        str | None,
        typer.Option(help="Only these types, with commas; message.* for all of messages."),
    ] = None,
    url: client.Url = client.URL,
    key: client.Key = None,
) -> None:
    """POST the account's events to a local URL as they happen, until Ctrl-C."""
    run_until_interrupted(_listen(forward_to, types, url, key))


async def _listen(target: str, types: str | None, url: str, key: str | None) -> None:
    secret = f"whsec_{b64encode(token_bytes(SECRET_OCTETS)).decode()}"
    signer, clock = Webhook(secret), SystemClock()

    def say_where() -> None:
        out.print(f"events go to {target}, signed with the secret\n\n    {secret}\n")
        out.file.flush()

    timeout = aiohttp.ClientTimeout(total=FORWARD_SECONDS)
    async with client.connect(url, key) as api, aiohttp.ClientSession(timeout=timeout) as session:
        async for event in api.events(say_where, type=types):
            body, now = orjson.dumps(event).decode(), clock.now()
            headers = {
                "content-type": "application/json",
                "webhook-id": event["id"],
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": signer.sign(event["id"], now, body),
            }
            out.print(f"{_line(event)}  {await _post(session, target, body, headers)}")
            out.file.flush()


async def _post(
    session: aiohttp.ClientSession, target: str, body: str, headers: dict[str, str]
) -> str:
    """Hand one event over; what came of it, in words. It is tried once."""
    try:
        async with session.post(target, data=body, headers=headers) as response:
            return str(response.status)
    except aiohttp.InvalidURL:
        raise Failure(f"--forward-to {target}: that is no URL", USAGE) from None
    except (aiohttp.ClientError, TimeoutError) as error:
        return f"not taken: {error or 'no answer'}"


def _line(event: dict[str, Any]) -> str:
    about = (event["data"] or {}).get("id", "")
    return f"{event['created_at'][11:23]}  {event['type']:<20} {about}"
