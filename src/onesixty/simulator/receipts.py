"""The receipts of a message: which ones, when, and in which of their many forms."""

import random
from datetime import datetime

from onesixty.simulator.answers import UNKNOWN_TLVS
from onesixty.simulator.faults import Faults, ReceiptForm, ReceiptOrder
from onesixty.simulator.numbers import DEFAULT, ReceiptStep, Scenario, State
from onesixty.simulator.store import FINAL, Message
from onesixty.smpp.pdus import Command, FieldValue, Pdu, Tag, Tlv
from onesixty.smpp.receipts import DELIVERY_RECEIPT, MessageState, build_receipt

_INTERMEDIATE_WANTED = 0x10
_FINAL_WANTED = 0x03
_ON_FAILURE, _ON_SUCCESS = 2, 3  # values of the two bits beside 1: always

MESSAGE_STATES = {
    State.ENROUTE: MessageState.ENROUTE,
    State.ACCEPTED: MessageState.ACCEPTED,
    State.DELIVERED: MessageState.DELIVERED,
    State.UNDELIVERED: MessageState.UNDELIVERABLE,
}
"""SMS knows no receipt for State.READ: such a step is left out."""

_BEFORE = {
    ReceiptOrder.ENROUTE_FINAL: State.ENROUTE,
    ReceiptOrder.ACCEPTED_FINAL: State.ACCEPTED,
}


class Receipts:
    """Plans and writes receipts under one set of faults."""

    def __init__(self, faults: Faults, chance: random.Random) -> None:
        self._faults, self._chance = faults, chance
        self._undelivered = faults.undelivered.draws(chance)
        self._early = faults.receipt_early.draws(chance)
        self._loss = faults.receipt_loss.draws(chance)
        self._repeats = faults.receipt_duplicates.draws(chance)
        self._strays = faults.receipt_elsewhere.draws(chance)
        self._usual = faults.receipt_form is ReceiptForm.TEXT_AND_TLVS and not (
            faults.receipt_lower_case or faults.receipt_esm_class_zero or faults.unknown_tlvs
        )

    def steps(self, scenario: Scenario, part: int) -> tuple[ReceiptStep, ...]:
        """The receipts of one part of a message, in the order of their times."""
        if scenario is not DEFAULT:
            return scenario.receipts_of(part)
        after = self._faults.receipt_delay_seconds.draw(self._chance)
        if self._undelivered and self._undelivered():
            final = ReceiptStep(after, State.UNDELIVERED, self._faults.undelivered_error)
        else:
            final = ReceiptStep(after, State.DELIVERED)
        order = self._faults.receipt_order
        if order is ReceiptOrder.FINAL:
            return (final,)
        if order is ReceiptOrder.FINAL_ENROUTE:
            return (final, ReceiptStep(after, State.ENROUTE))
        return (ReceiptStep(after / 2, _BEFORE[order]), final)

    def overtakes(self) -> bool:
        """Whether the receipts of this message come before its answer."""
        return self._early is not None and self._early()

    def strays(self) -> bool:
        """Whether the next receipt comes over another link than its message went."""
        return self._strays is not None and self._strays()

    def copies(self) -> int:
        """How often the next receipt is sent: once, or 0 for a lost one, 2 for a repeated one."""
        if self._loss and self._loss():
            return 0
        return 2 if self._repeats and self._repeats() else 1

    def pdu(self, message: Message, state: MessageState, error: str, now: datetime) -> Pdu:
        """The deliver_sm or data_sm that tells of a state."""
        fields, tlvs = build_receipt(
            message.receipt_id,
            state,
            submitted=message.submitted,
            done=now,
            error=int(error),
            text=message.text,
        )
        if not message.registered_delivery & _INTERMEDIATE_WANTED:
            fields["esm_class"] = DELIVERY_RECEIPT
        fields["source_addr_ton"], fields["source_addr_npi"], fields["source_addr"] = (
            message.destination
        )
        fields["dest_addr_ton"], fields["dest_addr_npi"], fields["destination_addr"] = (
            message.source
        )
        if message.user_message_reference is not None:
            tlvs.append(Tlv(Tag.USER_MESSAGE_REFERENCE, message.user_message_reference))
        if self._usual:
            return Pdu(Command.DELIVER_SM, fields=fields, tlvs=tlvs)
        return self._unusual(fields, tlvs)

    def _unusual(self, fields: dict[str, FieldValue], tlvs: list[Tlv]) -> Pdu:
        faults, form = self._faults, self._faults.receipt_form
        text = fields.pop("short_message")
        assert isinstance(text, bytes)
        if faults.receipt_lower_case:
            text = text.lower()
        if faults.receipt_esm_class_zero:
            fields["esm_class"] = 0
        if form is ReceiptForm.TEXT:
            tlvs = []
        if faults.unknown_tlvs:
            tlvs.extend(UNKNOWN_TLVS)
        if form in (ReceiptForm.PAYLOAD, ReceiptForm.DATA_SM):
            tlvs.append(Tlv(Tag.MESSAGE_PAYLOAD, text))
        elif form is not ReceiptForm.TLVS:
            fields["short_message"] = text
        command = Command.DATA_SM if form is ReceiptForm.DATA_SM else Command.DELIVER_SM
        return Pdu(command, fields=fields, tlvs=tlvs)


def wanted(registered_delivery: int, state: MessageState) -> bool:
    """Whether a submit with this registered_delivery asked to be told of a state (3.4, 5.2.17)."""
    asked = registered_delivery & _FINAL_WANTED
    if not asked:
        return False
    if state not in FINAL:
        return True  # sent unasked by scenarios and faults, as many carriers do
    if asked == _ON_FAILURE:
        return state is not MessageState.DELIVERED
    return asked != _ON_SUCCESS or state is MessageState.DELIVERED
