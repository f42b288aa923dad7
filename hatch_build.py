"""Builds the walk of a message as machine code into the wheel, by mypyc: see `make native`.

Only where HATCH_BUILD_HOOK_ENABLE_CUSTOM is set; any other wheel is pure Python.
"""

import os
import shutil
from collections.abc import Sequence
from contextlib import chdir, redirect_stdout
from io import StringIO
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MYPY: Final = ("--config-file=", "--ignore-missing-imports", "--follow-imports=silent")


class NativeHook(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles what pyproject.toml lists, in a copy of `src`, and puts it beside the sources."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it packs the wheel."""
        if version == "editable":
            return
        copy = Path(self.root) / "build" / "native-src"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(Path(self.root) / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
        with chdir(copy):
            _compile([f"onesixty/{name}.py" for name in self.config["modules"]])
        built = [
            path for path in copy.rglob("*.so") if "build" not in path.parts[len(copy.parts) :]
        ]
        build_data["force_include"].update({str(so): str(so.relative_to(copy)) for so in built})
        build_data |= {"infer_tag": True, "pure_python": False}


def _compile(files: list[str]) -> None:
    from mypyc.build import mypycify
    from setuptools import setup
    from setuptools.command.build_ext import build_ext

    class Parallel(build_ext):  # type: ignore[misc]
        """All cores: each file by itself."""

        def build_extensions(self) -> None:
            one = self.compiler.compile

            def several(sources: Sequence[str], **options: Any) -> list[str]:
                with ThreadPool(os.cpu_count()) as pool:
                    found = pool.map(lambda source: one([source], **options), sources)
                    return [name for names in found for name in names]

            self.compiler.compile = several
            super().build_extensions()

    os.environ.setdefault("CFLAGS", "-g0")
    said = StringIO()  # remarks, which are of use only beside an error
    try:
        with redirect_stdout(said):
            modules = mypycify(
                [*MYPY, *files],
                group_name="onesixty",
                opt_level="2",
                debug_level="0",
                multi_file=True,
            )
    except SystemExit:
        print(said.getvalue())
        raise
    command = ["-q", "build_ext", "--inplace"]
    setup(
        name="onesixty",
        packages=[],
        ext_modules=modules,
        cmdclass={"build_ext": Parallel},
        script_args=command,
    )
