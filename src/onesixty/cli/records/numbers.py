"""`onesixty lookup` and `onesixty number-plan`: what is known of numbers, and the own plan."""

from pathlib import Path
from typing import Annotated, Any

import typer

from onesixty.cli import client, local
from onesixty.cli.terminal import USAGE, Failure, out, print_table, reason, run
from onesixty.records.lookups import number_plan
from onesixty.records.lookups.number_plan import Diff
from onesixty.sms.networks import Network

lookup_app = typer.Typer(add_completion=False)
plan_app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="The own number plan, directly in the database: also while the server runs.",
)
SHOWN_MOST = 40  # rows of a diff

File = Annotated[Path, typer.Argument(metavar="FILE", help="CSV: prefix, mcc, mnc, name.")]


@lookup_app.command()
def lookup(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Such as +447700900123.")],
    live: Annotated[
        bool, typer.Option("--live", help="Ask a lookup source now, which may cost money.")
    ] = False,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --live: ask this one.")
    ] = None,
    url: client.Url = client.URL,
    key: client.Key = None,
) -> None:
    """Show what a running server knows of a number: country, line type, network."""

    async def work() -> Any:
        async with client.connect(url, key) as api:
            query = {"network": "true", "live": "true" if live else None, "source": source}
            return await api.get(f"/v1/lookup/{number}", **query)

    found = run(work())
    network, told = found["network"], found["network"]["told"] or {}
    asked = network["asked"] or {}
    rows = [
        ("number", found["number"]),
        ("valid", _yes(found["valid"])),
        ("country", found["country"]),
        ("line type", found["line_type"]),
        ("network", _code(network["code"])),
        ("by its digits", _planned(network["by_plan"])),
        ("told by", told.get("source")),
        ("ported", _yes(told.get("ported"))),
        ("reachable", _yes(told.get("reachable"))),
        ("told until", told.get("expires_at")),
    ]
    if asked:
        words = [asked["result"].replace("_", " "), asked["source"], asked["detail"]]
        rows.append(("asked", ", ".join(word for word in words if word)))
    print_table(("", found["formats"]["international"]), rows)


@plan_app.command("import")
def import_plan(
    file: File,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing, show what would change.")
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Leave rows that the file does not name.")
    ] = False,
    data_dir: local.DataDir = None,
    database_url: local.DatabaseUrl = None,
) -> None:
    """Make a file the own number plan. It counts before the one that comes with the program."""
    try:
        new = number_plan.read(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(f"{file} cannot be read: {reason(error)}", USAGE) from None
    except UnicodeDecodeError:
        raise Failure(f"{file} is not UTF-8", USAGE) from None

    async def work(url: str) -> Diff:
        async with local.transaction(url) as tx:
            await number_plan.lock(tx)
            diff = number_plan.compare(await number_plan.rows_of(tx), new, partial=partial)
            if not dry_run:
                await number_plan.apply(tx, diff)
            return diff

    with local.database_url(local.load(data_dir=data_dir, database_url=database_url)) as url:
        diff = run(work(url))
    _show(diff)
    counts = f"{len(diff.added):,} added, {len(diff.changed):,} changed, {len(diff.removed):,}"
    out.print(f"{'would be ' if dry_run else ''}{counts} removed, {diff.same:,} as they were")


@plan_app.command()
def export(data_dir: local.DataDir = None, database_url: local.DatabaseUrl = None) -> None:
    """Write the own number plan as CSV to standard output."""

    async def work(url: str) -> dict[str, Network]:
        async with local.transaction(url) as tx:
            return await number_plan.rows_of(tx)

    with local.database_url(local.load(data_dir=data_dir, database_url=database_url)) as url:
        out.print(number_plan.write(run(work(url))), end="")


def _show(diff: Diff) -> None:
    rows: list[tuple[str, str, str | None, str | None]] = [
        *(("added", prefix, None, _named(one)) for prefix, one in diff.added.items()),
        *(
            ("changed", prefix, _named(before), _named(after))
            for prefix, (before, after) in diff.changed.items()
        ),
        *(("removed", prefix, _named(one), None) for prefix, one in diff.removed.items()),
    ]
    if rows:
        print_table(("CHANGE", "PREFIX", "BEFORE", "AFTER"), rows[:SHOWN_MOST])
    if len(rows) > SHOWN_MOST:
        out.print(f"... and {len(rows) - SHOWN_MOST:,} more", style="dim")


def _named(network: Network) -> str:
    return f"{network.written} {network.name}".rstrip()


def _code(code: str | None) -> str | None:
    return code and f"{code[:3]}-{code[3:]}"


def _planned(plan: dict[str, Any] | None) -> str | None:
    if plan is None:
        return None
    return f"{plan['mcc']}-{plan['mnc']} {plan['name']}, {plan['plan']} plan, +{plan['prefix']}"


def _yes(told: bool | None) -> str | None:
    return None if told is None else "yes" if told else "no"
