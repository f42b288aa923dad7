"""Optional parameters (TLVs): which tags exist, what their values are, how to read and make them.

The decoder keeps every TLV raw, known or not, in the order of the PDU. The functions here read a
value by its specification: a known tag with a value of impossible length reads as if absent.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum


class Tag(IntEnum):
    """TLV tags of SMPP 3.4 and 5.0, and the vendor tags that Indian DLT traffic needs."""

    DEST_ADDR_SUBUNIT = 0x0005
    DEST_NETWORK_TYPE = 0x0006
    DEST_BEARER_TYPE = 0x0007
    DEST_TELEMATICS_ID = 0x0008
    SOURCE_ADDR_SUBUNIT = 0x000D
    SOURCE_NETWORK_TYPE = 0x000E
    SOURCE_BEARER_TYPE = 0x000F
    SOURCE_TELEMATICS_ID = 0x0010
    QOS_TIME_TO_LIVE = 0x0017
    PAYLOAD_TYPE = 0x0019
    ADDITIONAL_STATUS_INFO_TEXT = 0x001D
    RECEIPTED_MESSAGE_ID = 0x001E
    MS_MSG_WAIT_FACILITIES = 0x0030
    PRIVACY_INDICATOR = 0x0201
    SOURCE_SUBADDRESS = 0x0202
    DEST_SUBADDRESS = 0x0203
    USER_MESSAGE_REFERENCE = 0x0204
    USER_RESPONSE_CODE = 0x0205
    SOURCE_PORT = 0x020A
    DESTINATION_PORT = 0x020B
    SAR_MSG_REF_NUM = 0x020C
    LANGUAGE_INDICATOR = 0x020D
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210
    CALLBACK_NUM_PRES_IND = 0x0302
    CALLBACK_NUM_ATAG = 0x0303
    NUMBER_OF_MESSAGES = 0x0304
    CALLBACK_NUM = 0x0381
    DPF_RESULT = 0x0420
    SET_DPF = 0x0421
    MS_AVAILABILITY_STATUS = 0x0422
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    DELIVERY_FAILURE_REASON = 0x0425
    MORE_MESSAGES_TO_SEND = 0x0426
    MESSAGE_STATE = 0x0427
    CONGESTION_STATE = 0x0428
    USSD_SERVICE_OP = 0x0501
    BROADCAST_CHANNEL_INDICATOR = 0x0600
    BROADCAST_CONTENT_TYPE = 0x0601
    BROADCAST_CONTENT_TYPE_INFO = 0x0602
    BROADCAST_MESSAGE_CLASS = 0x0603
    BROADCAST_REP_NUM = 0x0604
    BROADCAST_FREQUENCY_INTERVAL = 0x0605
    BROADCAST_AREA_IDENTIFIER = 0x0606
    BROADCAST_ERROR_STATUS = 0x0607
    BROADCAST_AREA_SUCCESS = 0x0608
    BROADCAST_END_TIME = 0x0609
    BROADCAST_SERVICE_GROUP = 0x060A
    BILLING_IDENTIFICATION = 0x060B
    SOURCE_NETWORK_ID = 0x060D
    DEST_NETWORK_ID = 0x060E
    SOURCE_NODE_ID = 0x060F
    DEST_NODE_ID = 0x0610
    DEST_ADDR_NP_RESOLUTION = 0x0611
    DEST_ADDR_NP_INFORMATION = 0x0612
    DEST_ADDR_NP_COUNTRY = 0x0613
    DISPLAY_TIME = 0x1201
    SMS_SIGNAL = 0x1203
    MS_VALIDITY = 0x1204
    ALERT_ON_MESSAGE_DELIVERY = 0x130C
    ITS_REPLY_TYPE = 0x1380
    ITS_SESSION_INFO = 0x1383
    DLT_ENTITY_ID = 0x1400
    DLT_TEMPLATE_ID = 0x1401
    DLT_TELEMARKETER_ID = 0x1402


class TlvKind(Enum):
    """How the octets of a value are to be read."""

    INTEGER = "integer"
    TEXT = "text"  # C-Octet String: the NUL counts as part of the value, and is often forgotten
    OCTETS = "octets"


@dataclass(frozen=True, slots=True)
class TlvSpec:
    """What the specification says of one tag; lengths in octets of the value."""

    tag: int
    name: str
    kind: TlvKind
    least: int
    most: int
    repeatable: bool = False
    when_empty: int | None = None  # what an integer of length 0 stands for, where peers send that

    def fits(self, value: bytes) -> bool:
        """Whether a value has a length this tag may have."""
        return self.least <= len(value) <= self.most


@dataclass(slots=True)
class Tlv:
    """One optional parameter as it stands in the PDU: tag (0 to 0xFFFF) and raw value."""

    tag: int
    value: bytes


_INTEGER, _TEXT, _OCTETS = TlvKind.INTEGER, TlvKind.TEXT, TlvKind.OCTETS


def _spec(
    tag: Tag,
    kind: TlvKind,
    least: int,
    most: int,
    *,
    repeatable: bool = False,
    when_empty: int | None = None,
) -> TlvSpec:
    return TlvSpec(tag, tag.name.lower(), kind, least, most, repeatable, when_empty)


_SPECS = (
    _spec(Tag.DEST_ADDR_SUBUNIT, _INTEGER, 1, 1),
    _spec(Tag.DEST_NETWORK_TYPE, _INTEGER, 1, 1),
    _spec(Tag.DEST_BEARER_TYPE, _INTEGER, 1, 1),
    _spec(Tag.DEST_TELEMATICS_ID, _INTEGER, 2, 2),
    _spec(Tag.SOURCE_ADDR_SUBUNIT, _INTEGER, 1, 1),
    _spec(Tag.SOURCE_NETWORK_TYPE, _INTEGER, 1, 1),
    _spec(Tag.SOURCE_BEARER_TYPE, _INTEGER, 1, 1),
    _spec(Tag.SOURCE_TELEMATICS_ID, _INTEGER, 1, 1),
    _spec(Tag.QOS_TIME_TO_LIVE, _INTEGER, 4, 4),
    _spec(Tag.PAYLOAD_TYPE, _INTEGER, 1, 1),
    _spec(Tag.ADDITIONAL_STATUS_INFO_TEXT, _TEXT, 0, 256),
    _spec(Tag.RECEIPTED_MESSAGE_ID, _TEXT, 0, 65),
    _spec(Tag.MS_MSG_WAIT_FACILITIES, _INTEGER, 1, 1),
    _spec(Tag.PRIVACY_INDICATOR, _INTEGER, 1, 1),
    _spec(Tag.SOURCE_SUBADDRESS, _OCTETS, 2, 23),
    _spec(Tag.DEST_SUBADDRESS, _OCTETS, 2, 23),
    _spec(Tag.USER_MESSAGE_REFERENCE, _INTEGER, 2, 2),
    _spec(Tag.USER_RESPONSE_CODE, _INTEGER, 1, 1),
    _spec(Tag.SOURCE_PORT, _INTEGER, 2, 2),
    _spec(Tag.DESTINATION_PORT, _INTEGER, 2, 2),
    _spec(Tag.SAR_MSG_REF_NUM, _INTEGER, 2, 2),
    _spec(Tag.LANGUAGE_INDICATOR, _INTEGER, 1, 1),
    _spec(Tag.SAR_TOTAL_SEGMENTS, _INTEGER, 1, 1),
    _spec(Tag.SAR_SEGMENT_SEQNUM, _INTEGER, 1, 1),
    _spec(Tag.SC_INTERFACE_VERSION, _INTEGER, 1, 1),
    _spec(Tag.CALLBACK_NUM_PRES_IND, _INTEGER, 1, 1, repeatable=True),
    _spec(Tag.CALLBACK_NUM_ATAG, _OCTETS, 1, 65, repeatable=True),
    _spec(Tag.NUMBER_OF_MESSAGES, _INTEGER, 1, 1),
    _spec(Tag.CALLBACK_NUM, _OCTETS, 4, 19, repeatable=True),
    _spec(Tag.DPF_RESULT, _INTEGER, 1, 1),
    _spec(Tag.SET_DPF, _INTEGER, 1, 1),
    _spec(Tag.MS_AVAILABILITY_STATUS, _INTEGER, 1, 1),
    _spec(Tag.NETWORK_ERROR_CODE, _OCTETS, 3, 3),
    _spec(Tag.MESSAGE_PAYLOAD, _OCTETS, 0, 65535),
    _spec(Tag.DELIVERY_FAILURE_REASON, _INTEGER, 1, 1),
    _spec(Tag.MORE_MESSAGES_TO_SEND, _INTEGER, 0, 1, when_empty=1),
    _spec(Tag.MESSAGE_STATE, _INTEGER, 1, 1),
    _spec(Tag.CONGESTION_STATE, _INTEGER, 1, 1),
    _spec(Tag.USSD_SERVICE_OP, _INTEGER, 1, 1),
    _spec(Tag.BROADCAST_CHANNEL_INDICATOR, _INTEGER, 1, 1),
    _spec(Tag.BROADCAST_CONTENT_TYPE, _OCTETS, 3, 3),
    _spec(Tag.BROADCAST_CONTENT_TYPE_INFO, _OCTETS, 1, 255),
    _spec(Tag.BROADCAST_MESSAGE_CLASS, _INTEGER, 1, 1),
    _spec(Tag.BROADCAST_REP_NUM, _INTEGER, 2, 2),
    _spec(Tag.BROADCAST_FREQUENCY_INTERVAL, _OCTETS, 3, 3),
    _spec(Tag.BROADCAST_AREA_IDENTIFIER, _OCTETS, 0, 65535, repeatable=True),
    _spec(Tag.BROADCAST_ERROR_STATUS, _INTEGER, 4, 4, repeatable=True),
    _spec(Tag.BROADCAST_AREA_SUCCESS, _INTEGER, 1, 1),
    _spec(Tag.BROADCAST_END_TIME, _TEXT, 16, 17),
    _spec(Tag.BROADCAST_SERVICE_GROUP, _OCTETS, 1, 255),
    _spec(Tag.BILLING_IDENTIFICATION, _OCTETS, 1, 1024),
    _spec(Tag.SOURCE_NETWORK_ID, _TEXT, 7, 65),
    _spec(Tag.DEST_NETWORK_ID, _TEXT, 7, 65),
    _spec(Tag.SOURCE_NODE_ID, _OCTETS, 6, 6),
    _spec(Tag.DEST_NODE_ID, _OCTETS, 6, 6),
    _spec(Tag.DEST_ADDR_NP_RESOLUTION, _INTEGER, 1, 1),
    _spec(Tag.DEST_ADDR_NP_INFORMATION, _OCTETS, 10, 10),
    _spec(Tag.DEST_ADDR_NP_COUNTRY, _OCTETS, 1, 5),
    _spec(Tag.DISPLAY_TIME, _INTEGER, 1, 1),
    _spec(Tag.SMS_SIGNAL, _INTEGER, 2, 2),
    _spec(Tag.MS_VALIDITY, _OCTETS, 1, 4),
    _spec(Tag.ALERT_ON_MESSAGE_DELIVERY, _INTEGER, 0, 1, when_empty=0),
    _spec(Tag.ITS_REPLY_TYPE, _INTEGER, 1, 1),
    _spec(Tag.ITS_SESSION_INFO, _OCTETS, 2, 2),
    _spec(Tag.DLT_ENTITY_ID, _TEXT, 0, 65535),
    _spec(Tag.DLT_TEMPLATE_ID, _TEXT, 0, 65535),
    _spec(Tag.DLT_TELEMARKETER_ID, _TEXT, 0, 65535),
)
TLVS: dict[int, TlvSpec] = {spec.tag: spec for spec in _SPECS}


def name_of_tag(tag: int) -> str:
    """The tag's name in the specification, or its four hexadecimal digits when it has none."""
    spec = TLVS.get(tag)
    return spec.name if spec is not None else f"0x{tag:04X}"


def read_integer(tag: int, value: bytes) -> int | None:
    """The unsigned number in a value; None when it has a length that its tag cannot have."""
    spec = TLVS.get(tag)
    if spec is not None:
        if not value and spec.when_empty is not None:
            return spec.when_empty
        if not spec.fits(value):
            return None
    return int.from_bytes(value, "big") if 0 < len(value) <= 8 else None


def read_text(value: bytes) -> str:
    """The text in a value: Latin-1, up to the first NUL, without the spaces some peers pad with."""
    return value.partition(b"\0")[0].decode("latin-1").strip()


def integer_tlv(tag: int, value: int) -> Tlv:
    """A TLV holding an unsigned number in as many octets as the tag asks for (unknown tags: 1).

    OverflowError when the number does not fit.
    """
    spec = TLVS.get(tag)
    return Tlv(tag, value.to_bytes(spec.most if spec is not None else 1, "big"))


def text_tlv(tag: int, text: str) -> Tlv:
    """A TLV holding a C-Octet String, NUL included; UnicodeEncodeError beyond Latin-1."""
    return Tlv(tag, text.encode("latin-1") + b"\0")
