"""Everything the simulated SMSC can do wrong, each as one option. Without any it is perfect.

The options describe themselves: the command line, its help and the guide are made from `listing()`.
"""

from collections.abc import Callable, Iterable
from dataclasses import Field, dataclass, field, fields
from enum import StrEnum
from typing import Any

from onesixty.simulator.fault_words import (
    NEVER,
    NO_TIME,
    Share,
    Span,
    read_code,
    read_count,
    read_flag,
    read_seconds,
    read_share,
    read_span,
    read_status,
)
from onesixty.smpp.statuses import Status


class LinkDrop(StrEnum):
    """Where the link breaks: before the answer, behind it, or in the middle of it."""

    BEFORE_ANSWER = "before_answer"
    AFTER_ANSWER = "after_answer"
    HALF_ANSWER = "half_answer"


class IdForm(StrEnum):
    """How a message id is written; two words: in the answer, then in the receipt."""

    HEX = "hex"
    HEX_UPPER = "hex_upper"
    DECIMAL = "decimal"
    PADDED = "padded"
    UUID = "uuid"
    HEX_THEN_DECIMAL = "hex_then_decimal"
    DECIMAL_THEN_HEX = "decimal_then_hex"
    PADDED_THEN_DECIMAL = "padded_then_decimal"


class ReceiptForm(StrEnum):
    """Where a receipt carries what it says."""

    TEXT_AND_TLVS = "text_and_tlvs"
    TEXT = "text"
    TLVS = "tlvs"
    PAYLOAD = "payload"
    DATA_SM = "data_sm"


class ReceiptOrder(StrEnum):
    """Which receipts a delivered message gets, in the order they are sent."""

    FINAL = "final"
    ENROUTE_FINAL = "enroute_final"
    ACCEPTED_FINAL = "accepted_final"
    FINAL_ENROUTE = "final_enroute"


def _about(kind: str, effect: str) -> dict[str, str]:
    return {"kind": kind, "effect": effect}


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The options. Seconds are seconds of the simulator's clock."""

    answer_delay_seconds: Span = field(
        default=NO_TIME,
        metadata=_about("span", "answers to submits come so much later, in any order"),
    )
    drop_answers: Share = field(
        default=NEVER, metadata=_about("share", "submits that are taken and never answered")
    )
    late_answers: Share = field(
        default=NEVER,
        metadata=_about("share", "submits that are answered after `late_answer_seconds`"),
    )
    late_answer_seconds: float = field(
        default=90.0, metadata=_about("seconds", "how late a late answer is")
    )
    duplicate_answers: Share = field(
        default=NEVER, metadata=_about("share", "submits that are answered twice")
    )
    wrong_sequence: Share = field(
        default=NEVER,
        metadata=_about("share", "answers that bear a sequence_number nobody asked with"),
    )
    refuse: Share = field(
        default=NEVER, metadata=_about("share", "submits that are refused with `refuse_status`")
    )
    refuse_status: int = field(
        default=Status.RSUBMITFAIL, metadata=_about("status", "command_status of a refusal")
    )
    throttle_above_per_second: int = field(
        default=0,
        metadata=_about(
            "count",
            "submits of one account beyond so many in a second get ESME_RTHROTTLED; 0: no limit",
        ),
    )
    bind_status: int = field(
        default=0,
        metadata=_about("status", "every bind is refused with this command_status; 0: accepted"),
    )
    bind_delay_seconds: Span = field(
        default=NO_TIME, metadata=_about("span", "binds are answered so much later")
    )
    drop_link_after: int = field(
        default=0, metadata=_about("count", "each link breaks at its n-th submit; 0: never")
    )
    drop_link_when: LinkDrop = field(
        default=LinkDrop.BEFORE_ANSWER,
        metadata=_about("choice", "where exactly: at the answer to that submit"),
    )
    unbind_after_seconds: float = field(
        default=0.0,
        metadata=_about("seconds", "each link is unbound so long after its bind; 0: never"),
    )
    ignore_enquire_link: bool = field(
        default=False, metadata=_about("flag", "enquire_link is never answered")
    )
    split_writes: bool = field(
        default=False,
        metadata=_about("flag", "answers to submits leave one octet at a time"),
    )
    unknown_tlvs: bool = field(
        default=False,
        metadata=_about("flag", "answers to submits, and receipts, carry TLVs that nobody knows"),
    )
    id_form: IdForm = field(
        default=IdForm.HEX,
        metadata=_about("choice", "how message ids are written, in answers `then` receipts"),
    )
    receipt_delay_seconds: Span = field(
        default=NO_TIME, metadata=_about("span", "receipts come so long after the submit")
    )
    receipt_early: Share = field(
        default=NEVER, metadata=_about("share", "receipts that overtake the answer to their submit")
    )
    receipt_loss: Share = field(
        default=NEVER, metadata=_about("share", "receipts that are never sent")
    )
    receipt_duplicates: Share = field(
        default=NEVER, metadata=_about("share", "receipts that are sent twice")
    )
    receipt_elsewhere: Share = field(
        default=NEVER,
        metadata=_about("share", "receipts that come over another link of the account"),
    )
    receipt_order: ReceiptOrder = field(
        default=ReceiptOrder.FINAL,
        metadata=_about(
            "choice", "receipts of one message: final only, or with an intermediate one"
        ),
    )
    receipt_form: ReceiptForm = field(
        default=ReceiptForm.TEXT_AND_TLVS,
        metadata=_about("choice", "where receipts carry their id and state"),
    )
    receipt_lower_case: bool = field(
        default=False, metadata=_about("flag", "receipt texts in lower case")
    )
    receipt_esm_class_zero: bool = field(
        default=False,
        metadata=_about("flag", "receipts come with esm_class 0, like ordinary messages"),
    )
    undelivered: Share = field(
        default=NEVER,
        metadata=_about("share", "messages that end undelivered with `undelivered_error`"),
    )
    undelivered_error: str = field(
        default="008", metadata=_about("code", "`err:` of a message that ends undelivered")
    )


