"""Fuzzing whatever reads octets of a peer: `python -m tests.smpp.fuzz --count N --seed S`.

Cases are golden PDUs that were mutated, and plain random octets; most get their command_length put
right again, so that the decoder sees them. A failure prints the octets and the seed.
"""

import argparse
import random
import sys
from collections.abc import Iterator
from contextlib import suppress

from onesixty.smpp.codec import DecodeError, EncodeError, decode, encode
from onesixty.smpp.data_coding import decode_text, describe
from onesixty.smpp.framing import CAP_BOUND, Framer, FramingError
from onesixty.smpp.message_ids import IdForm, match_key
from onesixty.smpp.pdus import Pdu
from onesixty.smpp.receipts import ReceiptOptions, is_receipt, parse_receipt
from onesixty.smpp.times import TimeFieldError, decode_time

from .test_golden import GOLDEN

_TELLING = (0, 1, 2, 4, 16, 0x20, 0x40, 0x7F, 0x80, 0xFE, 0xFF)
_ANY_RECEIPT = ReceiptOptions(by_text=True, text_state_wins=False)


def cases(seed: int, count: int) -> Iterator[bytes]:
    """So many octet strings; the same ones for the same seed."""
    chance = random.Random(seed)
    for _ in range(count):
        if chance.random() < 0.1:
            octets = bytearray(chance.randbytes(chance.randrange(120)))
        else:
            octets = _mutated(chance)
        if chance.random() < 0.9 and len(octets) >= 4:
            octets[:4] = len(octets).to_bytes(4, "big")
        yield bytes(octets)


def check(octets: bytes) -> None:
    """Read these octets in every way there is; anything but the errors of the contract escapes."""
    with suppress(FramingError):
        Framer(CAP_BOUND).feed(octets)
    for lenient in (False, True):
        with suppress(DecodeError):
            pdu = decode(octets, lenient=lenient)
            _read_inside(pdu)
            if not lenient and not pdu.is_response and not pdu.flaws:
                _write_again(pdu)


def _mutated(chance: random.Random) -> bytearray:
    octets = bytearray(chance.choice(GOLDEN).octets)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(octets) + 1)
        end = min(len(octets), at + chance.randrange(1, 9))
        match chance.randrange(6):
            case 0 if at < len(octets):
                octets[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(octets):
                octets[at] = chance.choice(_TELLING)
            case 2:
                del octets[at:end]
            case 3:
                octets[at:at] = octets[at:end] * chance.randrange(1, 9)
            case 4:
                other = chance.choice(GOLDEN).octets
                octets[at:] = other[chance.randrange(len(other)) :]
            case _:
                octets[at:end] = chance.randbytes(end - at)
    return octets


def _read_inside(pdu: Pdu) -> None:
    is_receipt(pdu, _ANY_RECEIPT)
    for form in IdForm:
        for candidate in parse_receipt(pdu).ids:
            match_key(candidate, form)
    decode_text(describe(pdu.number("data_coding")).alphabet, pdu.user_data())
    for name in ("schedule_delivery_time", "validity_period", "final_date"):
        with suppress(TimeFieldError):
            decode_time(pdu.text(name), lenient=True)
    for tlv in pdu.tlvs:
        pdu.tlv_integer(tlv.tag)
        pdu.tlv_text(tlv.tag)


def _write_again(pdu: Pdu) -> None:
    """A request that was read without complaint is written as it was, if it may be written."""
    try:
        octets = encode(pdu)
    except EncodeError:
        # Only 5.0 has messages of 255 octets; we read them but never write them.
        assert len(pdu.octets("short_message")) == 255
    else:
        assert decode(octets) == pdu


def main() -> int:
    """Run the cases of one seed; 1 after a failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for octets in cases(arguments.seed, arguments.count):
        try:
            check(octets)
        except Exception:
            print(f"seed {arguments.seed} failed on {octets.hex()}", file=sys.stderr)
            raise
    print(f"{arguments.count} cases of seed {arguments.seed} passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
