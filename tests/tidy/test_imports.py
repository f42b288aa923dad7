"""The tree is the architecture: imports only go down its floors."""

import logging
from collections.abc import Iterator

import pytest
from importlinter import cli

from .tree import ROOT


@pytest.fixture
def loggers_back() -> Iterator[None]:
    """Loggers as they were: the linter disables all that exist when it begins."""
    known = [one for one in logging.root.manager.loggerDict.values() if hasattr(one, "disabled")]
    before = [one.disabled for one in known]
    yield
    for one, disabled in zip(known, before, strict=True):
        one.disabled = disabled


@pytest.mark.usefixtures("loggers_back")
def test_import_contracts_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """Every import contract of pyproject.toml is kept."""
    status = cli.lint_imports(str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    assert status == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out
