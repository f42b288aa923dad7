"""The tree is the architecture: imports only go down its floors."""

import pytest
from importlinter import cli

from .tree import ROOT


def test_import_contracts_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """Every import contract of pyproject.toml is kept."""
    status = cli.lint_imports(str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    assert status == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out
