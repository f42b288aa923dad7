"""What becomes of a message once it was accepted: its states, its receipts, the handset's reply."""

import random
from functools import partial

from onesixty.kit.clock import Clock
from onesixty.simulator.agenda import Agenda
from onesixty.simulator.faults import Faults
from onesixty.simulator.inbound import PartOrder, inbound_pdus
from onesixty.simulator.mailbox import Mailbox
from onesixty.simulator.numbers import PREFIX, ReceiptStep, scenario_for
from onesixty.simulator.receipts import MESSAGE_STATES, Receipts, wanted
from onesixty.simulator.statistics import Statistics
from onesixty.simulator.store import FINAL, Message
from onesixty.simulator.submissions import Joiner, read_fragment
from onesixty.smpp.pdus import Pdu
from onesixty.smpp.receipts import MessageState
from onesixty.sms.segments import Concatenation

TABLE_DIGITS = (PREFIX, PREFIX.removeprefix("+"))
ECHOED_CHARACTERS_MOST = 1000


class Fates:
    """Lets every accepted message run its course."""

    def __init__(
        self, clock: Clock, chance: random.Random, agenda: Agenda, statistics: Statistics
    ) -> None:
        self.receipts = Receipts(Faults(), chance)
        """How receipts are planned and written; replaced when the faults change."""
        self._clock, self._chance = clock, chance
        self._agenda, self._statistics = agenda, statistics
        self._handsets = Joiner()

    def schedule(
        self, message: Message, steps: tuple[ReceiptStep, ...], answered_after_seconds: float
    ) -> None:
        """Let the steps happen in their time, which begins with the answer to the submit."""
        for step in steps:
            seconds = answered_after_seconds + step.after_seconds
            if seconds:
                self._agenda.after(seconds, partial(self.tell, message, step))
            else:
                self.tell(message, step)

    def tell(self, message: Message, step: ReceiptStep) -> None:
        """A message reaches a state: send the receipt, if one was asked for."""
        state = MESSAGE_STATES.get(step.state)
        if state is not None and not message.cancelled:
            self._reach(message, state, step.error)

    def cancel(self, message: Message) -> None:
        """A message is deleted before it was delivered; nothing else becomes of it."""
        message.cancelled = True
        self._reach(message, MessageState.DELETED, "000")

    def reach_handset(self, message: Message, pdu: Pdu) -> None:
        """A number of the table got a part; with the last one it may reply."""
        who = (message.account, message.source, message.destination)
        whole = self._handsets.add(who, read_fragment(pdu))
        if whole is None:
            return
        scenario = scenario_for(e164(message.destination[2]), whole.text)
        if scenario.reply:
            reply = partial(self._reply, message, scenario.reply[:ECHOED_CHARACTERS_MOST])
            self._agenda.after(scenario.reply_after_seconds, reply)

    def bring(self, mailbox: Mailbox, pdus: list[Pdu]) -> None:
        """Deliver the parts of a message from a handset."""
        self._statistics.inbound += len(pdus)
        for pdu in pdus:
            mailbox.put(pdu)

    def _reach(self, message: Message, state: MessageState, error: str) -> None:
        now = self._clock.now()
        if message.state not in FINAL:
            message.state, message.error = state, error
            message.done = now if state in FINAL else None
        if not wanted(message.registered_delivery, state):
            return
        copies = self.receipts.copies()
        self._statistics.receipts += copies
        self._statistics.receipts_lost += not copies
        for _ in range(copies):
            receipt = self.receipts.pdu(message, state, error, now)
            link = message.link
            if self.receipts.strays():
                link = message.mailbox.other_than(link)
            message.mailbox.put(receipt, link)

    def _reply(self, message: Message, text: str) -> None:
        pdus = inbound_pdus(
            message.destination,
            message.source,
            text,
            long=Concatenation.UDH8,
            order=PartOrder.IN_ORDER,
            chance=self._chance,
        )
        self.bring(message.mailbox, pdus)


def e164(digits: str) -> str:
    """A destination_addr, with or without its plus, as E.164."""
    return "+" + digits.removeprefix("+")
