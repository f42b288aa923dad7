"""`/v1/carriers`: the ways out, their settings and live state, and their receipts read again."""

from fastapi import APIRouter

from onesixty.entrypoints.rest.carriers import endpoints, receipts

router = APIRouter()
router.include_router(endpoints.router)
router.include_router(receipts.router)
