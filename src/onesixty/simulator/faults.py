"""Everything the simulated SMSC can do wrong, each as one option. Without any it is perfect.

The options describe themselves: the command line, its help and the guide are made from `listing()`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from onesixty.simulator import fault_words
from onesixty.simulator.fault_words import NEVER, NO_TIME, Share, Span, about
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The options. Seconds are seconds of the simulator's clock."""

    answer_delay_seconds: Span = field(
        default=NO_TIME,
        metadata=about("span", "answers to submits come so much later, in any order"),
    )
    drop_answers: Share = field(
        default=NEVER, metadata=about("share", "submits that are taken and never answered")
    )
    late_answers: Share = field(
        default=NEVER,
        metadata=about("share", "submits that are answered after `late_answer_seconds`"),
    )
    late_answer_seconds: float = field(
        default=90.0, metadata=about("seconds", "how late a late answer is")
    )
    duplicate_answers: Share = field(
        default=NEVER, metadata=about("share", "submits that are answered twice")
    )
    wrong_sequence: Share = field(
        default=NEVER,
        metadata=about("share", "answers that bear a sequence_number nobody asked with"),
    )
    refuse: Share = field(
        default=NEVER, metadata=about("share", "submits that are refused with `refuse_status`")
    )
    refuse_status: int = field(
        default=Status.RSUBMITFAIL, metadata=about("status", "command_status of a refusal")
    )
    throttle_above_per_second: int = field(
        default=0,
        metadata=about(
            "count",
            "submits of one account beyond so many in a second get ESME_RTHROTTLED; 0: no limit",
        ),
    )
    bind_status: int = field(
        default=0,
        metadata=about("status", "every bind is refused with this command_status; 0: accepted"),
    )
    bind_delay_seconds: Span = field(
        default=NO_TIME, metadata=about("span", "binds are answered so much later")
    )
    drop_link_after: int = field(
        default=0, metadata=about("count", "each link breaks at its n-th submit; 0: never")
    )
    drop_link_when: LinkDrop = field(
        default=LinkDrop.BEFORE_ANSWER,
        metadata=about("choice", "where exactly: at the answer to that submit"),
    )
    unbind_after_seconds: float = field(
        default=0.0,
        metadata=about("seconds", "each link is unbound so long after its bind; 0: never"),
    )
    ignore_enquire_link: bool = field(
        default=False, metadata=about("flag", "enquire_link is never answered")
    )
    split_writes: bool = field(
        default=False,
        metadata=about("flag", "answers to submits leave one octet at a time"),
    )
    unknown_tlvs: bool = field(
        default=False,
        metadata=about("flag", "answers to submits, and receipts, carry TLVs that nobody knows"),
    )
    id_form: IdForm = field(
        default=IdForm.HEX,
        metadata=about("choice", "how message ids are written, in answers `then` receipts"),
    )
    receipt_delay_seconds: Span = field(
        default=NO_TIME, metadata=about("span", "receipts come so long after the submit")
    )
    receipt_early: Share = field(
        default=NEVER, metadata=about("share", "receipts that overtake the answer to their submit")
    )
    receipt_loss: Share = field(
        default=NEVER, metadata=about("share", "receipts that are never sent")
    )
    receipt_duplicates: Share = field(
        default=NEVER, metadata=about("share", "receipts that are sent twice")
    )
    receipt_elsewhere: Share = field(
        default=NEVER,
        metadata=about("share", "receipts that come over another link of the account"),
    )
    receipt_order: ReceiptOrder = field(
        default=ReceiptOrder.FINAL,
        metadata=about(
            "choice", "receipts of one message: final only, or with an intermediate one"
        ),
    )
    receipt_form: ReceiptForm = field(
        default=ReceiptForm.TEXT_AND_TLVS,
        metadata=about("choice", "where receipts carry their id and state"),
    )
    receipt_lower_case: bool = field(
        default=False, metadata=about("flag", "receipt texts in lower case")
    )
    receipt_esm_class_zero: bool = field(
        default=False,
        metadata=about("flag", "receipts come with esm_class 0, like ordinary messages"),
    )
    undelivered: Share = field(
        default=NEVER,
        metadata=about("share", "messages that end undelivered with `undelivered_error`"),
    )
    undelivered_error: str = field(
        default="008", metadata=about("code", "`err:` of a message that ends undelivered")
    )


def parse_fault(word: str) -> tuple[str, Any]:
    """Option and value of `drop_answers=0.1`. FaultError names the valid options or values."""
    return fault_words.parse_option(Faults, word)


def parse_faults(words: Iterable[str]) -> Faults:
    """The faults of a command line; of an option given twice the last counts. FaultError."""
    return fault_words.parse_options(Faults, words)
