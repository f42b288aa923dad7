"""A process of the platform whose account may be made to pay."""

from messages.conftest import walk

__all__ = ["walk"]
