"""Dispatch: one lane for each carrier takes what that carrier can take now.

Nothing is decided here about a message; see `lane.py` for the line to one carrier, `dispatcher.py`
for all of them.
"""

from onesixty.messages.dispatch.dispatcher import Dispatcher
from onesixty.messages.dispatch.lane import Lane

__all__ = ["Dispatcher", "Lane"]
