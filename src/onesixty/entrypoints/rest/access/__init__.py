"""Who may do what: accounts and their keys."""

from fastapi import APIRouter

from onesixty.entrypoints.rest.access import accounts, keys

router = APIRouter()
router.include_router(keys.router)
router.include_router(accounts.router)
