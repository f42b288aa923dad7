"""Nobody reaches around the kit for time, chance or environment; a ban names its replacement."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .tree import Module, listed, modules, texts

BANNED = {
    r"datetime\.(datetime|date)\.(now|utcnow|today)": "clock.now()",
    r"time\.[a-z_]+": "a Clock",
    r"random\.[a-z_]+": "the injected random.Random",
    r"random\.SystemRandom": "kit.secrets",
    r"uuid\.uuid[1-8]": "kit.ids",
    r"os\.u?random": "kit.ids or kit.secrets",
    r"os\.getrandom": "kit.ids or kit.secrets",
    r"secrets\.\w+": "kit.secrets",
}
_ANY_BANNED = re.compile("|".join(f"(?:{pattern})" for pattern in BANNED))
ENVIRONMENT = re.compile(r"os\.(environb?|getenvb?|putenv|unsetenv)")
# The loop that survives bugs, and the server's last resort.
CATCHES_ALL = (
    "kit/loops.py",
    "entrypoints/callbacks/door.py",
    "entrypoints/rest/messages/door.py",
    "entrypoints/smpp/door.py",
)
# Patterns, so that this file does not match itself.
MACHINE = {
    r"(?<![\w.])/(work|root|home/\w+|Users/\w+|mnt)/": "a path of one machine",
    r"\.\./shared": "a path outside the repository",
    r"\bissues? #?\d+": "an issue number",
    r"fa[r]m-(bench|studio)|[.]library\b|/tmp/b[r]ief": "a tool of one machine",
}


def test_time_and_chance_come_from_the_kit() -> None:
    """The clock, random numbers and random ids are reached through the kit only."""
    offenders = [
        offender
        for module in modules("src")
        if not module.is_below("kit")
        for offender in _reaching_around(module)
    ]
    assert not offenders, listed(offenders)


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.monotonic()",
        "from time import time as now\nnow()",
        "import datetime as dt\ndt.datetime.now(dt.UTC)",
        "from datetime import datetime\nclock = datetime.now",
        "import random\nrandom.shuffle([])",
        "from os import urandom\nurandom(8)",
        "import secrets\nsecrets.token_hex()",
        "from uuid import uuid4\nuuid4()",
    ],
)
def test_ways_around_the_kit_are_recognised(code: str) -> None:
    """However it is imported or passed on, what is banned is found."""
    assert list(_reaching_around(Module(Path(), "code.py", code, ast.parse(code))))


def test_waits_are_on_the_clock() -> None:
    """Outside the kit nothing sleeps on the event loop's own time; tests wait for events."""
    offenders = [
        f"{module.at(node)} sleeps -> use clock.sleep() or wait for an event"
        for module in modules("src", "tests")
        if "sleep" in module.text and not module.is_below("kit")
        for node in _sleeps(module)
    ]
    assert not offenders, listed(offenders)


def test_environment_is_read_by_the_settings_only() -> None:
    """Only the command line and the settings know that there is an environment."""
    offenders = [
        f"{module.at(node)} {name} -> take the value from the settings"
        for module in modules("src")
        if "env" in module.text and not module.is_below("cli", "settings.py")
        for node, name in module.referred()
        if ENVIRONMENT.fullmatch(name)
    ]
    assert not offenders, listed(offenders)


def test_errors_are_caught_by_name() -> None:
    """Nothing catches every exception and goes on, but the loops and the outermost handlers."""
    offenders = [
        f"{module.at(node)} catches everything -> name the errors"
        for module in modules("src")
        if not module.is_below(*CATCHES_ALL)
        for node in module.nodes()
        if isinstance(node, ast.ExceptHandler) and _swallows_all(node)
    ]
    assert not offenders, listed(offenders)


def test_only_commands_print() -> None:
    """The platform logs; printing is for the command line."""
    offenders = [
        f"{module.at(node)} prints -> log it"
        for module in modules("src")
        if not module.is_below("cli")
        for node in module.nodes()
        if isinstance(node, ast.Call) and _called(node) == "print"
    ]
    assert not offenders, listed(offenders)


def test_nothing_is_mocked() -> None:
    """Fakes are things that we ship."""
    offenders = [
        f"{module.at(node)} {name} -> use a shipped fake"
        for module in modules("tests")
        if "mock" in module.text
        for node, name in module.referred()
        if name.startswith("unittest.mock")
    ]
    assert not offenders, listed(offenders)


def test_nothing_names_the_machine_it_was_written_on() -> None:
    """The project stands alone: no path, tool or tracker of its makers' machines."""
    offenders = [
        f"{name}:{number} names {what}: {line.strip()[:80]}"
        for name, text in texts()
        for pattern, what in MACHINE.items()
        if re.search(pattern, text)
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert not offenders, listed(offenders)


_NAMES = re.compile(r"\b(datetime|time|random|uuid|os|secrets)\b")


def _reaching_around(module: Module) -> Iterator[str]:
    if not any(_NAMES.search(line) for line in module.text.splitlines() if "import" in line):
        return
    for node, name in module.referred():
        if not _ANY_BANNED.fullmatch(name):
            continue
        for pattern, instead in BANNED.items():
            if re.fullmatch(pattern, name):
                yield f"{module.at(node)} {name} -> use {instead}"


def _sleeps(module: Module) -> Iterator[ast.expr]:
    """Where it sleeps, but for `asyncio.sleep(0)`, which only lets others run."""
    if "sleep" not in module.text:
        return
    yielding = {
        node.func
        for node in module.nodes()
        if isinstance(node, ast.Call)
        and len(node.args) == 1
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value == 0
    }
    for node, name in module.referred():
        if name == "time.sleep" or (name == "asyncio.sleep" and node not in yielding):
            yield node


def _swallows_all(handler: ast.ExceptHandler) -> bool:
    caught = handler.type
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    everything = any(
        name is None or (isinstance(name, ast.Name) and name.id in {"Exception", "BaseException"})
        for name in names
    )
    last = handler.body[-1]
    return everything and not (isinstance(last, ast.Raise) and last.exc is None)


def _called(call: ast.Call) -> str | None:
    return call.func.id if isinstance(call.func, ast.Name) else None


def test_every_advisory_lock_has_its_own_number() -> None:
    """No two parts wait for each other by a number that both took."""
    numbers = [
        found
        for module in modules("src")
        for found in re.findall(r"0x0160_0[0-9a-f]{3}", module.text)
    ]
    assert len(numbers) > 5
    assert len(numbers) == len(set(numbers)), numbers
