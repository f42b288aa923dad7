"""Every dependency has a reason on file."""

import re
import tomllib

from .tree import ROOT


def test_each_dependency_has_its_line() -> None:
    """The page of dependencies and pyproject.toml name the same packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    required = {re.match(r"[\w.-]+", entry)[0] for entry in wanted}  # type: ignore[index]
    page = (ROOT / "docs" / "adr" / "dependencies.md").read_text()
    assert set(re.findall(r"^\| `([\w.-]+)` \|", page, re.MULTILINE)) == required
