"""What the simulated SMSC counts."""

from dataclasses import dataclass


@dataclass(slots=True)
class Statistics:
    """Totals since the start. A submit_multi counts once for each of its destinations."""

    binds: int = 0
    binds_refused: int = 0
    submits: int = 0
    accepted: int = 0
    refused: int = 0  # throttled ones included
    throttled: int = 0
    answers: int = 0  # that were written, whether or not they arrived
    answers_dropped: int = 0
    links_broken: int = 0
    receipts: int = 0  # handed to delivery, repeats by a fault included
    receipts_lost: int = 0  # by a fault
    inbound: int = 0  # messages and parts from handsets
    delivered: int = 0  # receipts and inbound messages that the client acknowledged
    redelivered: int = 0
    given_up: int = 0  # receipts and inbound messages that the client refused for good
