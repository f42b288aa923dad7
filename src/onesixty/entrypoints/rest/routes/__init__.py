"""`/v1/routes`: which carrier a message goes to, and why."""

from fastapi import APIRouter

from onesixty.entrypoints.rest.routes import endpoints, explain, replay, revisions

router = APIRouter()
# Before /v1/routes/{name}: these are paths of their own.
router.include_router(explain.router)
router.include_router(revisions.router)
router.include_router(replay.router)
router.include_router(endpoints.router)
