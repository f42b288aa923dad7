"""What a session knows as data: its states, who may send what in each, its timers, its events.

Sources: SMPP 3.4, sections 2.2 (states) and 7.2 (timers).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from onesixty.smpp.pdus import NEVER_ANSWERED, Command, Pdu


class Side(Enum):
    """The two ends of a session."""

    ESME = "esme"
    """The client: it binds."""
    SMSC = "smsc"
    """The message centre: it is bound to."""

    @property
    def peer(self) -> "Side":
        """The other end."""
        return Side.SMSC if self is Side.ESME else Side.ESME


class State(Enum):
    """Where a session stands."""

    OPEN = "open"
    OUTBOUND = "outbound"
    BOUND_TX = "bound_tx"
    BOUND_RX = "bound_rx"
    BOUND_TRX = "bound_trx"
    UNBOUND = "unbound"
    CLOSED = "closed"


class BindMode(Enum):
    """What a bind is for; the value is the command that asks for it."""

    TRANSMITTER = Command.BIND_TRANSMITTER
    RECEIVER = Command.BIND_RECEIVER
    TRANSCEIVER = Command.BIND_TRANSCEIVER


_BINDS = frozenset({Command.BIND_TRANSMITTER, Command.BIND_RECEIVER, Command.BIND_TRANSCEIVER})
_LIFE = frozenset({Command.ENQUIRE_LINK})
_BOUND = frozenset({Command.ENQUIRE_LINK, Command.UNBIND})
_TO_SMSC = frozenset(
    {
        Command.SUBMIT_SM,
        Command.SUBMIT_MULTI,
        Command.DATA_SM,
        Command.QUERY_SM,
        Command.CANCEL_SM,
        Command.REPLACE_SM,
    }
)
_TO_ESME = frozenset({Command.DELIVER_SM, Command.DATA_SM, Command.ALERT_NOTIFICATION})

MAY_SEND: dict[Side, dict[State, frozenset[int]]] = {
    Side.ESME: {
        State.OPEN: _LIFE | _BINDS,
        State.OUTBOUND: _LIFE | _BINDS - {Command.BIND_TRANSMITTER},
        State.BOUND_TX: _BOUND | _TO_SMSC,
        State.BOUND_RX: _BOUND,
        State.BOUND_TRX: _BOUND | _TO_SMSC,
        State.UNBOUND: frozenset(),
        State.CLOSED: frozenset(),
    },
    Side.SMSC: {
        State.OPEN: _LIFE | {Command.OUTBIND},
        State.OUTBOUND: _LIFE,
        State.BOUND_TX: _BOUND,
        State.BOUND_RX: _BOUND | _TO_ESME,
        State.BOUND_TRX: _BOUND | _TO_ESME,
        State.UNBOUND: frozenset(),
        State.CLOSED: frozenset(),
    },
}
"""The requests a side may send in a state. Responses may be sent in every state."""

BOUND_BY: dict[int, State] = {
    Command.BIND_TRANSMITTER: State.BOUND_TX,
    Command.BIND_RECEIVER: State.BOUND_RX,
    Command.BIND_TRANSCEIVER: State.BOUND_TRX,
}
"""The state that a bind leads to once it is accepted."""

BOUND_STATES = frozenset(BOUND_BY.values())

MESSAGES: frozenset[int] = (_TO_SMSC | _TO_ESME) - {Command.ALERT_NOTIFICATION}
"""Requests that carry an application's business: they take a window slot until answered."""

REQUESTS: frozenset[int] = _BOUND | _BINDS | _TO_SMSC | _TO_ESME | NEVER_ANSWERED
"""Every request that SMPP 3.4 knows; all others are answered with generic_nack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """Every wait of a link, in seconds. A server ignores those about connecting."""

    connect_seconds: float = 10.0
    bind_seconds: float = 10.0
    """ESME: until the bind is answered. SMSC: until a bind arrives (session_init_timer)."""
    enquire_link_seconds: float = 30.0
    """Nothing received for that long: send enquire_link."""
    enquire_answer_seconds: float = 10.0
    """Still nothing: ask once more, and after as long again call the link dead."""
    response_seconds: float = 60.0
    unbind_seconds: float = 5.0
    remember_seconds: float = 600.0
    """How long the sequence number of a timed-out request still finds its late answer."""
    reconnect_min_seconds: float = 1.0
    reconnect_max_seconds: float = 60.0
    stable_seconds: float = 60.0
    """A bind that stood that long resets the back-off."""
    refused_seconds: float = 60.0
    already_bound_seconds: float = 30.0
    """The far side must first notice that our old session is dead."""

    @property
    def tick_seconds(self) -> float:
        """How often to call `Session.tick` so that no wait overshoots by more than a quarter."""
        shortest = min(
            self.bind_seconds,
            self.enquire_link_seconds,
            self.enquire_answer_seconds,
            self.response_seconds,
            self.unbind_seconds,
        )
        return min(1.0, max(shortest / 4, 0.01))


Token = TypeVar("Token")
"""Whatever the sender of a request wants back with its answer."""


@dataclass(slots=True)
class Requested:
    """The peer asks something; hand the PDU to `Session.answer` later."""

    pdu: Pdu


@dataclass(slots=True)
class Answered(Generic[Token]):
    """A request of ours was answered, if `late` after its `TimedOut`. May be a generic_nack."""

    token: Token
    pdu: Pdu
    late: bool = False


@dataclass(slots=True)
class TimedOut(Generic[Token]):
    """No answer within `response_seconds`; one may still come."""

    token: Token


@dataclass(slots=True)
class BindRequested:
    """A client wants to bind; call `Session.answer_bind`."""

    pdu: Pdu


@dataclass(slots=True)
class CalledUp:
    """The SMSC asks us to bind on this connection, which it made: its outbind."""

    pdu: Pdu


@dataclass(slots=True)
class Bound:
    """Our bind was accepted."""

    pdu: Pdu


@dataclass(slots=True)
class BindRefused:
    """Our bind was refused with the status of this PDU."""

    pdu: Pdu


@dataclass(slots=True)
class PeerUnbound:
    """The peer takes no more requests; the session answers and ends by itself."""


@dataclass(slots=True)
class Ended:
    """Write what is outgoing, then close the connection."""

    reason: str


@dataclass(slots=True)
class Noted:
    """Something for the log that needs no action."""

    what: str


Event = (
    Requested
    | Answered[Token]
    | TimedOut[Token]
    | BindRequested
    | CalledUp
    | Bound
    | BindRefused
    | PeerUnbound
    | Ended
    | Noted
)
