"""Files, functions and folders stay small enough to be read at one sitting."""

import ast
import functools

from .tree import ROOT, SRC, Function, Module, folders, listed, modules

FILE_LINES = 500
FUNCTION_LINES = 60
PARAMETERS = 6
FOLDER_ENTRIES = 15
FORBIDDEN_NAMES = {
    "utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "service", "handler",
}  # fmt: skip
# History only grows, and nobody reads it as a whole.
UNBOUNDED_FOLDERS = {SRC / "storage" / "migrations" / "versions"}


def test_files_are_short() -> None:
    """No file of code passes 500 lines."""
    sizes = {module.name: module.text.count("\n") for module in modules()}
    offenders = [f"{name}: {lines} lines" for name, lines in sizes.items() if lines > FILE_LINES]
    assert not offenders, listed(offenders)


def test_functions_are_short() -> None:
    """No function passes 60 lines, its docstring included."""
    offenders = [
        f"{module.at(function)} {function.name}: {lines} lines"
        for module in modules()
        for function in module.functions()
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    ]
    assert not offenders, listed(offenders)


def test_functions_take_few_parameters() -> None:
    """No function but a command, which has options, takes over six parameters besides self."""
    offenders = [
        f"{module.at(function)} {function.name}: {count} parameters"
        for module in modules()
        for function in module.functions()
        if (count := _parameters(module, function)) > PARAMETERS
        if not _is_command(function)
    ]
    assert not offenders, listed(offenders)


def test_folders_are_short() -> None:
    """No folder of the package has more than fifteen entries besides its `__init__.py`."""
    offenders = []
    for folder in folders():
        entries = [
            path for path in folder.iterdir() if path.name not in ("__pycache__", "__init__.py")
        ]
        if len(entries) > FOLDER_ENTRIES and folder not in UNBOUNDED_FOLDERS:
            offenders.append(f"{folder.relative_to(ROOT)}: {len(entries)} entries")
    assert not offenders, listed(offenders)


def test_names_say_what_is_inside() -> None:
    """No file or folder has a name under which anything could be put."""
    offenders = [
        module.name
        for module in modules()
        if any(
            part.removesuffix(".py").removeprefix("test_") in FORBIDDEN_NAMES
            for part in module.name.split("/")
        )
    ]
    assert not offenders, listed(offenders)


def _parameters(module: Module, function: Function) -> int:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    starred = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    return len(named) + len(starred) - (1 if _takes_self(module, function) else 0)


def _is_command(function: Function) -> bool:
    """Whether its parameters are the options of a command, which nobody passes by position."""
    calls = (node.func for node in function.decorator_list if isinstance(node, ast.Call))
    return any(isinstance(called, ast.Attribute) and called.attr == "command" for called in calls)


@functools.cache
def _methods(module: Module) -> frozenset[ast.stmt]:
    classes = (node for node in module.statements() if isinstance(node, ast.ClassDef))
    return frozenset(one for node in classes for one in node.body)


def _takes_self(module: Module, function: Function) -> bool:
    if function not in _methods(module):
        return False
    decorators = {node.id for node in function.decorator_list if isinstance(node, ast.Name)}
    return "staticmethod" not in decorators
