"""What a migrated database must have before the platform runs on it."""

from datetime import datetime

from onesixty.carriers import registry
from onesixty.kit.secrets import Sealer
from onesixty.records import accounts, carriers, keys
from onesixty.storage import partitions
from onesixty.storage.database import Connection, Database


async def prepare(database: Database, sealer: Sealer, key: str | None, now: datetime) -> str | None:
    """Make the present parts of the big tables and, on an empty database, the first records.

    Returns the first API key, this once: `key`, or one that is made; None when there was an
    account. Safe to run in every process at once.
    """
    async with database.write() as tx:
        await partitions.ensure(tx, now)
        return await bootstrap(tx, sealer, key)


async def bootstrap(tx: Connection, sealer: Sealer, key: str | None) -> str | None:
    """On an empty database make the first account, its sandbox carrier and an admin key."""
    await tx.execute("SELECT pg_advisory_xact_lock(160, 0)")
    if await accounts.find(tx, accounts.ROOT) is not None:
        return None
    account_id = await accounts.create(tx, sealer, accounts.ROOT, None)
    settings, secrets = carriers.check(registry.SPECS["loopback"], {})
    await carriers.create(
        tx,
        sealer,
        account_id,
        {"name": carriers.SANDBOX, "kind": "loopback", "settings": settings, "secrets": secrets},
    )
    if key is not None:
        made = await keys.adopt(tx, account_id, "first key", key)
    else:
        made = await keys.create(tx, account_id, "first key", ["*"])
    return made.text
