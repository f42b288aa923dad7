"""What a carrier on file is built with: its settings opened, and where its far side reaches us.

A callback URL has a secret in it, made of the master key: who does not know it is not heard at all.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from onesixty.carriers import registry
from onesixty.carriers.contract import CarrierConfig, CarrierSpec
from onesixty.kit import ids
from onesixty.kit.chance import Chance
from onesixty.kit.clock import Clock
from onesixty.kit.secrets import Sealer
from onesixty.records import carriers
from onesixty.records.snapshot import CarrierRecord

PATH: Final = "/callbacks/"  # of all callback URLs


class CarrierConfigs:
    """Makes the configuration of carriers; `public_url` is how the world reaches this server.

    `allow_private`: carriers of accounts below the top may reach private addresses, as all others.
    """

    def __init__(
        self,
        sealer: Sealer,
        clock: Clock,
        chance: Chance,
        public_url: str | None,
        *,
        allow_private: bool = False,
    ) -> None:
        self._sealer, self._clock, self._chance = sealer, clock, chance
        self._allow_private = allow_private
        self.public_url = public_url.rstrip("/") if public_url else None

    def of(self, record: CarrierRecord, **changes: Any) -> CarrierConfig:
        """The configuration of a carrier, with some settings changed.

        Raises SealError, and KeyError for a kind that there is no more.
        """
        spec = registry.SPECS[record.kind]
        settings = {one.name: one.default for one in spec.fields}
        settings |= carriers.opened(record, self._sealer) | changes
        return CarrierConfig(
            record.id, record.name, settings, self._clock, self._chance,
            self.callback_url(record.public_id),
            record.is_guest, record.is_guest and not self._allow_private,
        )  # fmt: skip

    def draft(
        self, spec: CarrierSpec, settings: Mapping[str, Any], *, is_guest: bool
    ) -> CarrierConfig:
        """The configuration of a carrier that may be put on file, to see whether it can be built.

        `settings` are those that were given; the others have their defaults.
        """
        whole = {one.name: one.default for one in spec.fields} | dict(settings)
        return CarrierConfig(
            0, spec.kind, whole, self._clock, self._chance, self.callback_url(UUID(int=0)),
            is_guest, is_guest and not self._allow_private,
        )  # fmt: skip

    def callback_url(self, public_id: UUID) -> str | None:
        """Where the far side of a carrier reaches us; None where we have no public URL."""
        if self.public_url is None:
            return None
        name = ids.to_text("car", public_id)
        return f"{self.public_url}{PATH}{name}/{self.token(public_id)}"

    def token(self, public_id: UUID) -> str:
        """The secret in the callback URL of a carrier."""
        return self._sealer.secret_name(public_id.bytes)
