"""Chance, handed in through constructors so that tests can seed it."""

import random

Chance = random.Random


def chance(seed: int | None = None) -> Chance:
    """A generator of its own: seeded for a repeatable run, else from the operating system."""
    return random.Random(seed)  # noqa: S311 - jitter and weights, never secrets
