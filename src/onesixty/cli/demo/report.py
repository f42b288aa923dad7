"""What the demo shows at its end: how much, how fast."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from onesixty.cli.demo import plan
from onesixty.cli.demo.peers import Receiver, TimedRecord
from onesixty.cli.demo.run import Played
from onesixty.cli.terminal import out, print_table


def show(played: Played, record: TimedRecord, receiver: Receiver) -> None:
    """Print the tables of what was sent, of latency and of throughput."""
    statuses = {message["id"]: message["status"] for message in played.messages}
    kinds: dict[str, list[str]] = {}
    for to, planned in played.plan.items():
        kinds.setdefault(planned.title, []).append(statuses.get(played.ids.get(to, ""), "lost"))
    print_table(
        ("SENT", "MESSAGES", "ENDED AS"),
        [
            (title, f"{len(ends):,}", ", ".join(dict.fromkeys(ends)))
            for title, ends in kinds.items()
        ],
    )
    times = _times(played, record, receiver)
    out.print()
    print_table(
        (f"LATENCY OF {plan.ONE_BY_ONE}, FROM THE REQUEST", "P50", "P99"),
        [
            ("to the answer of the API: stored", *_percentiles(times.answered)),
            ("to the submit_sm at the carrier", *_percentiles(times.submitted)),
            ("to the webhook message.sent", *_percentiles(times.told)),
        ],
    )
    out.print()
    if times.batch_carried and times.batch_told:
        out.print(
            f"throughput of the batch of {plan.BATCH:,}, from the request:"
            f" {plan.BATCH / times.batch_carried:,.0f} messages a second to the carrier,"
            f" {plan.BATCH / times.batch_told:,.0f} delivered and told of by webhook"
        )
    out.print(f"webhooks: {len(receiver.arrivals):,}, each with a valid signature")


@dataclass(frozen=True, slots=True)
class _Times:
    """Seconds from the request: of those sent one by one, and until all of the batch was done."""

    answered: list[float]
    submitted: list[float]
    told: list[float]
    batch_carried: float
    batch_told: float


def _times(played: Played, record: TimedRecord, receiver: Receiver) -> _Times:
    told = {
        (arrival.event["data"]["id"], arrival.event["type"]): arrival.at
        for arrival in receiver.arrivals
    }

    def after(to: str, at: float | None) -> list[float]:
        return [] if at is None else [at - played.asked_at[to]]

    ones = [one.to for one in plan.one_by_one()]
    many = [one.to for one in plan.batch()]
    sent = {to: told.get((played.ids.get(to, ""), "message.sent")) for to in ones}
    ends = {to: told.get((played.ids.get(to, ""), "message.delivered")) for to in many}
    carried = [one for to in many for one in after(to, record.first_at.get(to))]
    delivered = [one for to in many for one in after(to, ends[to])]
    return _Times(
        [one for to in ones for one in after(to, played.answered_at.get(to))],
        [one for to in ones for one in after(to, record.first_at.get(to))],
        [one for to in ones for one in after(to, sent[to])],
        max(carried, default=0.0),
        max(delivered, default=0.0),
    )


def _percentiles(seconds: Sequence[float]) -> tuple[str, str]:
    """The median and the 99th percentile (nearest rank), in milliseconds."""
    if not seconds:
        return "-", "-"
    ordered = sorted(seconds)
    p50, p99 = (ordered[math.ceil(len(ordered) * share) - 1] * 1000 for share in (0.50, 0.99))
    return f"{p50:.1f} ms", f"{p99:.1f} ms"
