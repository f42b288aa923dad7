"""The page of commands, from the commands themselves."""

from typing import Any

from typer.main import get_command

from onesixty import cli
from onesixty.cli.reference.markdown import code, page, table


def listing() -> str:
    """Every command with its arguments and options."""
    root = get_command(cli.program)
    sections: list[str] = []
    for name in root.list_commands(None):  # type: ignore[attr-defined]
        command = root.get_command(None, name)  # type: ignore[attr-defined]
        children = getattr(command, "commands", None)
        if children is None:
            sections.append(_command(f"onesixty {name}", command))
        else:
            sections.append(f"## onesixty {name}\n\n{command.help}")
            sections += [
                _command(f"onesixty {name} {child}", one).replace("## ", "### ", 1)
                for child, one in children.items()
            ]
    return page(
        "Commands",
        "Exit codes: 0 done, 1 failed, 2 wrong usage. Failures are said in one line on standard"
        " error. `--help` after any command shows what stands here.",
        *sections,
    )


def _command(name: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    usage = " ".join([name, *(_name(one) for one in arguments), "[OPTIONS]"])
    rows = [(code(_name(one)), one.help or "") for one in arguments]
    rows += [(code(_written(one)), _meaning(one)) for one in options]
    parts = [f"## {name}", f"`{usage}`", command.help or "", table(("Option", "Meaning"), rows)]
    return "\n\n".join(part for part in parts if part)


def _written(option: Any) -> str:
    flags = ", ".join(option.opts)
    return flags if option.is_flag else f"{flags} {_name(option)}"


def _name(parameter: Any) -> str:
    name: str = parameter.metavar or parameter.name.upper()
    return name


def _meaning(option: Any) -> str:
    notes = []
    if option.required:
        notes.append("Required.")
    elif option.multiple:
        notes.append("May be given several times.")
    elif option.default not in (None, False, "", [], ()):
        notes.append(f"Default: `{option.default}`.")
    if option.envvar:
        notes.append(f"Also from `{option.envvar}`.")
    return " ".join([option.help or "", *notes])
