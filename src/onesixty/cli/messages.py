"""`onesixty send` and `onesixty messages`: through the HTTP API of a running server."""

import base64
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import typer
from rich.status import Status as Spinner

from onesixty.cli import client
from onesixty.cli.client import Api
from onesixty.cli.terminal import (
    FAILED,
    USAGE,
    Failure,
    out,
    print_table,
    run,
    run_until_interrupted,
)
from onesixty.kit.clock import SystemClock

send_app = typer.Typer(add_completion=False)
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Look at messages of a running server, and cancel them.",
)

LOOK_SECONDS: Final = 0.25
FINAL: Final = frozenset(
    {"delivered", "undelivered", "failed", "expired", "canceled", "read", "received"}
)
BAD: Final = frozenset({"undelivered", "failed", "expired", "canceled"})
_STYLES: Final = {
    "delivered": "green",
    "read": "green",
    "uncertain": "yellow",
    **dict.fromkeys(BAD, "red"),
}

Channel = Annotated[str | None, typer.Option(metavar="CHANNEL", help="sms, mms or whatsapp.")]
Media = Annotated[
    list[str] | None, typer.Option(metavar="URL", help="A file; more than once for several.")
]
Template = Annotated[
    str | None,
    typer.Option(metavar="NAME[:LANGUAGE]", help="An approved template, in English if not said."),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(metavar="TEXT", help="For the places of the template, in their order."),
]
Fallback = Annotated[
    str | None,
    typer.Option(
        metavar="PLAN", help="Channels to try in order, each with its time: whatsapp:60s,sms"
    ),
]
MessageId = Annotated[str, typer.Argument(metavar="ID", help="msg_...")]


@send_app.command()
def send(
    to: Annotated[
        str, typer.Option(metavar="NUMBER", help="The recipient in E.164: +14155550123.")
    ],
    text: Annotated[
        str | None,
        typer.Argument(metavar="[TEXT]", help="What to send; not needed with what follows."),
    ] = None,
    sender: Annotated[
        str | None,
        typer.Option("--from", metavar="SENDER", help="A number, short code or up to 11 letters."),
    ] = None,
    channel: Channel = None,
    media: Media = None,
    template: Template = None,
    parameter: Parameters = None,
    fallback: Fallback = None,
    flash: Annotated[
        bool, typer.Option("--flash", help="Show it at once and store it nowhere.")
    ] = False,
    data: Annotated[
        str | None, typer.Option(metavar="HEX", help="Binary data in hexadecimal digits.")
    ] = None,
    udh: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="User data header, with its length octet."),
    ] = None,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", help="Follow it so long at most.")
    ] = 60.0,
    url: client.Url = client.URL,
    key: client.Key = None,
) -> None:
    """Send one message and follow it until its end; exits with 1 when it does not arrive."""
    given = {
        "body": text,
        "from": sender,
        "channel": channel,
        "media": [{"url": one} for one in media or ()],
        "template": _template(template, parameter),
        "fallback": fallback and [_step(one) for one in fallback.split(",")],
        "flash": flash,
        "data": _base64(data),
        "udh": udh,
    }
    body = {"to": to} | {name: value for name, value in given.items() if value}
    if run(_send(url, key, body, wait)) in BAD:
        raise typer.Exit(FAILED)


@app.command("list")
def list_messages(
    status: Annotated[str | None, typer.Option(help="One status, or several with commas.")] = None,
    to: Annotated[str | None, typer.Option(metavar="NUMBER", help="Only to this number.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many, newest first.")] = 20,
    url: client.Url = client.URL,
    key: client.Key = None,
) -> None:
    """List messages, newest first."""

    async def work() -> list[dict[str, Any]]:
        async with client.connect(url, key) as api:
            page = await api.get("/v1/messages", status=status, to=to, limit=limit)
        found: list[dict[str, Any]] = page["data"]
        return found

    print_table(
        ("ID", "CREATED", "STATUS", "CHANNEL", "FROM", "TO", "CARRIER", "TEXT"),
        [
            (
                m["id"],
                m["created_at"],
                m["status"],
                m["channel"],
                m["from"],
                m["to"],
                m["carrier"],
                _short(m["body"] or m.get("data", "")),
            )
            for m in run(work())
        ],
    )


