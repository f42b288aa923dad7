"""`onesixty migrate`: bring a database to the newest schema, as `serve` does when it starts."""

import contextlib
from collections.abc import Iterator

import typer
from psycopg import Error as PsycopgError

from onesixty.cli import local
from onesixty.cli.terminal import Failure, out
from onesixty.storage import migrate as migrations

app = typer.Typer(add_completion=False)


@app.command()
def migrate(
    data_dir: local.DataDir = None,
    database_url: local.DatabaseUrl = None,
    config: local.ConfigFile = None,
) -> None:
    """Bring the database to the newest schema; `serve` does it when it starts."""
    settings = local.load(config, data_dir=data_dir, database_url=database_url)
    with contextlib.ExitStack() as stack:
        url = (
            settings.database_url
            or stack.enter_context(local.embedded_database(settings.data_dir)).url
        )
        applied = bring_up(url)
    if applied:
        out.print(f"applied: {', '.join(applied)}")
    else:
        out.print("the database has the newest schema")


def bring_up(url: str) -> list[str]:
    """Apply the revisions that are missing and return them; raises Failure."""
    with explained(url):
        return migrations.migrate(url)


@contextlib.contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn what a database that cannot be used raises into a Failure."""
    try:
        yield
    except migrations.MigrationError as error:
        raise Failure(str(error)) from None
    except PsycopgError as error:
        reason = " ".join(str(error).split())
        raise Failure(f"the database {local.shown(url)} cannot be used: {reason}") from None
