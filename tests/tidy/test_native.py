"""What can be compiled does not wait where mypyc would forget the exception that is handled."""

import ast
import os
import tomllib
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from .tree import ROOT, listed, modules

# These end without waiting, whatever was raised in them.
_NEVER_WAITS: Final = ("asyncio.timeout(", "self.claiming")
_WAITS: Final = (ast.Await, ast.AsyncWith, ast.AsyncFor, ast.Yield, ast.YieldFrom)


def compiled() -> list[str]:
    """The modules that `make native` compiles, as pyproject.toml lists them."""
    project: Any = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]
    names: list[str] = project["build"]["targets"]["wheel"]["hooks"]["custom"]["modules"]
    return names


def below(nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """All that runs when these do: not the bodies of functions that are defined there."""
    for node in nodes:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from below(list(ast.iter_child_nodes(node)))


def waits(tree: ast.AST) -> Iterator[int]:
    """Lines that may wait while an exception is handled."""
    for node in ast.walk(tree):
        inside: list[ast.stmt] = []
        if isinstance(node, ast.Try | ast.TryStar):
            inside = [*node.finalbody, *(one for h in node.handlers for one in h.body)]
        elif isinstance(node, ast.AsyncWith):
            managers = [ast.unparse(item.context_expr) for item in node.items]
            if not all(one.startswith(_NEVER_WAITS) for one in managers):
                yield node.lineno
        yield from (one.lineno for one in below(inside) if isinstance(one, _WAITS))


def test_nothing_waits_while_an_exception_is_handled() -> None:
    """An exception of another task might be raised in its place."""
    names = {f"src/onesixty/{name}.py" for name in compiled()}
    found = [one for one in modules("src") if one.name in names]
    assert {one.name for one in found} == names
    offenders = [f"{one.name}:{line}" for one in found for line in waits(one.tree)]
    assert not offenders, listed(offenders)


@pytest.mark.skipif(not os.environ.get("NATIVE"), reason="make test NATIVE=1 compiles them")
def test_the_compiled_ones_are_tested() -> None:
    """What runs is the machine code, not the sources beside it."""
    files = [import_module("onesixty." + name.replace("/", ".")).__file__ for name in compiled()]
    assert {Path(file or "").suffix for file in files} == {".so"}


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("try:\n  pass\nexcept E:\n  if x:\n    await f()", [5]),
        ("try:\n  pass\nfinally:\n  await f()", [4]),
        ("async with f() as g:\n  pass", [1]),
        ("async with asyncio.timeout(3):\n  await f()", []),
        ("try:\n  await f()\nexcept E:\n  g(lambda: f())\nelse:\n  await f()", []),
    ],
)
def test_finds_them(body: str, lines: list[int]) -> None:
    """The rule sees what waits in a handler, a finally, or the end of a block."""
    text = "async def h():\n" + "\n".join(f"  {line}" for line in body.split("\n"))
    assert [line - 1 for line in waits(ast.parse(text))] == lines
