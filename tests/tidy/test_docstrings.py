"""Whatever others may use says what it is; every test says what it proves."""

import ast
from collections.abc import Iterator

from .tree import Function, listed, modules


def test_modules_say_what_lives_there() -> None:
    """Every file of the package that holds anything begins with a docstring."""
    offenders = [
        module.name
        for module in modules("src")
        if module.tree.body and not ast.get_docstring(module.tree)
    ]
    assert not offenders, listed(offenders)


def test_public_names_have_docstrings() -> None:
    """Every public class, function and method of the package has a docstring."""
    offenders = [
        f"{module.at(node)} {node.name}"
        for module in modules("src")
        for node in _public(module.tree.body)
        if not ast.get_docstring(node)
    ]
    assert not offenders, listed(offenders)


def test_tests_say_what_they_prove() -> None:
    """Every test has a docstring."""
    offenders = [
        f"{module.at(function)} {function.name}"
        for module in modules("tests")
        for function in module.functions()
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert not offenders, listed(offenders)


def _public(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    for node in body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        if any(
            isinstance(item, ast.Name) and item.id == "overload" for item in node.decorator_list
        ):
            continue
        yield node
        if isinstance(node, ast.ClassDef):
            yield from _public(node.body)
