"""The guide says what the code does."""

import ast
import re
from pathlib import Path

import pytest

from onesixty.simulator import fault_words
from onesixty.simulator.faults import Faults
from onesixty.simulator.http.stage.faults import HttpFaults
from onesixty.simulator.numbers import numbers_table

PAGES = Path(__file__).parents[2] / "docs" / "guide"
GUIDE = (PAGES / "simulator.md").read_text()
PROVIDERS = (PAGES / "simulated-providers.md").read_text()


@pytest.mark.parametrize(
    ("page", "table"),
    [
        (GUIDE, numbers_table()),
        (GUIDE, fault_words.table(Faults)),
        (GUIDE, fault_words.kinds_table()),
        (PROVIDERS, fault_words.table(HttpFaults)),
    ],
)
def test_tables_are_fresh(page: str, table: str) -> None:
    """The tables of the guide are those that the code writes; paste the expected one if not."""
    head = table.splitlines()[0]
    start = page.index(head)
    assert page[start:].partition("\n\n")[0] == table


@pytest.mark.parametrize(("page", "options"), [(GUIDE, Faults), (PROVIDERS, HttpFaults)])
def test_commands_of_the_guide_have_faults_that_exist(page: str, options: type) -> None:
    """Every --fault of an example can be parsed."""
    words = re.findall(r"--fault (\S+=\S+)", page)
    assert words
    fault_words.parse_options(options, words)


@pytest.mark.parametrize("page", [GUIDE, PROVIDERS])
def test_the_example_is_python(page: str) -> None:
    """The example of the guide at least parses, and its imports exist."""
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    tree = ast.parse(f"async def example():\n{re.sub('(?m)^', '    ', code)}")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = __import__(str(node.module), fromlist=["*"])
            assert all(hasattr(module, alias.name) for alias in node.names)
