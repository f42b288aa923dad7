"""Metrics of the process, in one registry, for `/metrics` (Prometheus text format)."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REGISTRY = CollectorRegistry(auto_describe=True)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

accepted = Counter("onesixty_messages_accepted", "Messages stored", registry=REGISTRY)
refused = Counter(
    "onesixty_messages_refused", "Messages refused at the door", ["code"], registry=REGISTRY
)
submitted = Counter(
    "onesixty_messages_submitted", "Messages handed to a carrier", ["carrier"], registry=REGISTRY
)
outcomes = Counter(
    "onesixty_outcomes", "Outcomes of submissions", ["carrier", "outcome"], registry=REGISTRY
)
receipts = Counter(
    "onesixty_receipts", "Delivery receipts", ["carrier", "result"], registry=REGISTRY
)
inbound = Counter(
    "onesixty_inbound", "Messages received from carriers", ["carrier"], registry=REGISTRY
)
inbound_repeated = Counter(
    "onesixty_inbound_repeated",
    "Messages that carriers told once more, and that were stored already",
    registry=REGISTRY,
)
callbacks = Counter(
    "onesixty_callbacks",
    "Calls of carriers to their callback URLs",
    ["carrier", "result"],
    registry=REGISTRY,
)
deliveries = Counter(
    "onesixty_webhook_deliveries", "Webhook attempts", ["result"], registry=REGISTRY
)
esme_deliveries = Counter(
    "onesixty_esme_deliveries",
    "Receipts and inbound messages given to customers over SMPP",
    ["result"],
    registry=REGISTRY,
)
esme_requests = Counter(
    "onesixty_esme_requests",
    "Requests of customers over SMPP, answered",
    ["command", "status"],
    registry=REGISTRY,
)
esme_seconds = Histogram(
    "onesixty_esme_seconds",
    "From a submit_sm to its submit_sm_resp, of the first in each read",
    buckets=_SECONDS,
    registry=REGISTRY,
)
esme_binds = Gauge(
    "onesixty_esme_binds",
    "Sessions of customers over SMPP",
    ["mode"],
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
esme_binds_refused = Counter(
    "onesixty_esme_binds_refused", "Binds and connections refused", ["status"], registry=REGISTRY
)
rescued = Counter(
    "onesixty_rescued", "Messages of dead processes made uncertain", registry=REGISTRY
)
accept_seconds = Histogram(
    "onesixty_accept_seconds",
    "From request to commit, of the one in each commit that waited longest",
    buckets=_SECONDS,
    registry=REGISTRY,
)
lane_waiting = Gauge(
    "onesixty_lane_waiting",
    "Messages in memory for a carrier",
    ["carrier"],
    registry=REGISTRY,
    multiprocess_mode="livesum",
)


def text() -> bytes:
    """All metrics in Prometheus text format, of all processes of this start.

    The supervisor names a folder in the environment before a worker starts; prometheus_client then
    keeps every value in a file there.
    """
    if values.ValueClass is values.MutexValue:
        return generate_latest(REGISTRY)
    everything = CollectorRegistry()
    MultiProcessCollector(everything)  # type: ignore[no-untyped-call]
    return generate_latest(everything)


queue_due = Gauge(
    "onesixty_queue_due",
    "Messages in the queue that are due",
    ["carrier"],
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
queue_oldest_seconds = Gauge(
    "onesixty_queue_oldest_seconds",
    "For how long the oldest is due",
    ["carrier"],
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
lane_rate = Gauge(
    "onesixty_lane_rate",
    "Messages a second that the carrier takes",
    ["carrier"],
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
lane_ceiling = Gauge(
    "onesixty_lane_ceiling",
    "Segments a second while the carrier throttles; 0: it does not",
    ["carrier"],
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
breaker_open = Gauge(
    "onesixty_breaker_open",
    "1 while the carrier fails too often",
    ["carrier"],
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
OF_LANES = (lane_waiting, queue_due, queue_oldest_seconds, lane_rate, lane_ceiling, breaker_open)
