"""A carrier's habits as its settings tell them: numbering, TLVs, codes, words, alphabets. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from onesixty.carriers.contract import Submission
from onesixty.smpp.pdus import Tag, Tlv
from onesixty.smpp.receipts import MessageState, ReceiptOptions
from onesixty.smpp.statuses import StatusClass, StatusRule
from onesixty.sms import packing
from onesixty.sms.alphabet import GSM7, Encoding

SHORT_CODE_DIGITS_MOST: Final = 8
_VALUE_MOST: Final = 1024  # octets; a PDU has to stay small
_OURS: Final = frozenset(
    {Tag.MESSAGE_PAYLOAD, Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM}
)
_WORDS: Final = {"undelivered": MessageState.UNDELIVERABLE}


class Numbering:
    """Type of number and numbering plan by the kind of an address (3.4, 5.2.5 and 5.2.6)."""

    def __init__(self, s: Mapping[str, Any]) -> None:
        kinds = ("international", "national", "short_code", "alphanumeric", "destination")
        pairs = [(s[f"{kind}_ton"], s[f"{kind}_npi"]) for kind in kinds]
        self._international, self._national, self._short, self._name, self._recipient = pairs

    def source(self, address: str | None) -> dict[str, Any]:
        """The fields of a sender; none leaves it to the SMSC."""
        sender = address or ""
        if sender[:1] == "+":
            (ton, npi), sender = self._international, sender[1:]
        elif not sender:
            ton, npi = 0, 0
        elif not sender.isdigit():
            ton, npi = self._name
        elif len(sender) <= SHORT_CODE_DIGITS_MOST:
            ton, npi = self._short
        else:
            ton, npi = self._national
        return {"source_addr_ton": ton, "source_addr_npi": npi, "source_addr": sender}

    def destination(self, recipient: str) -> dict[str, Any]:
        """The fields of a recipient in E.164 with +."""
        ton, npi = self._recipient
        return {"dest_addr_ton": ton, "dest_addr_npi": npi, "destination_addr": recipient[1:]}


def tlvs(s: Mapping[str, Any]) -> tuple[Tlv, ...]:
    """The TLVs that every submit bears. Raises ValueError for what is none."""
    end = b"\0" if s["dlt_nul"] else b""
    named = (
        (Tag.DLT_ENTITY_ID, "dlt_entity_id"),
        (Tag.DLT_TEMPLATE_ID, "dlt_template_id"),
        (Tag.DLT_TELEMARKETER_ID, "dlt_chain"),
    )
    found = [Tlv(tag, _ascii(name, s[name]) + end) for tag, name in named if s.get(name)]
    for word, value in (s.get("extra_tlvs") or {}).items():
        tag = _number("extra_tlvs", word, 0xFFFF)
        if tag in _OURS:
            raise ValueError(f"extra_tlvs: {word} is set by the message itself")
        found.append(Tlv(tag, _octets(word, value)))
    return tuple(found)


def status_rules(s: Mapping[str, Any]) -> dict[int, StatusRule]:
    """What command_status values mean here. Raises ValueError for what is no code."""
    given = s.get("status_codes") or {}
    return {
        _number("status_codes", word, 0xFFFFFFFF): StatusRule(StatusClass(kind))
        for word, kind in given.items()
    }


def receipt_options(s: Mapping[str, Any]) -> ReceiptOptions:
    """How receipts are recognised and read."""
    given = s.get("status_words") or {}
    words = {word.strip().upper(): state_of(kind) for word, kind in given.items()}
    return ReceiptOptions(
        by_text=s["receipt_by_text"], text_state_wins=s["receipt_state"] == "text", words=words
    )


def state_of(word: str) -> MessageState:
    """The state that one of our words for it names."""
    return _WORDS.get(word) or MessageState[word.upper()]


class Alphabets:
    """How texts are written for an SMSC that wants them otherwise than most."""

    def __init__(self, s: Mapping[str, Any]) -> None:
        self._default = Encoding(s["default_alphabet"])
        self._packed: bool = s["gsm7_packed"]
        self.codings: dict[Encoding, int] = {
            Encoding.GSM7: s["gsm7_data_coding"],
            Encoding.LATIN1: s["latin1_data_coding"],
            Encoding.UCS2: s["ucs2_data_coding"],
        }
        """data_coding of a text without a message class."""
        # Another alphabet than GSM stands behind the data_coding of GSM texts.
        self._other = self._default is not Encoding.GSM7 and not s["gsm7_data_coding"]
        self.is_usual = not (self._other or self._packed)
        """Whether GSM texts go out as one octet for each septet: then ask nothing of `octets`."""

    def encoding(self, one: Submission) -> str:
        """The encoding of a message: UCS-2 where the SMSC's default alphabet lacks a letter."""
        if one.encoding != Encoding.GSM7 or not self._writes_other(one):
            return one.encoding
        try:
            one.body.encode(_CODECS[self._default])
        except UnicodeEncodeError:
            return Encoding.UCS2
        return one.encoding

    def octets(self, one: Submission, header: bytes, septets: bytes) -> bytes:
        """The user data, without its header, of a part of a GSM text."""
        if self._writes_other(one):
            return GSM7.decode(septets).encode(_CODECS[self._default])
        return packing.pack(septets, packing.fill_bits(len(header))) if self._packed else septets

    def _writes_other(self, one: Submission) -> bool:
        if not self._other or one.form is None:
            return self._other
        # A message class, or a data_coding that a customer gave, names the GSM alphabet itself.
        return one.form.data_coding is None and one.form.message_class is None


def _ascii(name: str, text: str) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} can have ASCII characters only") from error


def _octets(word: str, value: str) -> bytes:
    if value.startswith("text:"):
        octets = _ascii(f"extra_tlvs: {word}", value.removeprefix("text:"))
    else:
        try:
            octets = bytes.fromhex(value)
        except ValueError as error:
            detail = f"extra_tlvs: {word} is neither hex octets nor text: and ASCII"
            raise ValueError(detail) from error
    if len(octets) > _VALUE_MOST:
        raise ValueError(f"extra_tlvs: {word} has more than {_VALUE_MOST} octets")
    return octets


def _number(name: str, word: str, most: int) -> int:
    try:
        number = int(word, 0)
    except ValueError:
        number = 0
    if not 0 < number <= most:
        raise ValueError(f"{name}: {word} is no number from 0x1 to {most:#X}")
    return number


_CODECS: Final = {Encoding.LATIN1: "latin-1", Encoding.ASCII: "ascii", Encoding.UTF8: "utf-8"}
