"""Money: price lists, balances, caps, usage, currencies."""

from fastapi import APIRouter

from onesixty.entrypoints.rest.billing import balances, caps, currencies, prices, usage

router = APIRouter()
for part in (prices, balances, caps, usage, currencies):
    router.include_router(part.router)
