"""`onesixty reference`: the pages of docs/reference/, written from what the program knows."""

from pathlib import Path
from typing import Annotated

import typer

from onesixty.cli.reference import api, commands, tables
from onesixty.cli.terminal import FAILED, USAGE, Failure, err, out

app = typer.Typer(add_completion=False)


@app.command()
def reference(
    write: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the pages into this folder.")
    ] = None,
    check: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Exit with 1 when its pages are not these.")
    ] = None,
) -> None:
    """Write the reference pages, or check that they are fresh. For those who work on Onesixty."""
    if (write is None) == (check is None):
        raise Failure("give --write DIR or --check DIR", USAGE)
    found = pages()
    if write is not None:
        write.mkdir(parents=True, exist_ok=True)
        for name, text in found.items():
            (write / name).write_text(text, encoding="utf-8")
        out.print(f"wrote {', '.join(found)}")
    elif check is not None:
        stale = [name for name, text in found.items() if _read(check / name) != text]
        if stale:
            err.print(f"not fresh: {', '.join(stale)}; run `make docs`")
            raise typer.Exit(FAILED)


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    document = api.document()
    return {
        "settings.md": tables.settings_page(),
        "problems.md": tables.problems_page(),
        "events.md": tables.events_page(),
        "carriers.md": tables.carriers_page(),
        "commands.md": commands.listing(),
        "api.md": api.listing(document),
        "openapi.json": api.as_json(document),
    }


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
