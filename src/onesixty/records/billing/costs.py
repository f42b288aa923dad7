"""What carriers take, as the router asks for it."""

from collections.abc import Callable
from datetime import datetime

from onesixty.carriers.content import CHANNELS
from onesixty.records.billing.book import Billing


class Costs:
    """Costs by the price lists of carriers, in the currency of the account at the top."""

    def __init__(self, billing: Callable[[], Billing], now: Callable[[], datetime]) -> None:
        self._billing, self._now = billing, now

    def of(self, carrier_id: int, recipient: str, network: str | None, channel: str) -> int | None:
        """Micros for a segment (other channels: a message) to a number now; None: not known."""
        billing = self._billing()
        if carrier_id not in billing.costs:
            return None
        found = billing.cost(carrier_id, recipient, network, CHANNELS.index(channel), self._now())
        return None if found is None else billing.convert(*found, billing.reference)
