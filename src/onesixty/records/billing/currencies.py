"""Rates on file: what a unit of each currency is worth in the reference currency."""

from decimal import Decimal
from typing import Any

from onesixty.storage.database import Connection, Rows


async def listing(connection: Connection) -> Rows:
    """currency, rate, updated_at of all, by code."""
    rows: Rows = await connection.fetch(
        "SELECT currency, rate, updated_at FROM currency_rates ORDER BY currency"
    )
    return rows


async def change(tx: Connection, currency: str, rate: Decimal) -> Any:
    """Set the rate of a currency; returns its row."""
    return await tx.fetchrow(
        "INSERT INTO currency_rates (currency, rate) VALUES ($1, $2) ON CONFLICT (currency)"
        " DO UPDATE SET rate = excluded.rate, updated_at = now()"
        " RETURNING currency, rate, updated_at",
        currency,
        rate,
    )
