"""What the SMPP codec costs: `python benchmarks/codec.py` prints microseconds per operation.

Each figure is the best of many short runs: on a busy machine that comes closest to the cost itself.
"""

import timeit
from collections.abc import Callable
from datetime import UTC, datetime

from onesixty.smpp.codec import decode, encode
from onesixty.smpp.framing import CAP_BOUND, Framer
from onesixty.smpp.message_ids import IdForm, match_key
from onesixty.smpp.pdus import Command, Pdu
from onesixty.smpp.receipts import MessageState, build_receipt, is_receipt, parse_receipt

RUNS, LOOPS = 100, 1_000

SUBMIT = Pdu(
    Command.SUBMIT_SM,
    0,
    3,
    {
        "source_addr_ton": 5,
        "source_addr": "Shop",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": "491700000001",
        "registered_delivery": 1,
        "short_message": b"Your code is 123456. It is valid for ten minutes.",
    },
)


def main() -> None:
    """Print the table."""
    print(f"{'operation':<32}{'us/op':>8}{'op/s':>12}")
    for name, operation in _operations().items():
        best = min(timeit.repeat(operation, number=LOOPS, repeat=RUNS)) / LOOPS
        print(f"{name:<32}{best * 1e6:>8.2f}{1 / best:>12,.0f}")


def _operations() -> dict[str, Callable[[], object]]:
    submit = encode(SUBMIT)
    answer = encode(Pdu(Command.SUBMIT_SM_RESP, 0, 3, {"message_id": "0a1b2c3d4e5f6071"}))
    throttled = encode(Pdu(Command.SUBMIT_SM_RESP, 0x58, 3))
    answers, framer = answer * 100, Framer(CAP_BOUND)
    deliver = encode(_receipt())
    receipt = decode(deliver, lenient=True)
    return {
        "encode submit_sm": lambda: encode(SUBMIT),
        "decode submit_sm": lambda: decode(submit),
        "decode submit_sm_resp": lambda: decode(answer, lenient=True),
        "decode submit_sm_resp, refused": lambda: decode(throttled, lenient=True),
        "frame 100 submit_sm_resp": lambda: framer.feed(answers),
        "encode submit_sm_resp": lambda: encode(
            Pdu(Command.SUBMIT_SM_RESP, 0, 3, {"message_id": "0a1b2c3d4e5f6071"})
        ),
        "decode deliver_sm, a receipt": lambda: decode(deliver, lenient=True),
        "is_receipt": lambda: is_receipt(receipt),
        "parse_receipt": lambda: parse_receipt(receipt),
        "match_key": lambda: match_key("0a1b2c3d4e5f6071", IdForm.HEX),
        "encode deliver_sm_resp": lambda: encode(Pdu(Command.DELIVER_SM_RESP, 0, 3)),
        "build and encode a receipt": lambda: encode(_receipt()),
    }


def _receipt() -> Pdu:
    fields, tlvs = build_receipt(
        "0a1b2c3d4e5f6071",
        MessageState.DELIVERED,
        submitted=datetime(2026, 1, 1, tzinfo=UTC),
        done=datetime(2026, 1, 1, 0, 1, tzinfo=UTC),
        text="Your code is 123456. It is",
    )
    fields["source_addr"], fields["destination_addr"] = "491700000001", "Shop"
    return Pdu(Command.DELIVER_SM, 0, 1, fields, tlvs)


if __name__ == "__main__":
    main()
