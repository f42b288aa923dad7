"""Whether the far side of a carrier takes its settings, asked with what is on file."""

import asyncio
from typing import Any, Final

from onesixty.carriers import registry
from onesixty.carriers.contract import CheckedCarrier
from onesixty.entrypoints.rest.context import Context
from onesixty.kit.secrets import SealError
from onesixty.records import carriers

CHECK_SECONDS: Final = 15.0


async def fault_of(row: Any, context: Context) -> str | None:
    """What is wrong with the settings of a carrier, in words that tell what to do; None: nothing.

    A carrier of a kind that cannot ask is left alone. No message is sent.
    """
    spec = registry.SPECS.get(row["kind"])
    if spec is None:
        return f"the kind {row['kind']} is not installed here: install its package, and restart"
    try:
        settings = row["settings"] | carriers.secrets_of(row["secrets"], context.sealer)
        is_guest = context.keeper.book.accounts[row["account_id"]].parent_id is not None
        carrier = spec.build(context.configs.draft(spec, settings, is_guest=is_guest))
    except SealError:
        return "its secrets cannot be opened with this master key: give them anew"
    except ValueError as error:
        return f"its settings do not fit: {error}"
    if not isinstance(carrier, CheckedCarrier):
        return None
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await carrier.check()
    except TimeoutError:
        return f"it did not answer within {CHECK_SECONDS:.0f} s: try again later"
    finally:
        await carrier.stop(0.0)
