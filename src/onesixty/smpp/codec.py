"""PDUs to octets and back: one encoder and one decoder, both driven by the tables of `pdus`.

Each body is compiled once into a short list of steps, where neighbouring one-octet integers are one
step. A frame is read as Latin-1 text once, so that C-Octet Strings are slices of it: that is what
makes the generic decoder fast enough to need no special cases.
"""

import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from onesixty.smpp.framing import HEADER_SIZE, Framer, FramingError
from onesixty.smpp.pdus import (
    BODIES,
    NEVER_ANSWERED,
    RESPONSE_BIT,
    Command,
    Destination,
    DistributionList,
    FieldKind,
    FieldSpec,
    FieldValue,
    Pdu,
    Unsuccess,
)
from onesixty.smpp.statuses import Status
from onesixty.smpp.tlvs import TLVS, Tag, Tlv, name_of_tag

__all__ = ["DecodeError", "EncodeError", "Framer", "FramingError", "decode", "encode"]


class EncodeError(Exception):
    """A PDU that has no encoding; `field` is the name of the offending field."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.detail = detail


class DecodeError(Exception):
    """A whole frame whose body cannot be read. The session survives; `reply` is what to send."""

    def __init__(
        self, status: Status, command: int, sequence: int, field: str, detail: str
    ) -> None:
        super().__init__(f"{field}: {detail}")
        self.status = status
        self.command = command
        self.sequence = sequence
        self.field = field
        self.detail = detail

    def reply(self) -> Pdu | None:
        """The matching response, generic_nack for unknown commands, None for what is not answered.

        Without an answer the peer would send the same PDU again and again.
        """
        if self.command & RESPONSE_BIT or self.command in NEVER_ANSWERED:
            return None
        command = self.command | RESPONSE_BIT if self.command in BODIES else Command.GENERIC_NACK
        return Pdu(command, self.status, self.sequence)


def encode(pdu: Pdu, *, lenient: bool = False) -> bytes:
    """The octets of a PDU. EncodeError names the field that has no encoding.

    A response with an error status is only its header, unless fields or TLVs are given: then its
    whole body is written, because a receiver could not tell otherwise where the TLVs start.
    `lenient` lets pass what some peers need: over-long password, system_id and message_id, other
    time formats, and short_message together with message_payload.
    """
    plan = _PLANS.get(pdu.command)
    if plan is None:
        raise EncodeError("command_id", f"0x{pdu.command:08X} is not built")
    parts: list[bytes] = []
    if pdu.fields or pdu.tlvs or not (pdu.status and pdu.is_response):
        _write_fields(plan, pdu.fields, parts, lenient=lenient)
    if pdu.tlvs:
        if not lenient and pdu.fields.get("short_message") and pdu.tlv(Tag.MESSAGE_PAYLOAD):
            raise EncodeError("short_message", "must be empty beside message_payload")
        _write_tlvs(pdu.tlvs, parts)
    body = b"".join(parts)
    try:
        return _pack_header(len(body) + 16, pdu.command, pdu.status, pdu.sequence) + body
    except struct.error:
        raise EncodeError("header", "command_status or sequence_number beyond 32 bits") from None


def decode(frame: bytes | memoryview, *, lenient: bool = False) -> Pdu:
    """The PDU in one whole frame; lenient for what an SMSC sends, strict for what a client sends.

    DecodeError when a request cannot be read (its status is the field's own error code) or the
    command is not one of ours. Responses are always read leniently and never fail: there is no
    answer to an answer, so what can be read counts. Whatever was forgiven is in `Pdu.flaws`.
    """
    if type(frame) is not bytes:
        frame = bytes(frame)
    size = len(frame)
    if size < HEADER_SIZE:
        raise DecodeError(Status.RINVCMDLEN, 0, 0, "command_length", f"only {size} octets")
    length, command, status, sequence = _unpack_header(frame)
    if length != size:
        detail = f"{length}, but there are {size} octets"
        raise DecodeError(Status.RINVCMDLEN, command, sequence, "command_length", detail)
    plan = _PLANS.get(command)
    if plan is None:
        raise DecodeError(Status.RINVCMDID, command, sequence, "command_id", f"0x{command:08X}")
    if size == HEADER_SIZE and command & RESPONSE_BIT:
        return Pdu(command, status, sequence, {}, [])
    values: list[Any] = []
    flaws: list[str] = []
    if command & RESPONSE_BIT:
        read = _read_error_body if status else _read_response
        tlvs = read(plan, frame, values, flaws)
    else:
        try:
            tlvs = _read_request(plan, frame, values, flaws, lenient=lenient)
        except _Fault as fault:
            raise DecodeError(fault.status, command, sequence, fault.field, fault.detail) from None
    if len(tlvs) > 1:
        _note_repeats(tlvs, flaws)
    fields = dict(zip(plan.defaults, values))  # noqa: B905 - naming `strict` costs 5 % of a decode
    return Pdu(command, status, sequence, fields, tlvs, tuple(flaws) if flaws else ())


# -- bodies compiled: every run of integers is one step, every other field is one ------------------

_NUMBERS, _TEXT, _TIME, _OCTETS, _DESTINATIONS, _UNSUCCESSES = range(6)

_KINDS: dict[FieldKind, tuple[int, FieldValue]] = {
    FieldKind.INTEGER: (_NUMBERS, 0),
    FieldKind.TEXT: (_TEXT, ""),
    FieldKind.TIME: (_TIME, ""),
    FieldKind.OCTETS: (_OCTETS, b""),
    FieldKind.DESTINATIONS: (_DESTINATIONS, ()),
    FieldKind.UNSUCCESSES: (_UNSUCCESSES, ()),
}

# kind, (first) name, size in octets, how to pick the run's values out of a dict, specifications
_Step = tuple[int, str, int, Callable[[dict[str, Any]], Any], tuple[FieldSpec, ...]]


@dataclass(frozen=True, slots=True)
class _Plan:
    steps: tuple[_Step, ...]
    defaults: dict[str, FieldValue]
    head: "_Plan | None" = None  # only the first of several fields


def _compile(specs: Sequence[FieldSpec]) -> _Plan:
    steps: list[_Step] = []
    for numbers, group in groupby(specs, lambda spec: spec.kind is FieldKind.INTEGER):
        for run in [tuple(group)] if numbers else [(spec,) for spec in group]:
            pick, first = _pick([spec.name for spec in run]), run[0]
            limit = len(run) if numbers else first.size
            steps.append((_KINDS[first.kind][0], first.name, limit, pick, run))
    defaults = {spec.name: _KINDS[spec.kind][1] for spec in specs}
    return _Plan(tuple(steps), defaults, _compile(specs[:1]) if len(specs) > 1 else None)


def _pick(names: Sequence[str]) -> Callable[[dict[str, Any]], Any]:
    """A function that takes these values as a tuple; itemgetter gives a bare value for one name."""
    return itemgetter(*names) if len(names) > 1 else lambda values: (values[names[0]],)


_PLANS = {int(command): _compile(specs) for command, specs in BODIES.items()}
_ADDRESS = _compile(
    (
        FieldSpec("ton", FieldKind.INTEGER, 1),
        FieldSpec("npi", FieldKind.INTEGER, 1),
        FieldSpec("address", FieldKind.TEXT, 21, Status.RINVDSTADR),
    )
)
_NO_FIELDS = _compile(())
_LIST_NAME = _compile((FieldSpec("name", FieldKind.TEXT, 21, Status.RINVDLNAME),))

_pack_header, _unpack_header = struct.Struct(">IIII").pack, struct.Struct(">IIII").unpack_from
_pack_tlv_head, _unpack_tlv_head = struct.Struct(">HH").pack, struct.Struct(">HH").unpack_from
_OCTET = tuple(bytes((number,)) for number in range(256))


# -- writing -------------------------------------------------------------------------------------


def _write_fields(
    plan: _Plan, fields: dict[str, Any], parts: list[bytes], *, lenient: bool
) -> None:
    """Append the mandatory fields, the missing ones as 0 or empty."""
    values = plan.defaults | fields
    if len(values) != len(plan.defaults):
        unknown = next(name for name in fields if name not in plan.defaults)
        raise EncodeError(unknown, "this PDU has no such field")
    for kind, name, limit, pick, run in plan.steps:
        try:
            if kind == _NUMBERS:
                parts.append(bytes(pick(values)))
            elif kind <= _TIME:
                text: str = values[name]
                if not text:
                    parts.append(b"\0")
                    continue
                octets = text.encode("latin-1")
                if len(octets) >= limit or (kind == _TIME and len(octets) != 16) or b"\0" in octets:
                    _check_text(run[0], octets, lenient=lenient)
                parts.append(octets)
                parts.append(b"\0")
            elif kind == _OCTETS:
                octets = values[name]
                if len(octets) > limit:
                    raise EncodeError(name, f"{len(octets)} octets, at most {limit}")
                parts.append(_OCTET[len(octets)] + octets)
            else:
                _write_list(kind, name, values[name], parts)
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise EncodeError(_culprit(run, values), str(error)) from None


def _culprit(run: Sequence[FieldSpec], values: dict[str, Any]) -> str:
    """Which field of a run has the value that could not be written."""
    bad = (spec.name for spec in run[:-1] if values[spec.name] not in range(256))
    return next(bad, run[-1].name)


def _check_text(spec: FieldSpec, octets: bytes, *, lenient: bool) -> None:
    if b"\0" in octets:
        raise EncodeError(spec.name, "contains a NUL")
    if not (lenient and spec.stretch):
        raise EncodeError(spec.name, f"{len(octets)} characters: {spec.kind.value}, {spec.size}")


def _write_list(kind: int, name: str, entries: Sequence[Any], parts: list[bytes]) -> None:
    """Append dest_address or unsuccess_sme: the count, then the entries."""
    if len(entries) > 255 or (kind == _DESTINATIONS and not entries):
        raise EncodeError(name, f"{len(entries)} entries, 1 to 255 can be written")
    parts.append(_OCTET[len(entries)])
    for entry in entries:
        if isinstance(entry, DistributionList):
            parts.append(b"\2")
            _write_fields(_LIST_NAME, {"name": entry.name}, parts, lenient=False)
            continue
        if kind == _DESTINATIONS:
            parts.append(b"\1")
        address = {"ton": entry.ton, "npi": entry.npi, "address": entry.address}
        _write_fields(_ADDRESS, address, parts, lenient=False)
        if kind == _UNSUCCESSES:
            parts.append(entry.status.to_bytes(4, "big"))


def _write_tlvs(tlvs: Sequence[Tlv], parts: list[bytes]) -> None:
    for tlv in tlvs:
        try:
            parts.append(_pack_tlv_head(tlv.tag, len(tlv.value)) + tlv.value)
        except (struct.error, TypeError):
            raise EncodeError(name_of_tag(tlv.tag), "not a tag and at most 65535 octets") from None


# -- reading -------------------------------------------------------------------------------------


class _Fault(Exception):  # noqa: N818 - never leaves this file
    """A request that cannot be read, and the command_status that says why."""

    def __init__(self, field: str, status: Status, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.status = status
        self.detail = detail


def _read_request(
    plan: _Plan, frame: bytes, values: list[Any], flaws: list[str], *, lenient: bool
) -> list[Tlv]:
    text = frame.decode("latin-1")
    at = _read_fields(plan, frame, text, HEADER_SIZE, values, flaws if lenient else None)
    tlvs = _read_tlvs(frame, at, flaws) if at < len(frame) else []
    if not lenient and (tlvs or flaws):
        _check_tlvs(dict(zip(plan.defaults, values, strict=True)), tlvs, flaws)
    return tlvs


def _read_response(plan: _Plan, frame: bytes, values: list[Any], flaws: list[str]) -> list[Tlv]:
    try:
        at = _read_fields(plan, frame, frame.decode("latin-1"), HEADER_SIZE, values, flaws)
    except _Fault as fault:
        flaws.append(f"{fault.field}: {fault.detail}")
        return []
    return _read_tlvs(frame, at, flaws)


def _read_error_body(plan: _Plan, frame: bytes, values: list[Any], flaws: list[str]) -> list[Tlv]:
    """The body of a response with an error status: whole, only its first field, or only TLVs.

    Each of these is seen, each with or without TLVs behind. The first reading that leaves no octet
    over and finds only printable text is taken to be meant.
    """
    text = frame.decode("latin-1")
    for reading in (plan, plan.head or plan, _NO_FIELDS):
        read: list[Any] = []
        noted: list[str] = []
        try:
            at = _read_fields(reading, frame, text, HEADER_SIZE, read, noted)
        except _Fault:
            continue
        tlvs = _read_tlvs(frame, at, noted)
        if not noted and all(_plausible(value) for value in read):
            values += read
            return tlvs
    return _read_response(plan, frame, values, flaws)


def _plausible(value: FieldValue) -> bool:
    return not isinstance(value, str) or (value.isascii() and value.isprintable())


def _read_fields(
    plan: _Plan, frame: bytes, text: str, at: int, values: list[Any], flaws: list[str] | None
) -> int:
    """Append the mandatory fields from offset `at` on; returns the offset behind them.

    `text` is the frame as Latin-1. `flaws` is None when reading strictly. _Fault at the first field
    that cannot be read.
    """
    size = len(frame)
    for kind, name, limit, _, run in plan.steps:
        if kind == _NUMBERS:
            end = at + limit
            if end > size:
                raise _Fault(name, run[0].error, "the PDU ends before it")
            values += frame[at:end]
            at = end
        elif kind <= _TIME:
            end = text.find("\0", at)
            if not at <= end < at + limit or (kind == _TIME and end != at and end != at + 16):
                end = _forgive(run[0], text, at, end, flaws)
            values.append(text[at:end])
            at = end + 1
        elif at >= size:
            raise _Fault(name, run[0].error, "the PDU ends before it")
        elif kind == _OCTETS:
            end = at + 1 + frame[at]
            if end > size:
                raise _Fault(name, run[0].error, "longer than the PDU")
            values.append(frame[at + 1 : end])
            at = end
        else:
            entries, at = _read_list(kind, run[0], frame, text, at)
            values.append(entries)
    return at


def _forgive(spec: FieldSpec, text: str, at: int, end: int, flaws: list[str] | None) -> int:
    """Where a malformed text that may be taken leniently ends; _Fault for any other."""
    length = end - at
    detail = f"{length} characters: {spec.kind.value}, {spec.size}"
    if end < 0:
        end, detail = len(text), "no NUL before the end of the PDU"
    if flaws is None or not spec.stretch or (length < 0 and spec.kind is FieldKind.TIME):
        raise _Fault(spec.name, spec.error, detail)
    flaws.append(f"{spec.name}: {detail}")
    return end


def _read_list(
    kind: int, spec: FieldSpec, frame: bytes, text: str, at: int
) -> tuple[list[Any], int]:
    """The entries of dest_address or unsuccess_sme from their count on, and the offset behind."""
    count = frame[at]
    if not count and kind == _DESTINATIONS:
        raise _Fault(spec.name, spec.error, "no destination")
    at += 1
    entries: list[Any] = []
    for _ in range(count):
        entry: list[Any] = []
        flag = frame[at : at + 1]
        if kind == _UNSUCCESSES:
            at = _read_fields(_ADDRESS, frame, text, at, entry, None) + 4
            if at > len(frame):
                raise _Fault(spec.name, spec.error, "the PDU ends before error_status_code")
            ton, npi, address = entry
            status = int.from_bytes(frame[at - 4 : at], "big")
            entries.append(Unsuccess(ton, npi, address, status))
        elif flag == b"\1":
            at = _read_fields(_ADDRESS, frame, text, at + 1, entry, None)
            entries.append(Destination(*entry))
        elif flag == b"\2":
            at = _read_fields(_LIST_NAME, frame, text, at + 1, entry, None)
            entries.append(DistributionList(*entry))
        else:
            raise _Fault("dest_flag", Status.RINVDESTFLAG, f"{flag.hex() or 'missing'}")
    return entries, at


def _read_tlvs(frame: bytes, at: int, flaws: list[str]) -> list[Tlv]:
    """Every whole TLV from offset `at` on; a broken tail is left out and noted."""
    tlvs: list[Tlv] = []
    size = len(frame)
    while at < size:
        if at + 4 > size:
            flaws.append(f"{size - at} octets behind the last TLV")
            break
        tag, length = _unpack_tlv_head(frame, at)
        end = at + 4 + length
        if end > size:
            flaws.append(f"{name_of_tag(tag)}: {length} octets, the PDU ends {end - size} before")
            break
        tlvs.append(Tlv(tag, frame[at + 4 : end]))
        at = end
    return tlvs


def _note_repeats(tlvs: Sequence[Tlv], flaws: list[str]) -> None:
    if len({tlv.tag for tlv in tlvs}) == len(tlvs):
        return
    for tag, times in Counter(tlv.tag for tlv in tlvs).items():
        if times > 1 and tag in TLVS and not TLVS[tag].repeatable:
            flaws.append(f"{name_of_tag(tag)}: {times} times, the first counts")


_LENGTH_MATTERS = frozenset(
    {
        Tag.SAR_MSG_REF_NUM,
        Tag.SAR_TOTAL_SEGMENTS,
        Tag.SAR_SEGMENT_SEQNUM,
        Tag.SOURCE_PORT,
        Tag.DESTINATION_PORT,
        Tag.USER_MESSAGE_REFERENCE,
    }
)


def _check_tlvs(fields: dict[str, Any], tlvs: Sequence[Tlv], flaws: Sequence[str]) -> None:
    """What a server refuses: a broken tail, TLVs it would act on malformed, two messages in one."""
    if flaws:
        raise _Fault("tlvs", Status.RINVTLVSTREAM, flaws[0])
    for tlv in tlvs:
        if tlv.tag in _LENGTH_MATTERS and not TLVS[tlv.tag].fits(tlv.value):
            detail = f"{len(tlv.value)} octets"
            raise _Fault(name_of_tag(tlv.tag), Status.RINVTLVLEN, detail)
        if tlv.tag == Tag.MESSAGE_PAYLOAD and tlv.value and fields.get("short_message"):
            raise _Fault("short_message", Status.RINVMSGLEN, "filled beside message_payload")
