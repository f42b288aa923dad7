"""SMPP from close by: what goes over the sessions."""

from fastapi import APIRouter

from onesixty.entrypoints.rest.smpp import traces

router = APIRouter()
router.include_router(traces.router)
