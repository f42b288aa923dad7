"""Which endpoints fail, recover, or are disabled, as the deliveries of a batch tell."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from onesixty.features.webhooks.outbox import CALLBACKS, Delivery
from onesixty.features.webhooks.schedule import DISABLE_AFTER_SECONDS
from onesixty.features.webhooks.targets import Target, Targets
from onesixty.kit import ids
from onesixty.records import webhooks
from onesixty.records.snapshot import Endpoint, Snapshot
from onesixty.storage.database import Connection

# A flapping endpoint is not worth a change of the records at every turn.
NOTED_AFTER: Final = timedelta(seconds=60)
_DISABLE_AFTER: Final = timedelta(seconds=DISABLE_AFTER_SECONDS)
_log = structlog.get_logger()


@dataclass(slots=True)
class Verdicts:
    """Changes to endpoints on file, by their numbers."""

    failing: dict[int, datetime] = field(default_factory=dict)
    recovered: list[int] = field(default_factory=list)
    disabled: dict[int, str] = field(default_factory=dict)  # with the reason

    def __bool__(self) -> bool:
        return bool(self.failing or self.recovered or self.disabled)


def verdicts(
    batch: Iterable[Delivery], targets: Targets, book: Snapshot, now: datetime
) -> Verdicts:
    """What a batch changes about its endpoints."""
    found = Verdicts()
    gone = {one.endpoint_id for one in batch if one.status_code == 410}
    for number in {one.endpoint_id for one in batch if one.endpoint_id != CALLBACKS}:
        endpoint = book.endpoints.get(number)
        if endpoint is None:
            continue
        if number in gone:
            found.disabled[number] = "it answered 410 Gone"
        else:
            _judge(endpoint, targets.endpoint(number), found, now)
    return found


async def write(tx: Connection, found: Verdicts, book: Snapshot, now: datetime) -> None:
    """Put the changes on file."""
    if found.failing:
        await webhooks.note_failing(tx, found.failing)
    if found.recovered:
        await webhooks.note_recovered(tx, found.recovered)
    for number, reason in found.disabled.items():
        await webhooks.disable(tx, number, reason, now)
        endpoint = ids.to_text("whk", book.endpoints[number].public_id)
        _log.warning("webhooks.endpoint_disabled", endpoint=endpoint, reason=reason)


def _judge(endpoint: Endpoint, target: Target, found: Verdicts, now: datetime) -> None:
    if target.failing_since is None:
        target.failing_noted = False
        if endpoint.failing_since is not None:
            found.recovered.append(endpoint.id)
        return
    if endpoint.failing_since is not None:
        target.failing_noted = True
        if now - endpoint.failing_since >= _DISABLE_AFTER:
            found.disabled[endpoint.id] = "it failed for 72 hours without one success"
        return
    if target.failing_noted:
        target.failing_since, target.failing_noted = now, False  # another process had a success
    if now - target.failing_since >= NOTED_AFTER:
        found.failing[endpoint.id] = target.failing_since
