"""Delivery receipts: recognising them, reading the many forms they come in, writing the usual one.

The text of a receipt is only an example in the specification (3.4 appendix B), so every SMSC has
its own. Reading one never fails: what cannot be read is "" or UNKNOWN, and the raw octets are kept.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache

from onesixty.smpp.pdus import FieldValue, Pdu
from onesixty.smpp.tlvs import Tag, Tlv, integer_tlv, text_tlv

UDHI = 0x40
MESSAGE_TYPE_MASK = 0x3C  # bits 5-2 of esm_class: 0x44, 0x84 and 0x07 are receipts too
DELIVERY_RECEIPT = 0x04
INTERMEDIATE_NOTIFICATION = 0x20


class MessageState(IntEnum):
    """message_state of SMPP 5.0 (0 and 9 are not in 3.4)."""

    SCHEDULED = 0
    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6
    UNKNOWN = 7
    REJECTED = 8
    SKIPPED = 9


@dataclass(frozen=True, slots=True)
class ReceiptOptions:
    """How the receipts of one connection are to be understood.

    `by_tlvs`: receipted_message_id with a state makes a receipt even if esm_class does not say so.
    `by_text`: so does a text `id:... stat:...`; off, because a subscriber can send such a text.
    `text_state_wins`: over message_state, which some SMSCs always send as DELIVERED.
    `accepted_is_final`: as the specification has it; in practice ACCEPTD comes before the final
    one. `words`: what words behind `stat:` mean here, in capitals; the usual ones hold besides.
    """

    by_tlvs: bool = True
    by_text: bool = False
    text_state_wins: bool = True
    accepted_is_final: bool = False
    words: Mapping[str, MessageState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says. Times are the SMSC's own words, in a zone it does not tell.

    `ids` are the message ids it may mean, in the order to try them; `id` is the first of them, or
    "". `stat` is the state in the SMSC's words. `error` comes from the text, or else is
    `network:code`
    from network_error_code. `raw` is the message with its UDH.
    """

    id: str
    state: MessageState
    final: bool
    intermediate: bool
    error: str
    submit_date: str
    done_date: str
    text: str
    raw: bytes
    ids: tuple[str, ...]
    stat: str = ""


_USUAL = ReceiptOptions()


def is_receipt(pdu: Pdu, options: ReceiptOptions = _USUAL) -> bool:
    """Whether a deliver_sm or data_sm is a receipt or intermediate notification, not a message."""
    message_type = pdu.number("esm_class") & MESSAGE_TYPE_MASK
    if message_type:
        return message_type in (DELIVERY_RECEIPT, INTERMEDIATE_NOTIFICATION)
    if options.by_tlvs and pdu.tlv(Tag.RECEIPTED_MESSAGE_ID) is not None:
        if pdu.tlv(Tag.MESSAGE_STATE) is not None:
            return True
        values = _read_labels(_decode(pdu))
        return bool(values.get("id") and values.get("stat"))
    return options.by_text and _RECEIPT_TEXT.match(_decode(pdu)) is not None


def parse_receipt(pdu: Pdu, options: ReceiptOptions = _USUAL) -> Receipt:
    """What a receipt says; never raises, whatever is in the PDU."""
    values = _read_labels(_decode(pdu))
    stat = values.get("stat", "").partition(" ")[0].rstrip(_PUNCTUATION)
    state = _state(stat, pdu.tlv_integer(Tag.MESSAGE_STATE), options)
    intermediate = pdu.number("esm_class") & MESSAGE_TYPE_MASK == INTERMEDIATE_NOTIFICATION
    final = state in _FINAL or (options.accepted_is_final and state is MessageState.ACCEPTED)
    ids = _candidates(pdu.tlv_text(Tag.RECEIPTED_MESSAGE_ID), values.get("id", ""))
    return Receipt(
        id=ids[0] if ids else "",
        state=state,
        final=final and not intermediate,
        intermediate=intermediate,
        error=_error(values.get("err", ""), pdu.tlv(Tag.NETWORK_ERROR_CODE)),
        submit_date=values.get("submit_date", ""),
        done_date=values.get("done_date", ""),
        text=values.get("text", "").strip(),
        raw=pdu.user_data(),
        ids=ids,
        stat=stat,
    )


