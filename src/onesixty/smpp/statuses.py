"""command_status: every code of SMPP 3.4 and 5.0, its name, and what a client is to make of it.

Vendors reuse codes, so the meaning of any code can be overridden per connection with a mapping of
code -> `StatusRule`; what stands in the table is only the default.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum


class Status(IntEnum):
    """The codes by their 3.4 names (without ESME_); the 5.0 name is an alias where it differs."""

    ROK = 0x00
    RINVMSGLEN = 0x01
    RINVCMDLEN = 0x02
    RINVCMDID = 0x03
    RINVBNDSTS = 0x04
    RALYBND = 0x05
    RINVPRTFLG = 0x06
    RINVREGDLVFLG = 0x07
    RSYSERR = 0x08
    RINVSRCADR = 0x0A
    RINVDSTADR = 0x0B
    RINVMSGID = 0x0C
    RBINDFAIL = 0x0D
    RINVPASWD = 0x0E
    RINVSYSID = 0x0F
    RCANCELFAIL = 0x11
    RREPLACEFAIL = 0x13
    RMSGQFUL = 0x14
    RINVSERTYP = 0x15
    RINVNUMDESTS = 0x33
    RINVDLNAME = 0x34
    RINVDESTFLAG = 0x40
    RINVSUBREP = 0x42
    RINVESMCLASS = 0x43
    RCNTSUBDL = 0x44
    RSUBMITFAIL = 0x45
    RINVSRCTON = 0x48
    RINVSRCNPI = 0x49
    RINVDSTTON = 0x50
    RINVDSTNPI = 0x51
    RINVSYSTYP = 0x53
    RINVREPFLAG = 0x54
    RINVNUMMSGS = 0x55
    RTHROTTLED = 0x58
    RINVSCHED = 0x61
    RINVEXPIRY = 0x62
    RINVDFTMSGID = 0x63
    RX_T_APPN = 0x64
    RX_P_APPN = 0x65
    RX_R_APPN = 0x66
    RQUERYFAIL = 0x67
    RINVOPTPARSTREAM = 0xC0
    ROPTPARNOTALLWD = 0xC1
    RINVPARLEN = 0xC2
    RMISSINGOPTPARAM = 0xC3
    RINVOPTPARAMVAL = 0xC4
    RDELIVERYFAILURE = 0xFE
    RUNKNOWNERR = 0xFF
    RSERTYPUNAUTH = 0x100
    RPROHIBITED = 0x101
    RSERTYPUNAVAIL = 0x102
    RSERTYPDENIED = 0x103
    RINVDCS = 0x104
    RINVSRCADDRSUBUNIT = 0x105
    RINVDSTADDRSUBUNIT = 0x106
    RINVBCASTFREQINT = 0x107
    RINVBCASTALIAS_NAME = 0x108
    RINVBCASTAREAFMT = 0x109
    RINVNUMBCAST_AREAS = 0x10A
    RINVBCASTCNTTYPE = 0x10B
    RINVBCASTMSGCLASS = 0x10C
    RBCASTFAIL = 0x10D
    RBCASTQUERYFAIL = 0x10E
    RBCASTCANCELFAIL = 0x10F
    RINVBCAST_REP = 0x110
    RINVBCASTSRVGRP = 0x111
    RINVBCASTCHANIND = 0x112

    RINVTLVSTREAM = RINVOPTPARSTREAM
    RTLVNOTALLWD = ROPTPARNOTALLWD
    RINVTLVLEN = RINVPARLEN
    RMISSINGTLV = RMISSINGOPTPARAM
    RINVTLVVAL = RINVOPTPARAMVAL


class StatusClass(Enum):
    """What our client does with a request that was answered so."""

    OK = "ok"  # accepted
    PERMANENT = "permanent"  # dead on this route: fail it, or try the next route
    CONFIG = "config"  # as permanent, and tell the operator: it will happen again
    THROTTLE = "throttle"  # not accepted: slow the whole connection, not counted as an attempt
    TRANSIENT = "transient"  # not accepted: try again later, counted as an attempt
    SESSION = "session"  # the session is of no use: close it, connect anew, send again


class Occasion(Enum):
    """What a status answers: the same code means different things there."""

    REQUEST = "request"  # submit_sm and every other request on a bound session
    BIND = "bind"
    NACK = "generic_nack"


@dataclass(frozen=True, slots=True)
class StatusRule:
    """What to do; `max_retries` is how often a transient failure is worth another attempt.

    None leaves the number to the route. For a bind it is how many failures come before an alert.
    """

    status_class: StatusClass
    max_retries: int | None = None


@dataclass(frozen=True, slots=True)
class StatusSpec:
    """One row of the table. `names` begin with the 3.4 name; the 5.0 name follows if it differs."""

    code: int
    names: tuple[str, ...]
    rule: StatusRule
    remark: str
    on_bind: StatusRule | None = None
    on_nack: StatusRule | None = None


def name_of(code: int) -> str:
    """The code's name ("ESME_RTHROTTLED"), or its eight hexadecimal digits when it has none."""
    spec = STATUSES.get(code)
    return spec.names[0] if spec is not None else f"0x{code:08X}"


