"""`/v1/webhooks`: endpoints that are told of events, the log of their deliveries, replays."""

from fastapi import APIRouter

from onesixty.entrypoints.rest.webhooks import deliveries, endpoints

router = APIRouter()
router.include_router(endpoints.router)
router.include_router(deliveries.router)