def build_receipt(
    message_id: str,
    state: MessageState,
    *,
    submitted: datetime,
    done: datetime,
    error: int | str = 0,
    text: str = "",
) -> tuple[dict[str, FieldValue], list[Tlv]]:
    """The fields and TLVs of a receipt for one message, addresses left to the caller.

    `submitted` and `done` are aware and written in UTC. `error` is a GSM network error, 0 to
    0xFFFF, or text as `Receipt.error` has it: of another network `network:code`, or a word that no
    TLV can hold. Of `text` the first 20 characters are quoted; "?" stands for those that the client
    may read as others, since data_coding 0 is mostly the GSM alphabet. States that are not the last
    word make an intermediate notification.
    """
    word, network_error = _network_error(error)
    quoted = text[:20]
    if not quoted.isalnum() or not quoted.isascii():
        quoted = _UNSURE.sub("?", quoted)
    line = (
        f"id:{message_id} sub:001 dlvrd:{int(state is MessageState.DELIVERED):03d} "
        f"submit date:{_date(submitted.replace(second=0, microsecond=0))} "
        f"done date:{_date(done.replace(second=0, microsecond=0))} "
        f"stat:{STATE_WORDS[state]} err:{word} text:{quoted}"
    )
    last_word = state in _FINAL or state is MessageState.UNKNOWN
    fields: dict[str, FieldValue] = {
        "esm_class": DELIVERY_RECEIPT if last_word else INTERMEDIATE_NOTIFICATION,
        "short_message": line.encode("ascii"),
    }
    tlvs = [
        text_tlv(Tag.RECEIPTED_MESSAGE_ID, message_id),
        integer_tlv(Tag.MESSAGE_STATE, state),
    ]
    if network_error is not None:
        tlvs.append(Tlv(Tag.NETWORK_ERROR_CODE, network_error))
    return fields, tlvs


STATE_WORDS = {
    MessageState.SCHEDULED: "SCHEDLD",
    MessageState.ENROUTE: "ENROUTE",
    MessageState.DELIVERED: "DELIVRD",
    MessageState.EXPIRED: "EXPIRED",
    MessageState.DELETED: "DELETED",
    MessageState.UNDELIVERABLE: "UNDELIV",
    MessageState.ACCEPTED: "ACCEPTD",
    MessageState.UNKNOWN: "UNKNOWN",
    MessageState.REJECTED: "REJECTD",
    MessageState.SKIPPED: "SKIPPED",
}

# What SMSCs write after `stat:`, beyond the words and numbers of the specification.
_VARIANTS = {
    MessageState.ENROUTE: "EN_ROUTE BUFFERED BUFFRED QUEUED PENDING SENT",
    MessageState.DELIVERED: "DELIVERED DELIVERD DELIVER",
    MessageState.EXPIRED: "EXPIRD",
    MessageState.DELETED: "DELETD",
    MessageState.UNDELIVERABLE: "UNDELIVERED UNDELIVERABLE UNDELIVRD UNDELIVD FAILED FAIL",
    MessageState.ACCEPTED: "ACCEPTED ACKED",
    MessageState.UNKNOWN: "UNKNOWD UNKN",
    MessageState.REJECTED: "REJECTED REJECTE BLOCKED DND",
}
_STATES = (
    {word: state for state, word in STATE_WORDS.items()}
    | {word: state for state, words in _VARIANTS.items() for word in words.split()}
    | {str(int(state)): state for state in MessageState}
)
_BY_NUMBER = tuple(MessageState)
_FINAL = frozenset(
    {
        MessageState.DELIVERED,
        MessageState.EXPIRED,
        MessageState.DELETED,
        MessageState.UNDELIVERABLE,
        MessageState.REJECTED,
        MessageState.SKIPPED,
    }
)
_GSM_NETWORK = 3
_NETWORK_ERROR = re.compile(r"(?:(\d{1,3}):)?(\d{1,5})", re.ASCII)
# What ASCII and the GSM alphabet do not have in common.
_UNSURE = re.compile(r"[^ -#%-?A-Za-z]")
_ERROR_WORD_MOST = 10  # characters, as seen in the wild
_PUNCTUATION = ",.;:\"'"

# The form of the specification, which most SMSCs keep to: `_search_labels` would find the same.
_USUAL_FORM = re.compile(
    r"id:(?P<id>\S+) sub:\S* dlvrd:\S* submit date:(?P<submit_date>\S*)"
    r" done date:(?P<done_date>\S*) stat:(?P<stat>\S+) err:(?P<err>\S*) [Tt]ext:(?P<text>.*)",
    re.DOTALL,
)
_RECEIPT_TEXT = re.compile(r"id:\S+ .*stat:\S+", re.IGNORECASE | re.DOTALL)
_TEXT_LABEL = re.compile(r"(?:\A|\s)text(?:\s*:|(?=\s)|\Z)", re.IGNORECASE)
_LABEL = re.compile(r"(?:\A|\s)((?:submit|done)[ _]+date|[a-z]\w*)\s*:", re.IGNORECASE)


