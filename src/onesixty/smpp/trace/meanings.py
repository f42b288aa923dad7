"""What the numbers in a PDU stand for, in words (SMPP 3.4, section 5.2)."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from onesixty.smpp.data_coding import describe
from onesixty.smpp.receipts import (
    DELIVERY_RECEIPT,
    INTERMEDIATE_NOTIFICATION,
    MESSAGE_TYPE_MASK,
    UDHI,
    MessageState,
)
from onesixty.smpp.statuses import name_of
from onesixty.smpp.times import TimeFieldError, decode_time
from onesixty.smpp.trace.dissect import Piece

_TYPES_OF_NUMBER: Final = (
    "unknown", "international", "national", "network specific", "subscriber", "alphanumeric",
    "abbreviated",
)  # fmt: skip
_PLANS: Final = {
    0: "unknown", 1: "E.164", 3: "X.121", 4: "telex", 6: "land mobile E.212", 8: "national",
    9: "private", 10: "ERMES", 14: "internet", 18: "WAP client id",
}  # fmt: skip
_MODES: Final = ("", "datagram", "forward", "store and forward")
_MESSAGE_TYPES: Final = {
    DELIVERY_RECEIPT: "delivery receipt",
    0x08: "delivery acknowledgement",
    0x10: "user acknowledgement",
    0x18: "conversation abort",
    INTERMEDIATE_NOTIFICATION: "intermediate notification",
}
_RECEIPTS: Final = ("no receipt", "receipt at the end", "receipt on failure", "receipt on success")
_PROTOCOLS: Final = {0x40: "silent (type 0)", 0x5F: "return call", 0x7F: "SIM data download"}
_NETWORKS: Final = {1: "ANSI-136", 2: "IS-95", 3: "GSM", 4: "reserved"}
_STATES: Final = tuple(state.name.lower() for state in MessageState)
_AVAILABILITY: Final = ("available", "denied", "unavailable")


def meaning(piece: Piece) -> str:
    """What the value of a field or TLV says; "" when it says so itself."""
    tell = _MEANINGS.get(piece.name)
    if tell is not None and isinstance(piece.value, int):
        return tell(piece.value)
    if piece.name in _TIMES and isinstance(piece.value, str):
        return _moment(piece.value)
    if piece.name == "network_error_code" and len(piece.content) == 3:
        network = _NETWORKS.get(piece.content[0], f"network {piece.content[0]}")
        return f"{network} error {int.from_bytes(piece.content[1:], 'big')}"
    return ""


def _type_of_number(value: int) -> str:
    return _TYPES_OF_NUMBER[value] if value < len(_TYPES_OF_NUMBER) else "reserved"


def _esm_class(value: int) -> str:
    message_type = value & MESSAGE_TYPE_MASK
    known = _MESSAGE_TYPES.get(message_type, "reserved type")
    said = (
        _MODES[value & 3],
        known if message_type else "",
        "UDH" if value & UDHI else "",
        "reply path" if value & 0x80 else "",
    )
    return ", ".join(filter(None, said)) or "plain"


def _registered_delivery(value: int) -> str:
    acknowledgement = ("", "delivery ack", "user ack", "both acks")[value >> 2 & 3]
    said = (_RECEIPTS[value & 3], acknowledgement, "intermediate ones" if value & 0x10 else "")
    return ", ".join(filter(None, said))


def _data_coding(value: int) -> str:
    coding = describe(value)
    place = coding.message_class
    said = (
        coding.alphabet.value,
        f"class {place.value} ({place.name.lower().replace('_', ' ')})" if place else "",
        "message waiting" if coding.message_waiting else "",
        "compressed" if coding.compressed else "",
    )
    return ", ".join(filter(None, said))


def _version(value: int) -> str:
    if value < 0x34:
        return "SMPP 3.3 or older"
    return f"SMPP {value >> 4}.{value & 15}" if value in (0x34, 0x50) else "between or beyond"


def _state(value: int) -> str:
    return _STATES[value] if value < len(_STATES) else "reserved"


def _protocol(value: int) -> str:
    if 0x41 <= value <= 0x47:
        return f"replace type {value & 7}"
    return _PROTOCOLS.get(value, "")


def _moment(text: str) -> str:
    try:
        moment = decode_time(text, lenient=True)
    except TimeFieldError as error:
        return str(error)
    if moment is None:
        return ""
    return moment.isoformat() if isinstance(moment, datetime) else f"{moment} from then"


def _availability(value: int) -> str:
    return _AVAILABILITY[value] if value < len(_AVAILABILITY) else "reserved"


_TIMES: Final = frozenset({"schedule_delivery_time", "validity_period", "final_date"})
_MEANINGS: Final[dict[str, Callable[[int], str]]] = {
    **dict.fromkeys(
        ("source_addr_ton", "dest_addr_ton", "esme_addr_ton", "addr_ton"), _type_of_number
    ),
    **dict.fromkeys(
        ("source_addr_npi", "dest_addr_npi", "esme_addr_npi", "addr_npi"),
        lambda value: _PLANS.get(value, "reserved"),
    ),
    **dict.fromkeys(("interface_version", "sc_interface_version"), _version),
    "esm_class": _esm_class,
    "protocol_id": _protocol,
    "priority_flag": lambda value: "" if value < 4 else "beyond 3",
    "registered_delivery": _registered_delivery,
    "data_coding": _data_coding,
    "message_state": _state,
    "ms_availability_status": _availability,
    "dest_flag": lambda value: {1: "an address", 2: "a distribution list"}.get(value, "no such"),
    "error_status_code": name_of,
    "congestion_state": lambda value: f"{value} % busy",
}
