"""What happens inside as SMPP says it: problems as command_status, statuses as message_state."""

from typing import Final

from onesixty.kit.problems import KINDS
from onesixty.messages.states import Status as Stands
from onesixty.smpp.receipts import MessageState
from onesixty.smpp.statuses import Status

_STATES: Final[dict[int, MessageState]] = {
    Stands.SCHEDULED: MessageState.SCHEDULED,
    Stands.DELIVERED: MessageState.DELIVERED,
    Stands.READ: MessageState.DELIVERED,
    Stands.UNDELIVERED: MessageState.UNDELIVERABLE,
    Stands.FAILED: MessageState.REJECTED,
    Stands.EXPIRED: MessageState.EXPIRED,
    Stands.CANCELED: MessageState.DELETED,
}


def message_state(status: int, version: int) -> MessageState:
    """The message_state of a message's status: ENROUTE until it has ended.

    Before SMPP 5.0 there is no word for what waits for its time: that is ENROUTE too.
    """
    state = _STATES.get(status, MessageState.ENROUTE)
    if state is MessageState.SCHEDULED and version < _FIRST_WITH_SCHEDULED:
        return MessageState.ENROUTE
    return state


def of_problem(code: str) -> int:
    """The command_status of a problem."""
    return KINDS[code].smpp_status or Status.RSYSERR


_FIRST_WITH_SCHEDULED: Final = 0x50