def _decode(pdu: Pdu) -> str:
    """The message without its UDH as Latin-1, or UTF-16 where its octets are plainly that.

    data_coding is no help: it is often that of the original message. NULs, which databases refuse,
    are left out; with them goes the difference between ASCII and little-endian UTF-16.
    """
    octets = pdu.user_data()
    if pdu.number("esm_class") & UDHI and octets and octets[0] < len(octets):
        octets = octets[1 + octets[0] :]
    if octets[:1] == b"\0":  # no text begins so, unless in UTF-16
        text = octets[: len(octets) & ~1].decode("utf-16-be", errors="replace")
    elif octets[:2] in _BYTE_ORDER_MARKS:
        text = octets[: len(octets) & ~1].decode("utf-16", errors="replace")
    else:
        text = octets.decode("latin-1")
    return text.replace("\0", "")


_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


def _read_labels(text: str) -> dict[str, str]:
    """What stands behind each label, by its name in lower case; of repeated ones the first.

    Only before `text:`, where the message itself begins, which may hold anything. A value ends at
    the next label, known or not.
    """
    usual = _USUAL_FORM.match(text)
    if usual is not None:
        return usual.groupdict()
    return _search_labels(text)


def _search_labels(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    begin = _TEXT_LABEL.search(text)
    if begin is not None:
        values["text"] = text[begin.end() :]
        text = text[: begin.start()]
    pieces = _LABEL.split(text)
    for label, value in zip(pieces[1::2], pieces[2::2], strict=True):
        values.setdefault(_name(label), value.strip())
    return values


def _name(label: str) -> str:
    label = label.lower()
    if label.endswith("date"):
        return "submit_date" if label.startswith("submit") else "done_date"
    return label


def _state(stat: str, tlv: int | None, options: ReceiptOptions) -> MessageState:
    """The state of the text and that of the TLV, in the order the connection wants."""
    word = stat.upper()
    if options.words and (meant := options.words.get(word)) is not None:
        return meant
    by_text = _STATES.get(word)
    by_tlv = _BY_NUMBER[tlv] if tlv is not None and tlv < len(_BY_NUMBER) else None
    first, second = (by_text, by_tlv) if options.text_state_wins else (by_tlv, by_text)
    if first is not None:
        return first
    return second if second is not None else MessageState.UNKNOWN


def _candidates(from_tlv: str | None, from_text: str) -> tuple[str, ...]:
    """The TLV first: where text and TLV differ, often one is decimal and the other hexadecimal."""
    found = (from_tlv or "", from_text, from_text.partition(" ")[0])
    return tuple(dict.fromkeys(each for each in found if each and len(each) <= _LONGEST_ID))


_LONGEST_ID = 255  # nothing longer can be an id that was once in a submit_sm_resp


@lru_cache(256)
def _date(minute: datetime) -> str:
    """A date as receipts have it. Formatting takes 4 us, and most receipts are of a few minutes."""
    return f"{minute.astimezone(UTC):%y%m%d%H%M}"


def _network_error(error: int | str) -> tuple[str, bytes | None]:
    """What stands behind `err:`, and the value of network_error_code where there is one."""
    if not error:
        return "000", None
    named = _NETWORK_ERROR.fullmatch(str(error))
    if named is None:
        word = re.sub(r"[^0-9A-Za-z_-]", "", str(error))[:_ERROR_WORD_MOST]
        return word or "000", None
    network, code = int(named[1] or _GSM_NETWORK), int(named[2])
    if not code or network > 0xFF or code > 0xFFFF:
        return f"{code:03d}", None
    return f"{code:03d}", bytes((network,)) + code.to_bytes(2, "big")


def _error(from_text: str, network_error_code: bytes | None) -> str:
    word = from_text.partition(" ")[0].rstrip(_PUNCTUATION)
    if word and word.lower() != "null":
        return word
    if network_error_code is not None and len(network_error_code) == 3:
        return f"{network_error_code[0]}:{int.from_bytes(network_error_code[1:], 'big')}"
    return ""
