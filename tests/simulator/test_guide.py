"""The guide says what the code does."""

import ast
import re
from pathlib import Path

import pytest

from onesixty.simulator.fault_words import kinds_table
from onesixty.simulator.faults import faults_table, parse_faults
from onesixty.simulator.numbers import numbers_table

GUIDE = (Path(__file__).parents[2] / "docs" / "guide" / "simulator.md").read_text()


@pytest.mark.parametrize("table", [numbers_table(), faults_table(), kinds_table()])
def test_tables_are_fresh(table: str) -> None:
    """The tables of the guide are those that the code writes; paste the expected one if not."""
    head = table.splitlines()[0]
    start = GUIDE.index(head)
    assert GUIDE[start:].partition("\n\n")[0] == table


def test_commands_of_the_guide_have_faults_that_exist() -> None:
    """Every --fault of an example can be parsed."""
    words = re.findall(r"--fault (\S+)", GUIDE.replace("`--fault` adds", ""))
    assert words
    parse_faults(words)


def test_the_example_is_python() -> None:
    """The example of the guide at least parses, and its imports exist."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    tree = ast.parse(f"async def example():\n{re.sub('(?m)^', '    ', code)}")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = __import__(str(node.module), fromlist=["*"])
            assert all(hasattr(module, alias.name) for alias in node.names)
