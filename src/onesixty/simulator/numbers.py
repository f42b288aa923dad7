"""What happens to a message is chosen by its destination: the numbers from +1 500 555 0100 upwards.

Area code 500 belongs to no telephone, so a message to one of these numbers can go nowhere else.
The table knows nothing of SMPP: every carrier that pretends plays the same scenarios.
"""

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum

PREFIX = "+150055501"
_REMEMBERED_ATTEMPTS = 10_000

ESME_RINVDSTADR = 0x0B
ESME_RTHROTTLED = 0x58


class State(StrEnum):
    """What a receipt says; READ only exists where the channel can tell (WhatsApp)."""

    ENROUTE = "enroute"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    READ = "read"


class Answer(StrEnum):
    """What the submit itself is told. DROP: the message is taken, and no answer ever comes."""

    ACCEPT = "accept"
    DROP = "drop"
    THROTTLE = "throttle"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class ReceiptStep:
    """One receipt: how long after the submit, what it says, and the carrier's error (3 digits)."""

    after_seconds: float
    state: State
    error: str = "000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The fate of one message."""

    answer: Answer = Answer.ACCEPT
    status: int = 0  # SMPP command_status of a THROTTLE or REFUSE
    throttle_seconds: float = 0.0  # THROTTLE: so long after the first attempt of the same text
    receipts: tuple[ReceiptStep, ...] = ()
    receipts_of_second_part: tuple[ReceiptStep, ...] | None = None  # None: as all parts
    reply: str | None = None  # what the handset sends back, once it has the whole message
    reply_after_seconds: float = 2.0

    def receipts_of(self, part: int) -> tuple[ReceiptStep, ...]:
        """The receipts of one part of a message, counted from 1."""
        if part == 2 and self.receipts_of_second_part is not None:
            return self.receipts_of_second_part
        return self.receipts


@dataclass(frozen=True, slots=True)
class Number:
    """One row of the table."""

    e164: str
    title: str
    scenario: Scenario
    code: int | None = None  # the Twilio error code that a customer is meant to see
    echoes: bool = False  # the reply is the text itself
    chat: Scenario | None = None  # by channels other than SMS and MMS; None: the same


class FirstAttempts:
    """Remembers when each text was first tried, so that a throttled one gets through in the end."""

    def __init__(self) -> None:
        self._first: OrderedDict[tuple[str, bytes | str], float] = OrderedDict()

    def throttles(
        self, scenario: Scenario, destination: str, text: bytes | str, now: float
    ) -> bool:
        """Whether this attempt, at `now` seconds, is still too early."""
        if scenario.answer is not Answer.THROTTLE:
            return False
        first = self._first.setdefault((destination, text), now)
        if len(self._first) > _REMEMBERED_ATTEMPTS:
            self._first.popitem(last=False)
        return now - first < scenario.throttle_seconds


def scenario_for(e164: str, text: str, channel: str = "sms") -> Scenario:
    """The scenario of a destination and a text; DEFAULT for every number outside the table."""
    number = NUMBERS.get(e164)
    if number is None:
        return DEFAULT
    if number.chat is not None and channel not in ("sms", "mms"):
        return number.chat
    if number.echoes:
        return Scenario(receipts=number.scenario.receipts, reply=text)
    return number.scenario


def numbers_table() -> str:
    """The table in Markdown, as it stands in the guide."""
    lines = ["| Number | What happens | Error code |", "|---|---|---|"]
    lines += [f"| `{row.e164}` | {row.title} | {row.code or ''} |" for row in NUMBERS.values()]
    return "\n".join(lines)


def _delivered(after_seconds: float = 1.0) -> tuple[ReceiptStep, ...]:
    return (ReceiptStep(after_seconds, State.DELIVERED),)


def _undelivered(error: str) -> tuple[ReceiptStep, ...]:
    return (ReceiptStep(1.0, State.UNDELIVERED, error),)


def _undelivered_number(last: str, why: str, error: str, code: int) -> Number:
    scenario = Scenario(receipts=_undelivered(error))
    return Number(PREFIX + last, f"undelivered: {why} (`err:{error}`)", scenario, code)


_TABLE = (
    Number(PREFIX + "00", "delivered after 1 s", Scenario(receipts=_delivered())),
    Number(PREFIX + "01", "delivered after 60 s", Scenario(receipts=_delivered(60.0))),
    Number(PREFIX + "02", "sent, and no receipt ever comes", Scenario()),
    _undelivered_number("03", "handset unreachable", "003", 30003),
    _undelivered_number("04", "unknown subscriber", "005", 30005),
    _undelivered_number("05", "landline or unreachable carrier", "006", 30006),
    _undelivered_number("06", "filtered by the carrier", "007", 30007),
    _undelivered_number("07", "the carrier does not say why", "008", 30008),
    Number(
        PREFIX + "08",
        "the answer to the submit is lost; delivered, with a receipt after 2 s",
        Scenario(answer=Answer.DROP, receipts=_delivered(2.0)),
    ),
    Number(
        PREFIX + "09",
        "delivered after 1 s; then an older receipt and the same one again",
        Scenario(
            receipts=(
                ReceiptStep(1.0, State.DELIVERED),
                ReceiptStep(1.5, State.ENROUTE),
                ReceiptStep(2.0, State.DELIVERED),
            )
        ),
    ),
    Number(
        PREFIX + "10",
        "delivered after 1 s; replies `STOP`",
        Scenario(receipts=_delivered(), reply="STOP"),
    ),
    Number(
        PREFIX + "11",
        "delivered after 1 s; replies with the text it got",
        Scenario(receipts=_delivered()),
        echoes=True,
    ),
    Number(
        PREFIX + "12",
        "delivered after 1 s, but part 2 of a long message is undelivered (`err:003`)",
        Scenario(receipts=_delivered(), receipts_of_second_part=_undelivered("003")),
        30003,
    ),
    Number(
        PREFIX + "13",
        "throttled until 30 s after the first attempt of the text; then delivered after 1 s",
        Scenario(
            answer=Answer.THROTTLE,
            status=ESME_RTHROTTLED,
            throttle_seconds=30.0,
            receipts=_delivered(),
        ),
    ),
    Number(
        PREFIX + "14",
        "delivered after 1 s; over WhatsApp read after 2 s",
        Scenario(receipts=(*_delivered(), ReceiptStep(2.0, State.READ))),
    ),
    _undelivered_number("15", "sender not registered", "034", 30034),
    _undelivered_number("16", "temporarily blocked", "450", 30450),
    Number(
        PREFIX + "17",
        "refused at the submit: invalid destination address",
        Scenario(answer=Answer.REFUSE, status=ESME_RINVDSTADR),
        30005,
    ),
    Number(
        PREFIX + "18",
        "not on WhatsApp: undelivered there after 1 s (`err:005`), by SMS delivered after 1 s",
        Scenario(receipts=_delivered()),
        chat=Scenario(receipts=_undelivered("005")),
    ),
)

DEFAULT = Scenario(receipts=(ReceiptStep(0.0, State.DELIVERED),))
NUMBERS = {row.e164: row for row in _TABLE}
ERROR_CODES: dict[str, int] = {
    step.error: row.code
    for row in _TABLE
    if row.code is not None
    for step in (*row.scenario.receipts, *(row.scenario.receipts_of_second_part or ()))
    if step.state is State.UNDELIVERED
}