def remark_on(code: int) -> str:
    """A hint for the operator, empty when the name says it all."""
    spec = STATUSES.get(code)
    if spec is not None:
        return spec.remark
    return "vendor code" if code in _VENDOR_CODES else "reserved code"


def class_of(
    code: int,
    occasion: Occasion = Occasion.REQUEST,
    overrides: Mapping[int, StatusRule] | None = None,
) -> StatusClass:
    """What to make of an answer with this code; see `rule_for`."""
    return rule_for(code, occasion, overrides).status_class


def rule_for(
    code: int,
    occasion: Occasion = Occasion.REQUEST,
    overrides: Mapping[int, StatusRule] | None = None,
    delivery_failure_reason: int | None = None,
) -> StatusRule:
    """The rule for a code on an occasion; the connection's own `overrides` come before the table.

    `delivery_failure_reason` is the TLV of that name, which tells RDELIVERYFAILUREs apart.
    """
    if overrides is not None and code in overrides:
        return overrides[code]
    spec = STATUSES.get(code)
    if spec is None:
        return _PERMANENT if code in _VENDOR_CODES else _CONFIG
    if code == Status.RDELIVERYFAILURE and delivery_failure_reason == _TEMPORARY_NETWORK_ERROR:
        return _TRANSIENT
    if occasion is Occasion.BIND:
        return spec.on_bind or _bind_rule(spec.rule)
    if occasion is Occasion.NACK:
        return spec.on_nack or spec.rule
    return spec.rule


def _bind_rule(rule: StatusRule) -> StatusRule:
    """A bind is never given up: what is hopeless for a message is for a bind a wrong setting."""
    if rule.status_class is StatusClass.PERMANENT:
        return _CONFIG
    return _TRANSIENT if rule.status_class is StatusClass.SESSION else rule


_VENDOR_CODES = range(0x400, 0x500)
_TEMPORARY_NETWORK_ERROR = 3

_OK = StatusRule(StatusClass.OK)
_PERMANENT = StatusRule(StatusClass.PERMANENT)
_CONFIG = StatusRule(StatusClass.CONFIG)
_THROTTLE = StatusRule(StatusClass.THROTTLE)
_TRANSIENT = StatusRule(StatusClass.TRANSIENT)
_SESSION = StatusRule(StatusClass.SESSION)


def _transient(max_retries: int) -> StatusRule:
    return StatusRule(StatusClass.TRANSIENT, max_retries)


def _spec(
    status: Status,
    rule: StatusRule,
    remark: str = "",
    *,
    on_bind: StatusRule | None = None,
    on_nack: StatusRule | None = None,
) -> StatusSpec:
    names = [name for name, member in Status.__members__.items() if member is status]
    return StatusSpec(
        status, tuple(f"ESME_{name}" for name in names), rule, remark, on_bind, on_nack
    )