@app.command()
def show(message_id: MessageId, url: client.Url = client.URL, key: client.Key = None) -> None:
    """Show a message and all that happened to it."""

    async def work() -> tuple[dict[str, Any], dict[str, Any]]:
        async with client.connect(url, key) as api:
            path = f"/v1/messages/{message_id}"
            return await api.get(path), await api.get(f"{path}/timeline")

    message, timeline = run(work())
    for name, value in message.items():
        if value not in (None, [], "message"):
            out.print(f"{name:<13} {_in_words(value)}")
    for title, rows in (("events", "events"), ("parts", "parts"), ("receipts", "receipts")):
        if timeline[rows]:
            out.print(f"\n{title}", style="bold")
            columns = [name for name in timeline[rows][0] if name != "id"]
            print_table(
                [name.upper() for name in columns],
                [[row[name] for name in columns] for row in timeline[rows]],
            )


@app.command()
def cancel(message_id: MessageId, url: client.Url = client.URL, key: client.Key = None) -> None:
    """Cancel a message that no carrier has in hand yet."""

    async def work() -> dict[str, Any]:
        async with client.connect(url, key) as api:
            message: dict[str, Any] = await api.post(f"/v1/messages/{message_id}/cancel")
            return message

    out.print(f"{message_id} is {run(work())['status']}")


@app.command()
def tail(url: client.Url = client.URL, key: client.Key = None) -> None:
    """Show what happens to messages as it happens, until Ctrl-C."""

    async def work() -> None:
        async with client.connect(url, key) as api:
            async for event in api.events(_say_it_follows, type="message.*"):
                _print_event(event)

    run_until_interrupted(work())


def _base64(digits: str | None) -> str | None:
    try:
        return digits and base64.b64encode(bytes.fromhex(digits)).decode()
    except ValueError:
        raise Failure(f"--data {digits}: write hexadecimal digits in pairs", USAGE) from None


def _template(named: str | None, parameters: list[str] | None) -> dict[str, Any] | None:
    if named is None:
        return None
    name, _, language = named.partition(":")
    return {"name": name, "language": language or "en", "parameters": parameters or []}


def _step(word: str) -> dict[str, str]:
    channel, _, after = word.strip().partition(":")
    return {"channel": channel} | ({"after": after} if after else {})


async def _send(url: str, key: str | None, body: dict[str, Any], wait_seconds: float) -> str:
    """Send it and print what happens to it; the status that it has at the end."""
    async with client.connect(url, key) as api:
        sent = await api.post("/v1/messages", body)
        path = f"/v1/messages/{sent['id']}"
        out.print(f"{sent['id']}  {_size(sent)}, by {sent['carrier']}")
        with Spinner("", console=out) as spinner:
            async for event in _happenings(api, path, wait_seconds):
                status = event["type"].removeprefix("message.")
                spinner.update(status)
                out.print(f"{event['at'][11:23]}  {status}", style=_STYLES.get(status))
        message = await api.get(path)
    if message["error"]:
        error = message["error"]
        out.print(f"{error['code']}: {error['detail']}")
    if message["status"] not in FINAL:
        out.print(f"no news for now; look again with: onesixty messages show {sent['id']}")
    status = message["status"]
    assert isinstance(status, str)
    return status


async def _happenings(api: Api, path: str, wait_seconds: float) -> AsyncIterator[dict[str, Any]]:
    """Each event of a message once, until it is final or the wait is over."""
    clock = SystemClock()
    until = clock.monotonic() + wait_seconds
    seen = 0
    while True:
        events = (await api.get(f"{path}/timeline"))["events"]
        for event in events[seen:]:
            yield event
        seen = len(events)
        is_final = events and events[-1]["type"].removeprefix("message.") in FINAL
        if is_final or clock.monotonic() >= until:
            return
        await clock.sleep(LOOK_SECONDS)


def _say_it_follows() -> None:
    out.print("following all messages; Ctrl-C ends it", style="dim")
    out.file.flush()


def _print_event(event: dict[str, Any]) -> None:
    message = event["data"]
    status = event["type"].removeprefix("message.")
    why = f"  {message['error']['code']}" if message["error"] else ""
    who = f"{message['from'] or '-'} -> {message['to']}"
    out.print(
        f"{event['created_at'][11:23]}  {status:<12} {message['id']}  {who}{why}",
        style=_STYLES.get(status),
    )


def _size(message: dict[str, Any]) -> str:
    if message["channel"] != "sms":
        return str(message["channel"])
    parts = message["segments"]
    return f"{parts} segment{'' if parts == 1 else 's'} of {message['encoding'].upper()}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 40 else line[:39] + "…"


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(
            f"{name}: {_in_words(one)}" for name, one in value.items() if one is not None
        )
    if isinstance(value, list):
        between = "; " if any(isinstance(one, dict) for one in value) else ", "
        return between.join(map(_in_words, value))
    return str(value)
