"""The repository as the tidy tests see it: its text files, its Python files parsed."""

import ast
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "onesixty"
_CODE = ("src", "tests", "benchmarks")
_SKIPPED = {"node_modules", "__pycache__", "dist", "build", "onesixty-data"}
_DOTTED = {".ci", ".gitignore"}
_TEXT = {
    ".cfg", ".css", ".html", ".ini", ".js", ".json", ".md", ".py", ".sh", ".sql", ".toml", ".txt",
    ".yaml", ".yml", "",
}  # fmt: skip

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file. `name` is its path below the root, with slashes."""

    path: Path
    name: str
    text: str
    tree: ast.Module

    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of its tree; walked once."""
        return _nodes(self.tree)

    def functions(self) -> Iterator[Function]:
        """Every function and method, however deep."""
        for node in self.statements():
            if isinstance(node, Function):
                yield node

    def statements(self) -> tuple[ast.stmt, ...]:
        """Every statement of its tree; walked once, a tenth of its nodes."""
        return _statements(self.tree)

    def referred(self) -> tuple[tuple[ast.expr, str], ...]:
        """Every imported thing that is named: `datetime.datetime.now`, however it came here."""
        return _referred(self.tree)

    def at(self, node: ast.stmt | ast.expr | ast.excepthandler) -> str:
        """Where a node stands, as editors understand it."""
        return f"{self.name}:{node.lineno}"

    def is_below(self, *places: str) -> bool:
        """Whether it is one of these files or below one of these folders of the package."""
        below = self.name.removeprefix("src/onesixty/")
        return any(below == place or below.startswith(f"{place}/") for place in places)


def modules(*tops: str) -> Iterator[Module]:
    """The Python files of these folders of the root; without any, of all that hold code."""
    for top in tops or _CODE:
        for path in sorted((ROOT / top).rglob("*.py")):
            if not _SKIPPED.intersection(path.relative_to(ROOT).parts):
                yield _module(path)


def texts() -> Iterator[tuple[str, str]]:
    """Name and content of every text file that people write: not what tools generate or fetch."""
    for folder, below, names in os.walk(ROOT):
        if Path(folder) == ROOT:
            for found in (below, names):
                found[:] = [one for one in found if one in _DOTTED or not one.startswith(".")]
        below[:] = sorted(set(below) - _SKIPPED)
        for path in (Path(folder, name) for name in sorted(names)):
            if path.suffix in _TEXT and path.name not in {"uv.lock", "package-lock.json"}:
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def folders() -> Iterator[Path]:
    """The folders of the package, itself included."""
    yield SRC
    for path in sorted(SRC.rglob("*")):
        if path.is_dir() and not _SKIPPED.intersection(path.relative_to(ROOT).parts):
            yield path


def listed(offenders: list[str]) -> str:
    """One message that names all offenders, one a line."""
    return "\n" + "\n".join(offenders)


@functools.cache
def _module(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    return Module(path, path.relative_to(ROOT).as_posix(), text, ast.parse(text, str(path)))


@functools.cache
def _nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree))


@functools.cache
def _statements(tree: ast.Module) -> tuple[ast.stmt, ...]:
    found: list[ast.stmt] = []
    open_nodes: list[ast.AST] = [tree]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, ast.stmt):
            found.append(node)
        for name in ("cases", "finalbody", "orelse", "handlers", "body"):
            below = getattr(node, name, ())
            open_nodes.extend(reversed(below) if isinstance(below, list) else ())
    return tuple(found)


@functools.cache
def _referred(tree: ast.Module) -> tuple[tuple[ast.expr, str], ...]:
    imported = _imported(tree)
    return tuple(
        (node, full)
        for node in _nodes(tree)
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load)
        if (full := _full(node, imported))
    )


def _imported(tree: ast.Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in _nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _full(node: ast.expr, imported: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return imported.get(node.id)
    if isinstance(node, ast.Attribute):
        head = _full(node.value, imported)
        return f"{head}.{node.attr}" if head else None
    return None
