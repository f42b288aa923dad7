"""Messages from handsets, as the deliver_sm PDUs they arrive in."""

import random
from enum import StrEnum

from onesixty.smpp.codec import encode
from onesixty.smpp.pdus import Command, FieldValue, Pdu, Tag, Tlv
from onesixty.smpp.receipts import UDHI
from onesixty.smpp.tlvs import integer_tlv
from onesixty.sms.alphabet import Encoding
from onesixty.sms.segments import Concatenation, Part, parts, plan

_PARTS_MOST = 255
_INTERNATIONAL, _ALPHANUMERIC, _NETWORK_SPECIFIC = 1, 5, 3
_ISDN = 1
_SHORT_CODE_DIGITS_MOST = 6


Address = tuple[int, int, str]
"""TON, NPI, and digits or name."""

_ADDRESS_FIELDS = (
    "source_addr_ton",
    "source_addr_npi",
    "source_addr",
    "dest_addr_ton",
    "dest_addr_npi",
    "destination_addr",
)


class PartOrder(StrEnum):
    """How the parts of a long message arrive."""

    IN_ORDER = "in_order"
    SHUFFLED = "shuffled"
    REPEATED = "repeated"  # each part twice


def address(written: str) -> Address:
    """TON, NPI and digits as carriers usually write them: the + is never on the wire."""
    digits = written.removeprefix("+")
    if not digits.isdecimal():
        return _ALPHANUMERIC, 0, written
    if written == digits and len(digits) <= _SHORT_CODE_DIGITS_MOST:
        return _NETWORK_SPECIFIC, 0, digits
    return _INTERNATIONAL, _ISDN, digits


def inbound_pdus(
    source: Address,
    destination: Address,
    text: str,
    *,
    long: Concatenation,
    order: PartOrder,
    chance: random.Random,
) -> list[Pdu]:
    """The deliver_sm PDUs of one message. EncodeError for addresses that SMPP cannot carry.

    SegmentationError for a text beyond 255 parts.
    """
    whole = plan(text, concatenation=long, max_segments=_PARTS_MOST)
    reference = chance.randrange(1, 256)
    addresses: dict[str, FieldValue] = dict(
        zip(_ADDRESS_FIELDS, (*source, *destination), strict=True)
    )
    pdus = [
        _pdu(addresses, part, whole.encoding, reference, long) for part in parts(whole, reference)
    ]
    for pdu in pdus:
        encode(pdu)
    if order is PartOrder.SHUFFLED:
        chance.shuffle(pdus)
    elif order is PartOrder.REPEATED:
        pdus = [again for pdu in pdus for again in (pdu, _copy(pdu))]
    return pdus


def _pdu(
    addresses: dict[str, FieldValue],
    part: Part,
    encoding: Encoding,
    reference: int,
    long: Concatenation,
) -> Pdu:
    pdu = Pdu(Command.DELIVER_SM, fields={**addresses, "data_coding": encoding.data_coding})
    if part.udh:
        pdu.fields["esm_class"] = UDHI
    if long is Concatenation.PAYLOAD:
        pdu.tlvs.append(Tlv(Tag.MESSAGE_PAYLOAD, part.user_data))
    else:
        pdu.fields["short_message"] = part.user_data
    if long is Concatenation.SAR and part.total > 1:
        pdu.tlvs += [
            integer_tlv(Tag.SAR_MSG_REF_NUM, reference),
            integer_tlv(Tag.SAR_TOTAL_SEGMENTS, part.total),
            integer_tlv(Tag.SAR_SEGMENT_SEQNUM, part.sequence),
        ]
    return pdu


def _copy(pdu: Pdu) -> Pdu:
    return Pdu(pdu.command, fields=dict(pdu.fields), tlvs=list(pdu.tlvs))
