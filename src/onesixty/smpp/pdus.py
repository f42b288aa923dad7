"""What PDUs are made of, as data: commands, mandatory fields in order, and the PDU as a value.

`codec` drives one generic encoder and decoder from `BODIES`; nothing else knows a field's place or
size. Lengths that the specification derives from other fields (sm_length, number_of_dests,
no_unsuccess) are not fields here: the encoder computes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TypeAlias

from onesixty.smpp.statuses import Status
from onesixty.smpp.tlvs import TLVS, Tag, Tlv, TlvKind, TlvSpec, read_integer, read_text

__all__ = [
    "BODIES",
    "NEVER_ANSWERED",
    "RESPONSE_BIT",
    "TLVS",
    "Command",
    "Destination",
    "DistributionList",
    "FieldKind",
    "FieldSpec",
    "FieldValue",
    "Pdu",
    "Tag",
    "Tlv",
    "TlvKind",
    "TlvSpec",
    "Unsuccess",
    "command_name",
]

RESPONSE_BIT = 0x80000000


class Command(IntEnum):
    """command_id of every PDU that is built; any other is answered with generic_nack RINVCMDID."""

    GENERIC_NACK = 0x80000000
    BIND_RECEIVER = 0x00000001
    BIND_RECEIVER_RESP = 0x80000001
    BIND_TRANSMITTER = 0x00000002
    BIND_TRANSMITTER_RESP = 0x80000002
    QUERY_SM = 0x00000003
    QUERY_SM_RESP = 0x80000003
    SUBMIT_SM = 0x00000004
    SUBMIT_SM_RESP = 0x80000004
    DELIVER_SM = 0x00000005
    DELIVER_SM_RESP = 0x80000005
    UNBIND = 0x00000006
    UNBIND_RESP = 0x80000006
    REPLACE_SM = 0x00000007
    REPLACE_SM_RESP = 0x80000007
    CANCEL_SM = 0x00000008
    CANCEL_SM_RESP = 0x80000008
    BIND_TRANSCEIVER = 0x00000009
    BIND_TRANSCEIVER_RESP = 0x80000009
    OUTBIND = 0x0000000B
    ENQUIRE_LINK = 0x00000015
    ENQUIRE_LINK_RESP = 0x80000015
    SUBMIT_MULTI = 0x00000021
    SUBMIT_MULTI_RESP = 0x80000021
    ALERT_NOTIFICATION = 0x00000102
    DATA_SM = 0x00000103
    DATA_SM_RESP = 0x80000103


NEVER_ANSWERED = frozenset({Command.OUTBIND, Command.ALERT_NOTIFICATION})


@dataclass(frozen=True, slots=True)
class Destination:
    """One SME address of submit_multi (dest_flag 1)."""

    ton: int
    npi: int
    address: str


@dataclass(frozen=True, slots=True)
class DistributionList:
    """One distribution list of submit_multi (dest_flag 2)."""

    name: str


@dataclass(frozen=True, slots=True)
class Unsuccess:
    """One destination that submit_multi_resp reports as not accepted, with its command_status."""

    ton: int
    npi: int
    address: str
    status: int


FieldValue: TypeAlias = (
    int | str | bytes | Sequence[Destination | DistributionList] | Sequence[Unsuccess]
)


@dataclass(slots=True)
class Pdu:
    """One PDU; mandatory fields by their specification names, absent ones encode as 0 or "".

    Values are int (Integer), str (C-Octet String, as Latin-1), bytes (short_message) and, for
    submit_multi, `dest_address` and `unsuccess_sme` sequences. `flaws` says what a lenient decoder
    forgave, for the log.
    """

    command: int
    status: int = 0
    sequence: int = 0
    fields: dict[str, FieldValue] = field(default_factory=dict)
    tlvs: list[Tlv] = field(default_factory=list)
    flaws: tuple[str, ...] = ()

    @property
    def is_response(self) -> bool:
        """Whether this PDU answers another one (generic_nack included)."""
        return self.command & RESPONSE_BIT != 0

    def text(self, name: str) -> str:
        """A C-Octet field; "" when it was not given."""
        value = self.fields.get(name, "")
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int:
        """An integer field; 0 when it was not given."""
        value = self.fields.get(name, 0)
        return value if isinstance(value, int) else 0

    def octets(self, name: str) -> bytes:
        """An octet field; empty when it was not given."""
        value = self.fields.get(name, b"")
        return value if isinstance(value, bytes) else b""

    def user_data(self) -> bytes:
        """The message: message_payload, which supersedes a filled short_message (5.0)."""
        return self.tlv(Tag.MESSAGE_PAYLOAD) or self.octets("short_message")

    def tlv(self, tag: int) -> bytes | None:
        """The raw value of the first TLV with this tag; a wrongly repeated one does not count."""
        for tlv in self.tlvs:
            if tlv.tag == tag:
                return tlv.value
        return None

    def tlv_integer(self, tag: int) -> int | None:
        """The first TLV with this tag as a number; None when absent or of impossible length."""
        value = self.tlv(tag)
        return None if value is None else read_integer(tag, value)

    def tlv_text(self, tag: int) -> str | None:
        """The first TLV with this tag as Latin-1 text without NUL and padding; None when absent."""
        value = self.tlv(tag)
        return None if value is None else read_text(value)


def command_name(command: int) -> str:
    """The PDU's name in lower case, or its eight hexadecimal digits when it is not one of ours."""
    try:
        return Command(command).name.lower()
    except ValueError:
        return f"0x{command:08X}"