class FaultError(ValueError):
    """A word that is no fault option, or a value that does not fit; the message says what would."""


@dataclass(frozen=True, slots=True)
class FaultOption:
    """One row of the listing, all in words; `choices` only where the value is one of a few."""

    name: str
    kind: str
    default: str
    effect: str
    choices: tuple[str, ...] = ()


def parse_fault(word: str) -> tuple[str, Any]:
    """Option and value of `drop_answers=0.1`. FaultError names the valid options or values."""
    name, equals, text = (part.strip() for part in word.partition("="))
    option = _FIELDS.get(name)
    if option is None:
        raise FaultError(f"no fault is called {name!r}; there are: {', '.join(_FIELDS)}")
    kind = option.metadata["kind"]
    if kind == "flag" and not equals:
        return name, True
    read = _words(option) or _READERS[kind]
    try:
        return name, read(text)
    except ValueError:
        how = KINDS.get(kind) or f"one of: {', '.join(_words(option) or ())}"
        raise FaultError(f"{name}={text}: it takes {how}") from None


def parse_faults(words: Iterable[str]) -> Faults:
    """The faults of a command line; of an option given twice the last counts. FaultError."""
    return Faults(**dict(parse_fault(word) for word in words))


def listing() -> list[FaultOption]:
    """Every option in the order of the dataclass."""
    return [
        FaultOption(
            name,
            option.metadata["kind"],
            _written(option.default),
            option.metadata["effect"],
            tuple(_words(option) or ()),
        )
        for name, option in _FIELDS.items()
    ]


def faults_table() -> str:
    """The listing in Markdown, as it stands in the guide."""
    lines = ["| Fault | Value | Default | What it does |", "|---|---|---|---|"]
    for row in listing():
        value = ", ".join(f"`{choice}`" for choice in row.choices) or row.kind
        lines.append(f"| `{row.name}` | {value} | `{row.default}` | {row.effect} |")
    return "\n".join(lines)


def kinds_table() -> str:
    """What the kinds of values look like, in Markdown, as it stands in the guide."""
    rows = [f"| {kind} | {how} |" for kind, how in KINDS.items()]
    return "\n".join(["| Value | How to write it |", "|---|---|", *rows])


def _words(option: Field[Any]) -> type[StrEnum] | None:
    kind: object = type(option.default)
    return kind if isinstance(kind, type) and issubclass(kind, StrEnum) else None


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Status):
        return f"ESME_{value.name}"
    return f"{value:g}" if isinstance(value, float) else str(value)


KINDS = {
    "seconds": "a number of seconds: `1.5`",
    "span": "seconds, or a range that is drawn from evenly: `0.5`, `0.1..2`",
    "share": "a probability, or every n-th time: `0.1`, `every:10`",
    "count": "a whole number: `20`",
    "flag": "`yes` or `no`; the bare name means yes",
    "status": "an SMPP command_status: `0x58`, `88` or `ESME_RTHROTTLED`",
    "code": "three digits: `003`",
}
_READERS: dict[str, Callable[[str], object]] = {
    "seconds": read_seconds,
    "span": read_span,
    "share": read_share,
    "count": read_count,
    "flag": read_flag,
    "status": read_status,
    "code": read_code,
}
_FIELDS = {option.name: option for option in fields(Faults)}
