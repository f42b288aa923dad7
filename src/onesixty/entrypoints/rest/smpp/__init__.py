"""SMPP from close by: what goes over the sessions."""

from fastapi import APIRouter

from onesixty.entrypoints.rest.smpp import esme_deliveries, esmes, traces

router = APIRouter()
router.include_router(esmes.router)
router.include_router(esme_deliveries.router)
router.include_router(traces.router)
