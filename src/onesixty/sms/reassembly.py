"""Joining received parts to the message they were cut from (3GPP TS 23.040 9.2.3.24.1).

Keeping parts until the rest is there, and giving up after a time, is the caller's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from onesixty.sms import national, udh
from onesixty.sms.alphabet import Encoding
from onesixty.sms.decoding import Flaw, decode

GAP = "[...]"


@dataclass(frozen=True, slots=True)
class Fragment:
    """Received user data without its header: one part, or a message of its own (`total` 1).

    `locking` and `single` are national language identifiers, 0 for the default tables.
    """

    encoding: Encoding
    octets: bytes
    reference: int = 0
    reference_bits: int = 0
    total: int = 1
    sequence: int = 1
    locking: int = 0
    single: int = 0
    ports: udh.Ports | None = None
    malformed_header: bool = False
    elements: bytes = b""  # of the header, joined: all but those that are read above

    @property
    def key(self) -> tuple[int, int, int, Encoding]:
        """Equal for the parts of one message between one sender and one recipient."""
        return self.reference, self.reference_bits, self.total, self.encoding


@dataclass(frozen=True, slots=True)
class Assembled:
    """The message as far as its parts came; where one is missing the text has a GAP.

    `octets` are those of all parts, which is what a binary message consists of.
    """

    text: str
    octets: bytes
    missing: tuple[int, ...] = ()
    flaws: tuple[Flaw, ...] = ()


# Elements that need not be kept: they number the part, or are needed to read its text.
_READ = frozenset(
    {
        udh.ElementId.CONCATENATION_8,
        udh.ElementId.CONCATENATION_16,
        udh.ElementId.SINGLE_SHIFT,
        udh.ElementId.LOCKING_SHIFT,
    }
)


def fragment(
    user_data: bytes,
    encoding: Encoding,
    *,
    udhi: bool = False,
    sar: tuple[int, int, int] | None = None,
) -> Fragment:
    """Read one received message; `sar` is (reference, total, sequence) of the sar_* parameters.

    The numbers of a header win over sar_*. A header that cannot be read is left in the octets,
    with a mark.
    """
    if not udhi:
        return _numbered_by_sar(user_data, encoding, sar)
    parsed = udh.parse(user_data)
    if parsed is None:
        return Fragment(encoding, user_data, malformed_header=True)
    header, octets = parsed
    part = header.concatenation or _concat(sar)
    return Fragment(
        encoding,
        octets,
        part.reference,
        part.reference_bits,
        part.total,
        part.sequence,
        header.locking,
        header.single,
        header.ports,
        elements=udh.join(one for one in header.elements if one[0] not in _READ),
    )


def assemble(fragments: Iterable[Fragment]) -> Assembled:
    """Join fragments of equal `key`, in any order; of equal sequence numbers the first counts.

    Octets are joined before they are decoded, because senders do cut surrogate and escape pairs.
    ValueError without any fragment.
    """
    first_of: dict[int, Fragment] = {}
    for piece in fragments:
        first_of.setdefault(piece.sequence, piece)
    if not first_of:
        raise ValueError("there is nothing to assemble")
    pieces = [first_of[sequence] for sequence in sorted(first_of)]
    total = pieces[0].total
    text, flaws = _read(pieces, total)
    return Assembled(
        text,
        b"".join(piece.octets for piece in pieces),
        tuple(number for number in range(1, total + 1) if number not in first_of),
        flaws,
    )


def _numbered_by_sar(
    octets: bytes, encoding: Encoding, sar: tuple[int, int, int] | None
) -> Fragment:
    """A fragment without header; numbers that make no sense make it a message of its own."""
    part = _concat(sar)
    return Fragment(
        encoding, octets, part.reference, part.reference_bits, part.total, part.sequence
    )


def _concat(sar: tuple[int, int, int] | None) -> udh.Concat:
    if sar is None or not 1 <= sar[2] <= sar[1]:
        return udh.Concat(0, 1, 1, 0)
    reference, total, sequence = sar
    return udh.Concat(reference, total, sequence, 16)


def _read(pieces: list[Fragment], total: int) -> tuple[str, tuple[Flaw, ...]]:
    """The text of the pieces, in their order, with a gap where some are missing; and its flaws."""
    text = []
    flaws: dict[Flaw, None] = {}
    expected = 1
    for run in _runs(pieces):
        first = run[0]
        if first.sequence != expected:
            text.append(GAP)
        alphabet = national.alphabet(first.locking, first.single)
        decoded = decode(b"".join(piece.octets for piece in run), first.encoding, alphabet)
        text.append(decoded.text)
        flaws |= dict.fromkeys(decoded.flaws)
        expected = run[-1].sequence + 1
    if expected <= total:
        text.append(GAP)
    return "" if pieces[0].encoding is Encoding.BINARY else "".join(text), tuple(flaws)


def _runs(pieces: list[Fragment]) -> list[list[Fragment]]:
    """Group neighbours that can be decoded as one: no part missing between, the same tables."""
    runs = [[pieces[0]]]
    for previous, piece in pairwise(pieces):
        if piece.sequence == previous.sequence + 1 and _tables(piece) == _tables(previous):
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return runs


def _tables(piece: Fragment) -> tuple[Encoding, int, int]:
    return piece.encoding, piece.locking, piece.single
