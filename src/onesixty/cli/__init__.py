"""The command line: one file for each command or group, imported when it is asked for."""

import gc
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from onesixty import __version__
from onesixty.cli.terminal import FAILED, USAGE, Failure, err, out
from onesixty.kit.problems import Problem
from onesixty.kit.secrets import SealError
from onesixty.settings import SettingError
from onesixty.storage.embedded_home import EmbeddedError

# The walk makes no cycles, and each full collection stops it. What is imported is no garbage
# either: to look for some took a tenth of the start of a server.
gc.set_threshold(100_000, 20, 100)

# In the order of the help: name, and the file and Typer object that has it.
_COMMANDS: Final = {
    "serve": ("serve.command", "app"),
    "demo": ("demo", "app"),
    "send": ("messages", "send_app"),
    "messages": ("messages", "app"),
    "smpp": ("smpp", "app"),
    "simulate": ("simulate", "app"),
    "listen": ("listen", "app"),
    "routes": ("records.routes", "app"),
    "keys": ("records.keys", "app"),
    "accounts": ("records.accounts", "app"),
    "esmes": ("records.esmes", "app"),
    "lookup": ("records.numbers", "lookup_app"),
    "number-plan": ("records.numbers", "plan_app"),
    "billing": ("records.billing", "app"),
    "migrate": ("migrate", "app"),
    "doctor": ("doctor", "app"),
    "reference": ("reference", "app"),
}


class _Commands(TyperGroup):
    """Imports a command's file late: the server's parts take a second, which `send` needs not."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            return None
        file, name = _COMMANDS[cmd_name]
        command = get_command(getattr(import_module(f"onesixty.cli.{file}"), name))
        command.name = cmd_name
        return command


program = typer.Typer(
    name="onesixty",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        file = import_module("onesixty.smpp.codec").__file__ or ""
        compiled = "" if file.endswith(".py") else " (compiled)"
        out.print(f"onesixty {__version__}{compiled}")
        raise typer.Exit


@program.callback()
def onesixty(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """The SMS API you run yourself."""


def main() -> None:
    """Run the program and end the process: 0 done, 1 failed, 2 wrong usage.

    Only bugs show a traceback.
    """
    guard(program)


def guard(work: Callable[[], object]) -> None:
    """Do it; a failure that was to be expected ends the process with one line."""
    try:
        work()
    except Failure as failure:
        _end(str(failure), failure.exit_code)
    except SettingError as error:
        _end(str(error), USAGE)
    except Problem as problem:
        _end(problem.detail, FAILED)
    except (EmbeddedError, SealError) as error:
        _end(str(error), FAILED)


def _end(text: str, exit_code: int) -> None:
    err.print(f"error: {text}")
    sys.exit(exit_code)
