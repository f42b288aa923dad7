"""Who may do what, and how fast: accounts, their keys and limits."""

from fastapi import APIRouter

from onesixty.entrypoints.rest.access import accounts, keys, limits

router = APIRouter()
router.include_router(limits.router)
router.include_router(keys.router)
router.include_router(accounts.router)
