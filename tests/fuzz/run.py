"""One case of the fuzzer; its seed and number decide everything."""

import random
from typing import Final

from .octets import case, stream
from .reading import read_frame, read_stream, take_apart
from .sessions import Life

STEPS: Final = 12
STREAM: Final = 8
_NUMBERS: Final = 1 << 48


def run_case(seed: int, number: int) -> tuple[str, int]:
    """Play it; what it was, and of how many PDUs.

    AssertionError, or any other exception, when a rule was broken.
    """
    chance = random.Random(seed * _NUMBERS + number)
    kind = chance.random()
    if kind < 0.7:
        read_frame(case(chance))
        return "read one by one", 1
    if kind < 0.75:
        take_apart(case(chance), chance)
        return "taken apart for people", 1
    if kind < 0.85:
        read_stream(stream(chance, STREAM), chance)
        return "cut out of streams", STREAM
    life = Life(chance)
    state = life.play(STEPS)
    return f"heard by sessions, {life.side.value}, {state.value} at last", life.heard
