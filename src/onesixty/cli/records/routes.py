"""`onesixty routes`: routes as a file, their revisions, and why: by the API of a running server."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from onesixty.cli import client
from onesixty.cli.terminal import USAGE, Failure, out, print_table, reason, run
from onesixty.records.routes import document

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Routes of a running server: as a file, by revisions, and why.",
)

PATH = "/v1/routes"
Number = Annotated[int, typer.Argument(metavar="REVISION", min=0, help="0: no routes.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="YAML or JSON; - reads from the input.")]
IfRevision = Annotated[
    int | None,
    typer.Option(metavar="REVISION", min=0, help="Only if this is the newest one."),
]
Note = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the list of revisions.")]


@app.command("export")
def export_routes(url: client.Url = client.URL, key: client.Key = None) -> None:
    """Print all routes as YAML, which `import` takes."""

    async def work() -> dict[str, Any]:
        async with client.connect(url, key) as api:
            newest = (await api.get(f"{PATH}/revisions", limit=1))["data"]
            number = newest[0]["number"] if newest else 0
            found: dict[str, Any] = await api.get(f"{PATH}/revisions/{number}")
        return found

    found = run(work())
    text = document.to_yaml(found["document"], f"Routes at revision {found['number']}")
    out.print(text, end="")


@app.command("import")
def import_routes(
    file: File,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change.")
    ] = False,
    if_revision: IfRevision = None,
    note: Note = "",
    url: client.Url = client.URL,
    key: client.Key = None,
) -> None:
    """Make the routes what the file says; routes that are not in it are removed."""
    given = document.read(_octets(file))
    query = {"dry_run": dry_run or None, "if_revision": if_revision, "note": note or None}

    async def work() -> Any:
        async with client.connect(url, key) as api:
            return await api.put(f"{PATH}/import", given, **query)

    _print_applied(run(work()))


@app.command()
def revisions(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many, newest first.")] = 20,
    url: client.Url = client.URL,
    key: client.Key = None,
) -> None:
    """List what was changed, newest first."""

    async def work() -> Any:
        async with client.connect(url, key) as api:
            return (await api.get(f"{PATH}/revisions", limit=limit))["data"]

    print_table(
        ("REVISION", "AT", "AUTHOR", "ROUTES", "NOTE"),
        [
            (one["number"], one["at"], one["author"], one["routes"], one["note"])
            for one in run(work())
        ],
    )


@app.command()
def diff(
    number: Number,
    to: Annotated[
        int | None, typer.Option(metavar="REVISION", min=0, help="The newest if not given.")
    ] = None,
    url: client.Url = client.URL,
    key: client.Key = None,
) -> None:
    """Show what has changed since a revision."""

    async def work() -> Any:
        async with client.connect(url, key) as api:
            return await api.get(f"{PATH}/revisions/{number}/diff", to=to)

    _print_changes(run(work())["changes"])


@app.command()
def rollback(
    number: Number,
    if_revision: IfRevision = None,
    note: Note = "",
    url: client.Url = client.URL,
    key: client.Key = None,
) -> None:
    """Make the routes what they were at a revision, as a new revision."""
    body = {"note": note, "if_revision": if_revision}

    async def work() -> Any:
        async with client.connect(url, key) as api:
            return await api.post(f"{PATH}/revisions/{number}/rollback", body)

    _print_applied(run(work()))


@app.command()
def explain(
    to: Annotated[str, typer.Argument(metavar="TO", help="A number, or a message: msg_...")],
    sender: Annotated[
        str | None, typer.Option("--from", metavar="SENDER", help="Who it would be from.")
    ] = None,
    category: Annotated[str, typer.Option(help="otp, transactional, ...")] = "transactional",
    channel: Annotated[str, typer.Option(help="sms, mms, whatsapp.")] = "sms",
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="Give it again.")] = None,
    url: client.Url = client.URL,
    key: client.Key = None,
) -> None:
    """Say which carrier a message would go to, or has gone to, and why not to the others."""
    body = {"to": to, "from": sender, "category": category, "channel": channel, "tags": tag or []}

    async def work() -> Any:
        async with client.connect(url, key) as api:
            if to.startswith("msg_"):
                return await api.get(f"/v1/messages/{to}/explanation")
            return await api.post(f"{PATH}/explain", body)

    found = run(work())
    if to.startswith("msg_"):
        _print_kept(found)
    else:
        _print_explained(found)


@app.command()
def replay(
    draft: Annotated[str, typer.Argument(metavar="DRAFT", help="A file, or a revision.")],
    last: Annotated[int, typer.Option(min=1, max=10_000, help="So many messages.")] = 1000,
    listed: Annotated[int, typer.Option(min=0, max=1000, help="So many changes to show.")] = 20,
    url: client.Url = client.URL,
    key: client.Key = None,
) -> None:
    """Show what other routes would have done with the last messages; sends nothing."""
    given = int(draft) if draft.isascii() and draft.isdigit() else document.read(_octets(draft))
    body = {"draft": given, "last": last, "listed": listed}

    async def work() -> Any:
        async with client.connect(url, key) as api:
            return await api.post(f"{PATH}/replay", body)

    _print_replay(run(work()))


def _octets(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Failure(f"{file}: {reason(error)}", USAGE) from None


def _print_applied(done: dict[str, Any]) -> None:
    _print_changes(done["changes"])
    if done["dry_run"]:
        out.print("a dry run: nothing was changed", style="dim")
    else:
        out.print(f"revision {done['revision']}")


def _print_changes(changes: list[dict[str, Any]]) -> None:
    if not changes:
        out.print("no changes")
    signs = {"added": "+", "removed": "-", "changed": "~", "moved": ">"}
    for one in changes:
        out.print(f"{signs[one['change']]} {one['route']}  {one['change']}")
        if one["change"] == "changed":
            for name, values in one["fields"].items():
                out.print(f"    {name}: {values['from']} -> {values['to']}")


def _print_explained(found: dict[str, Any]) -> None:
    choice = found["choice"]
    if choice is None:
        out.print("no route takes it: it would be refused")
    else:
        out.print(f"route {choice['route']}")
        _print_lanes(
            [
                (*_lane(one), one["status"], f"{one['share']:.0%}", one["cost"])
                for one in choice["carriers"]
            ],
            "STATUS", "SHARE", "COST",
        )  # fmt: skip
    out.print()
    print_table(
        ("ROUTE", "POSITION", "WHY"),
        [(one["route"], one["position"], one["detail"]) for one in found["routes"]],
    )


def _print_kept(found: dict[str, Any]) -> None:
    if found["sandbox"]:
        out.print("sent with a test key: to the sandbox, no route was looked at")
        return
    out.print(f"route {found['route']}")
    _print_lanes([_lane(one) for one in found["carriers"]])
    for one in found["refused"]:
        out.print(f"not {one['route']}: {one['detail']}")
    for code, count in found["refused_more"].items():
        out.print(f"and {count} more by {code}")


def _lane(one: dict[str, Any]) -> tuple[Any, ...]:
    return one["carrier"], one["verdict"], one["detail"]


def _print_lanes(rows: list[tuple[Any, ...]], *more: str) -> None:
    print_table(("CARRIER", "VERDICT", "WHY", *more), rows)


def _print_replay(found: dict[str, Any]) -> None:
    out.print(f"{found['changed']} of {found['messages']} messages would change their carrier")
    print_table(
        ("CARRIER", "BEFORE", "AFTER"),
        [(one["carrier"], one["before"], one["after"]) for one in found["carriers"]],
    )
    cost, delivered = found["cost"], found["delivered"]
    if cost["messages"]:
        out.print(f"cost of {cost['messages']}: {cost['before']} -> {cost['after']}")
    if delivered["messages"]:
        rates = f"{delivered['before']:.1%} -> {delivered['after']:.1%}"
        out.print(f"expected delivery of {delivered['messages']}: {rates}")
    print_table(
        ("MESSAGE", "TO", "BEFORE", "AFTER"),
        [
            (one["message"], one["to"], one["before"]["carrier"], one["after"]["carrier"])
            for one in found["changes"]
        ],
    )
