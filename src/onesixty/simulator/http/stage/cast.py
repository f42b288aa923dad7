"""The cast: every provider that can play, found in the folders beside the stage."""

import pkgutil
from functools import cache
from importlib import import_module
from inspect import isclass
from typing import TypeGuard

from onesixty.simulator import http
from onesixty.simulator.http.far_side import FarSide


@cache
def far_sides() -> dict[str, type[FarSide]]:
    """Each far side by its name, which is that of the kind of carrier that reaches it."""
    found: dict[str, type[FarSide]] = {}
    for module in pkgutil.walk_packages(http.__path__, f"{http.__name__}."):
        if ".stage" in module.name:
            continue
        for one in vars(import_module(module.name)).values():
            if _is_far_side(one) and one.__module__ == module.name:
                found[one.name] = one
    return dict(sorted(found.items()))


def _is_far_side(one: object) -> TypeGuard[type[FarSide]]:
    known = isclass(one) and hasattr(one, "credentials")
    return known and isinstance(getattr(one, "name", None), str)