_SPECS = (
    _spec(Status.ROK, _OK, "accepted"),
    _spec(
        Status.RINVMSGLEN,
        _PERMANENT,
        "too long for this SMSC: it may want 140 octets at most, or message_payload",
    ),
    _spec(
        Status.RINVCMDLEN,
        _PERMANENT,
        "our framing or encoding is wrong: look at the octets of the PDU",
        on_nack=_SESSION,
    ),
    _spec(
        Status.RINVCMDID,
        _CONFIG,
        "this SMSC does not know the operation: switch it off for the connection",
    ),
    _spec(
        Status.RINVBNDSTS,
        _SESSION,
        "the SMSC lost our bind, or we submit on a receiver: bind again",
    ),
    _spec(
        Status.RALYBND,
        _CONFIG,
        "on bind: an old session is still alive there, or too many binds",
        on_bind=_TRANSIENT,
    ),
    _spec(Status.RINVPRTFLG, _PERMANENT),
    _spec(Status.RINVREGDLVFLG, _CONFIG, "try registered_delivery 0 or 1"),
    _spec(
        Status.RSYSERR,
        _transient(3),
        "ambiguous: some SMSCs have accepted the message",
        on_bind=_TRANSIENT,
    ),
    _spec(Status.RINVSRCADR, _PERMANENT, "this sender is not allowed"),
    _spec(Status.RINVDSTADR, _PERMANENT),
    _spec(Status.RINVMSGID, _PERMANENT, "not found or already final; on submit a vendor's misuse"),
    _spec(
        Status.RBINDFAIL,
        _CONFIG,
        "many use it for wrong password, wrong IP address or too many binds",
        on_bind=_transient(3),
    ),
    _spec(Status.RINVPASWD, _CONFIG, "retry slowly, or be banned", on_bind=_CONFIG),
    _spec(Status.RINVSYSID, _CONFIG, "retry slowly, or be banned", on_bind=_CONFIG),
    _spec(Status.RCANCELFAIL, _PERMANENT),
    _spec(Status.RREPLACEFAIL, _PERMANENT),
    _spec(
        Status.RMSGQFUL,
        _THROTTLE,
        "queue full, of one destination or of all; at a few vendors: no credit",
        on_bind=_TRANSIENT,
    ),
    _spec(Status.RINVSERTYP, _CONFIG),
    _spec(Status.RINVNUMDESTS, _PERMANENT),
    _spec(Status.RINVDLNAME, _PERMANENT),
    _spec(Status.RINVDESTFLAG, _PERMANENT),
    _spec(Status.RINVSUBREP, _PERMANENT),
    _spec(
        Status.RINVESMCLASS,
        _CONFIG,
        "the SMSC dislikes UDHI or the mode bits: try another way of segmentation",
    ),
    _spec(Status.RCNTSUBDL, _PERMANENT),
    _spec(
        Status.RSUBMITFAIL,
        _transient(2),
        "the most abused code: no credit, blocked content, do not disturb, no route",
    ),
    _spec(Status.RINVSRCTON, _CONFIG),
    _spec(Status.RINVSRCNPI, _CONFIG),
    _spec(Status.RINVDSTTON, _CONFIG),
    _spec(Status.RINVDSTNPI, _CONFIG),
    _spec(Status.RINVSYSTYP, _CONFIG, on_bind=_CONFIG),
    _spec(Status.RINVREPFLAG, _PERMANENT),
    _spec(Status.RINVNUMMSGS, _PERMANENT),
    _spec(Status.RTHROTTLED, _THROTTLE, "more requests than agreed", on_bind=_TRANSIENT),
    _spec(Status.RINVSCHED, _PERMANENT),
    _spec(
        Status.RINVEXPIRY, _CONFIG, "switch the form of validity_period: relative, absolute or none"
    ),
    _spec(Status.RINVDFTMSGID, _PERMANENT),
    _spec(Status.RX_T_APPN, _TRANSIENT, "answer to deliver_sm: deliver again later"),
    _spec(
        Status.RX_P_APPN,
        _PERMANENT,
        "answer to deliver_sm: never deliver, nor others to that address",
    ),
    _spec(Status.RX_R_APPN, _PERMANENT, "answer to deliver_sm: drop this message"),
    _spec(Status.RQUERYFAIL, _PERMANENT, "at some vendors: quota exceeded"),
    _spec(Status.RINVOPTPARSTREAM, _CONFIG),
    _spec(Status.ROPTPARNOTALLWD, _CONFIG, "send without the TLV"),
    _spec(Status.RINVPARLEN, _CONFIG),
    _spec(Status.RMISSINGOPTPARAM, _CONFIG),
    _spec(Status.RINVOPTPARAMVAL, _PERMANENT),
    _spec(Status.RDELIVERYFAILURE, _PERMANENT, "temporary when delivery_failure_reason is 3"),
    _spec(Status.RUNKNOWNERR, _transient(1), "ambiguous"),
    _spec(Status.RSERTYPUNAUTH, _CONFIG),
    _spec(Status.RPROHIBITED, _CONFIG),
    _spec(Status.RSERTYPUNAVAIL, _TRANSIENT),
    _spec(Status.RSERTYPDENIED, _PERMANENT),
    _spec(Status.RINVDCS, _PERMANENT, "try UCS-2"),
    _spec(Status.RINVSRCADDRSUBUNIT, _PERMANENT),
    _spec(Status.RINVDSTADDRSUBUNIT, _PERMANENT),
    _spec(Status.RINVBCASTFREQINT, _PERMANENT),
    _spec(Status.RINVBCASTALIAS_NAME, _PERMANENT),
    _spec(Status.RINVBCASTAREAFMT, _PERMANENT),
    _spec(Status.RINVNUMBCAST_AREAS, _PERMANENT),
    _spec(Status.RINVBCASTCNTTYPE, _PERMANENT),
    _spec(Status.RINVBCASTMSGCLASS, _PERMANENT),
    _spec(Status.RBCASTFAIL, _PERMANENT),
    _spec(Status.RBCASTQUERYFAIL, _PERMANENT),
    _spec(Status.RBCASTCANCELFAIL, _PERMANENT),
    _spec(Status.RINVBCAST_REP, _PERMANENT),
    _spec(Status.RINVBCASTSRVGRP, _PERMANENT),
    _spec(Status.RINVBCASTCHANIND, _PERMANENT),
)
STATUSES: dict[int, StatusSpec] = {spec.code: spec for spec in _SPECS}

# Old lists print these four codes at other numbers than the specification has them.
for _misprint, _code in ((0x4A, 0x50), (0x4B, 0x51), (0x4D, 0x53), (0x4E, 0x54)):
    STATUSES[_misprint] = STATUSES[_code]
