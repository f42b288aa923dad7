"""Ask each provider for its templates, every ten minutes and on request."""

from datetime import timedelta
from typing import Final

import structlog

from onesixty.carriers import registry
from onesixty.carriers.contract import TemplatedCarrier
from onesixty.kit.clock import Clock
from onesixty.kit.secrets import SealError
from onesixty.records import channel_templates
from onesixty.records.carrier_configs import CarrierConfigs
from onesixty.records.snapshot import CarrierRecord, SnapshotKeeper
from onesixty.storage.database import Database

_log = structlog.get_logger()
EVERY: Final = timedelta(minutes=10)
IDLE_SECONDS: Final = 30.0


class TemplateSync:
    """Runs in every process that dispatches; a carrier is asked by one of them."""

    def __init__(
        self, database: Database, clock: Clock, keeper: SnapshotKeeper, configs: CarrierConfigs
    ) -> None:
        self._database, self._clock = database, clock
        self._keeper, self._configs = keeper, configs

    async def run_once(self) -> bool:
        """Ask for the carriers that are due; always False, for the loop."""
        some = {
            one.id: one
            for one in self._keeper.book.carriers.values()
            if one.enabled and _has_templates(one)
        }
        if not some:
            return False
        now = self._clock.now()
        async with self._database.write() as tx:
            due = await channel_templates.claim(tx, list(some), EVERY, now)
        for number in due:
            await self.sync(some[number])
        return False

    async def sync(self, record: CarrierRecord) -> str | None:
        """Ask for those of one carrier now: None when it went well, else what is wrong."""
        carrier = None
        try:
            carrier = registry.SPECS[record.kind].build(self._configs.of(record))
            if not isinstance(carrier, TemplatedCarrier):
                return f"{record.kind} carriers have no templates"
            templates = await carrier.templates()
        except (OSError, ValueError, SealError) as error:
            _log.warning("templates.not_read", carrier=record.name, error=str(error))
            async with self._database.write() as tx:
                await channel_templates.failed(tx, record.id, str(error), self._clock.now())
            return str(error)
        finally:
            if carrier is not None:
                await carrier.stop(0.0)
        async with self._database.write() as tx:
            await channel_templates.replace(tx, record.id, templates, self._clock.now())
        return None


def _has_templates(record: CarrierRecord) -> bool:
    spec = registry.SPECS.get(record.kind)
    # Those that cannot be asked, since the account is not named, are left alone.
    return bool(spec and spec.templates and record.settings.get(spec.templates))
