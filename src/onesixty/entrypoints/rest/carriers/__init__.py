"""`/v1/carriers`: the ways out, their settings and live state, what they told, how they deliver."""

from fastapi import APIRouter

from onesixty.entrypoints.rest.carriers import endpoints, quality, receipts, templates

router = APIRouter()
router.include_router(endpoints.router)
router.include_router(receipts.router)
router.include_router(templates.router)
router.include_router(quality.router)
