"""Which carrier a call is for, and what reads its calls."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from onesixty.carriers import registry
from onesixty.carriers.contract import CallReader
from onesixty.kit import ids
from onesixty.kit.secrets import SealError, equal
from onesixty.records.carrier_configs import PATH, CarrierConfigs
from onesixty.records.snapshot import CarrierRecord, Snapshot, SnapshotKeeper

_log = structlog.get_logger()
_NOBODY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Called:
    """The carrier that is called, and the path behind its callback URL, without a slash before."""

    record: CarrierRecord
    path: str


@dataclass(frozen=True, slots=True)
class _Kept:
    record: CarrierRecord
    reader: CallReader | None


class Readers:
    """The readers of all carriers, each made once and again when its carrier changes."""

    def __init__(self, keeper: SnapshotKeeper, configs: CarrierConfigs) -> None:
        self._keeper, self._configs = keeper, configs
        self._book: Snapshot | None = None
        self._by_id: dict[UUID, CarrierRecord] = {}
        self._kept: dict[int, _Kept] = {}

    def find(self, path: str) -> Called | None:
        """Who is called at this path of ours; None when nobody is, or the secret is wrong.

        Disabled carriers are heard too: of what they have sent receipts still come.
        """
        name, _, rest = path.removeprefix(PATH).partition("/")
        token, _, behind = rest.partition("/")
        public_id = ids.from_text("car", name)
        record = self._record(public_id) if public_id else None
        # In one time, whether there is such a carrier or not.
        known = self._configs.token(record.public_id if record else _NOBODY)
        if not equal(token.encode(), known.encode()) or record is None:
            return None
        spec = registry.SPECS.get(record.kind)
        return Called(record, behind) if spec and spec.calls else None

    def reader(self, record: CarrierRecord) -> CallReader | None:
        """What reads the calls of a carrier; None when its settings do not allow for one."""
        kept = self._kept.get(record.id)
        if kept is None or _differs(kept.record, record):
            kept = self._kept[record.id] = _Kept(record, self._made(record))
        return kept.reader

    def _made(self, record: CarrierRecord) -> CallReader | None:
        make = registry.SPECS[record.kind].calls
        try:
            return make(self._configs.of(record)) if make else None
        except (ValueError, SealError, KeyError) as error:
            _log.error("callback.faulty", carrier=record.name, error=type(error).__name__)
            return None

    def _record(self, public_id: UUID) -> CarrierRecord | None:
        book = self._keeper.book
        if book is not self._book:
            self._book = book
            self._by_id = {one.public_id: one for one in book.carriers.values()}
            self._kept = {n: kept for n, kept in self._kept.items() if n in book.carriers}
        return self._by_id.get(public_id)


def _differs(old: CarrierRecord, new: CarrierRecord) -> bool:
    return old is not new and (
        (old.kind, old.settings, old.secrets) != (new.kind, new.settings, new.secrets)
    )
