"""What the simulated handsets got: parts joined to messages, and the record that tests look at."""

from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from onesixty.smpp.data_coding import Alphabet, describe
from onesixty.smpp.pdus import Pdu, Tag
from onesixty.smpp.receipts import UDHI
from onesixty.sms import national
from onesixty.sms.alphabet import Encoding
from onesixty.sms.decoding import decode
from onesixty.sms.reassembly import Assembled, Fragment, assemble, fragment
from onesixty.sms.udh import Ports

_REMEMBERED_MESSAGES = 10_000

_ENCODINGS = {
    Alphabet.SMSC_DEFAULT: Encoding.GSM7,
    Alphabet.GSM7: Encoding.GSM7,
    Alphabet.ASCII: Encoding.ASCII,
    Alphabet.LATIN1: Encoding.LATIN1,
    Alphabet.UCS2: Encoding.UCS2,
}


@dataclass(frozen=True, slots=True)
class Submission:
    """One accepted message or part: what the PDU said, and the text of this part alone."""

    message_id: str
    account: str
    source: str
    destination: str
    text: str
    part: int
    total: int
    pdu: Pdu


@dataclass(frozen=True, slots=True)
class Received:
    """One message as its handset shows it; `data` is None where it is text."""

    source: str
    destination: str
    text: str
    data: bytes | None = None
    ports: Ports | None = None
    message_class: int | None = None  # 0: flash
    protocol_id: int = 0  # 64: never shown


class Joiner:
    """Joins the parts of long messages; a part that comes twice is joined once."""

    def __init__(self) -> None:
        self._open: OrderedDict[Hashable, dict[int, Fragment]] = OrderedDict()
        self._done: OrderedDict[Hashable, dict[int, Fragment]] = OrderedDict()

    def add(self, conversation: Hashable, piece: Fragment) -> Assembled | None:
        """The message that this part completes, if it does; `conversation` is who to whom."""
        if piece.total == 1:
            return assemble([piece])
        key = (conversation, piece.key)
        done = self._done.get(key)
        if done is not None and done.get(piece.sequence) == piece:
            return None
        pieces = self._open.setdefault(key, {})
        pieces.setdefault(piece.sequence, piece)
        if len(pieces) < piece.total:
            _forget_oldest(self._open)
            return None
        self._done[key] = self._open.pop(key)
        _forget_oldest(self._done)
        return assemble(pieces.values())


class Record:
    """Every accepted submit, in the order of its coming. It grows without bound: for tests."""

    def __init__(self) -> None:
        self.submissions: list[Submission] = []

    def add(self, message_id: str, account: str, pdu: Pdu) -> None:
        """One accepted submit to one destination."""
        piece = read_fragment(pdu)
        self.submissions.append(
            Submission(
                message_id,
                account,
                pdu.text("source_addr"),
                pdu.text("destination_addr"),
                text_of(piece),
                piece.sequence,
                piece.total,
                pdu,
            )
        )

    def messages(self) -> list[Received]:
        """The messages whose parts are all there, in the order in which they became complete."""
        joiner, found = Joiner(), []
        for each in self.submissions:
            who = (each.account, each.source, each.destination)
            piece = read_fragment(each.pdu)
            whole = joiner.add(who, piece)
            if whole is not None:
                found.append(_received(each, piece, whole))
        return found

    def duplicates(self) -> dict[tuple[str, bytes], int]:
        """(destination, user data with its header) of what came more than once, and how often."""
        seen = Counter((each.destination, each.pdu.user_data()) for each in self.submissions)
        return {key: times for key, times in seen.items() if times > 1}


def _received(last: Submission, piece: Fragment, whole: Assembled) -> Received:
    """A message, by its last part."""
    kind = describe(last.pdu.number("data_coding")).message_class
    return Received(
        last.source,
        last.destination,
        whole.text,
        data=whole.octets if piece.encoding is Encoding.BINARY else None,
        ports=piece.ports,
        message_class=None if kind is None else kind.value,
        protocol_id=last.pdu.number("protocol_id"),
    )


def read_fragment(pdu: Pdu) -> Fragment:
    """The user data of a submit_sm or data_sm; alphabets beyond those of GSM count as binary."""
    encoding = _ENCODINGS.get(describe(pdu.number("data_coding")).alphabet, Encoding.BINARY)
    udhi = bool(pdu.number("esm_class") & UDHI)
    return fragment(pdu.user_data(), encoding, udhi=udhi, sar=_sar(pdu))


def text_of(piece: Fragment) -> str:
    """The text of one part alone; "" when it is binary."""
    alphabet = national.alphabet(piece.locking, piece.single)
    return decode(piece.octets, piece.encoding, alphabet).text


def _sar(pdu: Pdu) -> tuple[int, int, int] | None:
    numbers = tuple(
        pdu.tlv_integer(tag)
        for tag in (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)
    )
    reference, total, sequence = numbers
    if reference is None or total is None or sequence is None:
        return None
    return reference, total, sequence


def _forget_oldest(messages: OrderedDict[Hashable, dict[int, Fragment]]) -> None:
    if len(messages) > _REMEMBERED_MESSAGES:
        messages.popitem(last=False)
