"""What became of submissions: decided, and written."""

from onesixty.messages.settle.settler import SETTLE, Settler

__all__ = ["SETTLE", "Settler"]
