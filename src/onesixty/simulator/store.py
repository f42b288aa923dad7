"""Messages as the SMSC remembers them: their ids, query_sm, cancel_sm, replace_sm."""

import random
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from onesixty.simulator.faults import IdForm
from onesixty.simulator.mailbox import Mailbox
from onesixty.simulator.submissions import read_fragment, text_of
from onesixty.smpp.pdus import FieldValue, Pdu, Tag
from onesixty.smpp.receipts import UDHI, MessageState
from onesixty.smpp.server import ServerLink
from onesixty.smpp.statuses import Status
from onesixty.smpp.times import encode_absolute
from onesixty.sms.alphabet import GSM7

REMEMBERED_MOST = 50_000
QUOTED_CHARACTERS = 20
_COUNTER_BITS = 22
FINAL = frozenset(
    {
        MessageState.DELIVERED,
        MessageState.EXPIRED,
        MessageState.DELETED,
        MessageState.UNDELIVERABLE,
        MessageState.REJECTED,
    }
)


@dataclass(slots=True, eq=False)
class Message:
    """One accepted message or part to one destination; addresses are (TON, NPI, digits)."""

    message_id: str
    receipt_id: str
    account: str
    mailbox: Mailbox
    link: ServerLink  # that submitted it
    source: tuple[int, int, str]
    destination: tuple[int, int, str]
    registered_delivery: int
    user_message_reference: bytes | None
    text: str  # its beginning
    submitted: datetime
    state: MessageState = MessageState.ENROUTE
    error: str = "000"
    done: datetime | None = None
    cancelled: bool = False


class MessageIds:
    """Hands out (id in the answer, id in the receipt); no start repeats the ids of another."""

    def __init__(self, started: datetime, chance: random.Random) -> None:
        self._next = int(started.timestamp() * 1000) << _COUNTER_BITS
        self._chance = chance

    def take(self, form: IdForm) -> tuple[str, str]:
        """The next id; both forms are the same unless the form says `then`."""
        self._next += 1
        number = self._next
        if form is IdForm.HEX:
            text = f"{number:016x}"
            return text, text
        return self._other(form, number)

    def take_short(self) -> tuple[str, str]:
        """The next id in at most 8 characters, which is all that SMPP 3.3 takes."""
        self._next += 1
        text = f"{self._next & 0xFFFFFFFF:08x}"
        return text, text

    def _other(self, form: IdForm, number: int) -> tuple[str, str]:
        hexadecimal, decimal, padded = f"{number:016x}", str(number), f"{number:024d}"
        if form is IdForm.UUID:
            text = str(UUID(int=self._chance.getrandbits(128), version=4))
            return text, text
        return {
            IdForm.HEX_UPPER: (hexadecimal.upper(), hexadecimal.upper()),
            IdForm.DECIMAL: (decimal, decimal),
            IdForm.PADDED: (padded, padded),
            IdForm.HEX_THEN_DECIMAL: (hexadecimal, decimal),
            IdForm.DECIMAL_THEN_HEX: (decimal, hexadecimal),
            IdForm.PADDED_THEN_DECIMAL: (padded, decimal),
        }[form]


class Store:
    """The latest messages by the id that their answer bore."""

    def __init__(self) -> None:
        self._messages: OrderedDict[str, Message] = OrderedDict()

    def add(self, message: Message) -> None:
        """A message was accepted. Beyond a limit the oldest are forgotten; receipts still come."""
        self._messages[message.message_id] = message
        if len(self._messages) > REMEMBERED_MOST:
            self._messages.popitem(last=False)

    def query(self, account: str, request: Pdu) -> tuple[int, dict[str, FieldValue] | None]:
        """Status and fields of the query_sm_resp; the source address must be that of the submit."""
        message = self._owned(account, request)
        if message is None:
            return Status.RQUERYFAIL, None
        return Status.ROK, {
            "message_id": message.message_id,
            "final_date": encode_absolute(message.done) if message.done else "",
            "message_state": message.state,
            "error_code": min(int(message.error), 255),
        }

    def cancel(self, account: str, request: Pdu, cancelled: Callable[[Message], None]) -> int:
        """Status of the cancel_sm_resp; without an id all pending ones of the same addresses go."""
        if request.text("message_id"):
            message = self._owned(account, request)
            found = [message] if message is not None and message.state not in FINAL else []
        else:
            found = list(self._pending_between(account, request))
        for message in found:
            cancelled(message)
        return Status.ROK if found else Status.RCANCELFAIL

    def replace(self, account: str, request: Pdu) -> int:
        """Status of the replace_sm_resp; the new text and receipt wish hold from then on."""
        message = self._owned(account, request)
        if message is None or message.state in FINAL:
            return Status.RREPLACEFAIL
        message.text = request.user_data()[:QUOTED_CHARACTERS].decode("latin-1")
        message.registered_delivery = request.number("registered_delivery")
        return Status.ROK

    def _owned(self, account: str, request: Pdu) -> Message | None:
        message = self._messages.get(request.text("message_id"))
        if message is None or message.account != account:
            return None
        return message if message.source[2] == request.text("source_addr") else None

    def _pending_between(self, account: str, request: Pdu) -> Iterator[Message]:
        source, destination = request.text("source_addr"), request.text("destination_addr")
        for message in self._messages.values():
            between = message.source[2] == source and message.destination[2] == destination
            if between and message.account == account and message.state not in FINAL:
                yield message


def message_of(
    pdu: Pdu, mailbox: Mailbox, link: ServerLink, ids: tuple[str, str], now: datetime
) -> Message:
    """The message of an accepted submit_sm or data_sm."""
    fields: dict[str, Any] = pdu.fields
    return Message(
        ids[0],
        ids[1],
        link.system_id,
        mailbox,
        link,
        (fields["source_addr_ton"], fields["source_addr_npi"], fields["source_addr"]),
        (fields["dest_addr_ton"], fields["dest_addr_npi"], fields["destination_addr"]),
        fields["registered_delivery"],
        pdu.tlv(Tag.USER_MESSAGE_REFERENCE) if pdu.tlvs else None,
        _beginning(pdu),
        now,
    )


def _beginning(pdu: Pdu) -> str:
    fields: dict[str, Any] = pdu.fields
    if not fields["data_coding"] and not fields["esm_class"] & UDHI:
        return GSM7.decode(pdu.user_data()[:QUOTED_CHARACTERS])
    return text_of(read_fragment(pdu))[:QUOTED_CHARACTERS]
