"""Receipts of SMPP as the walk knows them, fresh from the wire or read again from what is kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from onesixty.carriers.contract import Question, Receipt, ReceiptState, StoredReceipt
from onesixty.carriers.smpp.rules import receipt_options
from onesixty.smpp import receipts
from onesixty.smpp.message_ids import IdForm, match_key, readings
from onesixty.smpp.pdus import Command, Pdu

_STATES: Final = {int(state): state for state in ReceiptState if state is not ReceiptState.READ}
_STATES[0] = ReceiptState.ENROUTE  # 5.0 SCHEDULED
_STATES[9] = ReceiptState.REJECTED  # 5.0 SKIPPED


@dataclass(slots=True)  # not frozen: that takes 1 us more for each receipt
class Arrival:
    """How a receipt came: when, between which addresses, and who waits for its acknowledgement."""

    at: datetime
    sender: str
    recipient: str
    acknowledge: Callable[[bool], None]


def receipt(carrier_id: int, parsed: receipts.Receipt, form: IdForm, arrival: Arrival) -> Receipt:
    """What a receipt says."""
    found = parsed.ids
    return Receipt(
        carrier_id=carrier_id,
        carrier_message_id=found[0] if found else "",
        match_keys=_keys(found, form),
        state=_STATES.get(int(parsed.state), ReceiptState.UNKNOWN),
        error=parsed.error,
        sender=arrival.sender,
        recipient=arrival.recipient,
        text=parsed.text,
        raw=parsed.raw.decode("latin-1").replace("\0", "\\0"),
        received_at=arrival.at,
        acknowledge=arrival.acknowledge,
        guesses=partial(_guesses, found),
        word=parsed.stat,
        done_date=parsed.done_date,
    )


def told(carrier_id: int, question: Question, pdu: Pdu, now: datetime) -> Receipt:
    """What a query_sm_resp says, as a receipt."""
    state, error = pdu.number("message_state"), pdu.number("error_code")
    done = pdu.text("final_date")
    return Receipt(
        carrier_id=carrier_id,
        carrier_message_id=question.carrier_message_id,
        match_keys=(question.match_key,),
        state=_STATES.get(state, ReceiptState.UNKNOWN),
        error=str(error) if error else "",
        sender=question.recipient,
        recipient=question.sender or "",
        text="",
        raw=f"query_sm_resp message_state:{state} error_code:{error} final_date:{done}",
        received_at=now,
        acknowledge=_nobody,
    )


def rereader(settings: Mapping[str, Any]) -> Callable[[StoredReceipt], Receipt]:
    """Reads kept receipts as these settings, all of a carrier's, would have them read."""
    options, form = receipt_options(settings), IdForm(settings["receipt_id_form"])

    def read(stored: StoredReceipt) -> Receipt:
        octets = stored.raw.replace("\\0", "\0").encode("latin-1", errors="replace")
        parsed = receipts.parse_receipt(
            Pdu(Command.DELIVER_SM, fields={"short_message": octets}), options
        )
        arrival = Arrival(stored.received_at, stored.sender, stored.recipient, _nobody)
        made = receipt(stored.carrier_id, parsed, form, arrival)
        if not parsed.stat:  # only its TLVs told the state, and they are not kept
            made.state = ReceiptState(stored.state)
        # The id that counted may have stood in a TLV, too.
        ids = tuple(dict.fromkeys((stored.carrier_message_id, *parsed.ids)))
        made.carrier_message_id = stored.carrier_message_id
        made.match_keys = _keys([one for one in ids if one], form)
        made.guesses = partial(_guesses, ids)
        made.error = stored.error or made.error
        return made

    return read


def _keys(ids: Sequence[str], form: IdForm) -> tuple[str, ...]:
    if len(ids) == 1:  # nearly always
        return (match_key(ids[0], form),)
    return tuple(dict.fromkeys(match_key(one, form) for one in ids))


def _guesses(ids: Sequence[str]) -> list[tuple[str, str]]:
    return [(str(how), key) for one in ids for how, key in readings(one)]


def _nobody(stored: bool) -> None:
    """Nobody waits for an acknowledgement."""