class FieldKind(Enum):
    """How a mandatory field is written."""

    INTEGER = "one octet"
    TEXT = "C-Octet String, at most `size` octets with its NUL"
    TIME = "C-Octet String, empty or exactly 16 characters"
    OCTETS = "length octet, then that many octets, at most `size`"
    DESTINATIONS = "count octet, then dest_address entries"
    UNSUCCESSES = "count octet, then unsuccess_sme entries"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One mandatory field: `error` is the command_status of a request in which it is malformed.

    `stretch` marks the fields whose limit real peers overstep and lenient coding lets pass.
    """

    name: str
    kind: FieldKind
    size: int
    error: Status = Status.RINVCMDLEN
    stretch: bool = False


def _integer(name: str) -> FieldSpec:
    return FieldSpec(name, FieldKind.INTEGER, 1)


def _text(name: str, size: int, error: Status, *, stretch: bool = False) -> FieldSpec:
    return FieldSpec(name, FieldKind.TEXT, size, error, stretch)


def _time(name: str, error: Status) -> FieldSpec:
    return FieldSpec(name, FieldKind.TIME, 17, error, stretch=True)


_SYSTEM_ID = _text("system_id", 16, Status.RINVSYSID, stretch=True)
_PASSWORD = _text("password", 9, Status.RINVPASWD, stretch=True)
_MESSAGE_ID = _text("message_id", 65, Status.RINVMSGID, stretch=True)
_SERVICE_TYPE = _text("service_type", 6, Status.RINVSERTYP)
_SCHEDULE = _time("schedule_delivery_time", Status.RINVSCHED)
_VALIDITY = _time("validity_period", Status.RINVEXPIRY)
_SHORT_MESSAGE = FieldSpec("short_message", FieldKind.OCTETS, 254, Status.RINVMSGLEN)


def _source(size: int) -> tuple[FieldSpec, ...]:
    return (
        _integer("source_addr_ton"),
        _integer("source_addr_npi"),
        _text("source_addr", size, Status.RINVSRCADR),
    )


def _destination(size: int) -> tuple[FieldSpec, ...]:
    return (
        _integer("dest_addr_ton"),
        _integer("dest_addr_npi"),
        _text("destination_addr", size, Status.RINVDSTADR),
    )


_BIND = (
    _SYSTEM_ID,
    _PASSWORD,
    _text("system_type", 13, Status.RINVSYSTYP),
    _integer("interface_version"),
    _integer("addr_ton"),
    _integer("addr_npi"),
    _text("address_range", 41, Status.RBINDFAIL),
)

_MESSAGE = (
    _integer("esm_class"),
    _integer("protocol_id"),
    _integer("priority_flag"),
    _SCHEDULE,
    _VALIDITY,
    _integer("registered_delivery"),
    _integer("replace_if_present_flag"),
    _integer("data_coding"),
    _integer("sm_default_msg_id"),
    _SHORT_MESSAGE,
)

_SUBMIT = (_SERVICE_TYPE, *_source(21), *_destination(21), *_MESSAGE)

BODIES: dict[int, tuple[FieldSpec, ...]] = {
    Command.GENERIC_NACK: (),
    Command.BIND_RECEIVER: _BIND,
    Command.BIND_RECEIVER_RESP: (_SYSTEM_ID,),
    Command.BIND_TRANSMITTER: _BIND,
    Command.BIND_TRANSMITTER_RESP: (_SYSTEM_ID,),
    Command.BIND_TRANSCEIVER: _BIND,
    Command.BIND_TRANSCEIVER_RESP: (_SYSTEM_ID,),
    Command.OUTBIND: (_SYSTEM_ID, _PASSWORD),
    Command.UNBIND: (),
    Command.UNBIND_RESP: (),
    Command.ENQUIRE_LINK: (),
    Command.ENQUIRE_LINK_RESP: (),
    Command.SUBMIT_SM: _SUBMIT,
    Command.SUBMIT_SM_RESP: (_MESSAGE_ID,),
    Command.DELIVER_SM: _SUBMIT,
    Command.DELIVER_SM_RESP: (_MESSAGE_ID,),
    Command.SUBMIT_MULTI: (
        _SERVICE_TYPE,
        *_source(21),
        FieldSpec("dest_address", FieldKind.DESTINATIONS, 255, Status.RINVNUMDESTS),
        *_MESSAGE,
    ),
    Command.SUBMIT_MULTI_RESP: (
        _MESSAGE_ID,
        FieldSpec("unsuccess_sme", FieldKind.UNSUCCESSES, 255),
    ),
    Command.DATA_SM: (
        _SERVICE_TYPE,
        *_source(65),
        *_destination(65),
        _integer("esm_class"),
        _integer("registered_delivery"),
        _integer("data_coding"),
    ),
    Command.DATA_SM_RESP: (_MESSAGE_ID,),
    Command.QUERY_SM: (_MESSAGE_ID, *_source(21)),
    Command.QUERY_SM_RESP: (
        _MESSAGE_ID,
        _time("final_date", Status.RINVEXPIRY),
        _integer("message_state"),
        _integer("error_code"),
    ),
    Command.CANCEL_SM: (_SERVICE_TYPE, _MESSAGE_ID, *_source(21), *_destination(21)),
    Command.CANCEL_SM_RESP: (),
    Command.REPLACE_SM: (
        _MESSAGE_ID,
        *_source(21),
        _SCHEDULE,
        _VALIDITY,
        _integer("registered_delivery"),
        _integer("sm_default_msg_id"),
        _SHORT_MESSAGE,
    ),
    Command.REPLACE_SM_RESP: (),
    Command.ALERT_NOTIFICATION: (
        *_source(65),
        _integer("esme_addr_ton"),
        _integer("esme_addr_npi"),
        _text("esme_addr", 65, Status.RINVDSTADR),
    ),
}
