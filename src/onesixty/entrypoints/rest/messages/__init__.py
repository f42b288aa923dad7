"""`/v1/messages` and `/v1/batches`: sends of one and of many, what is on file of them."""

from fastapi import APIRouter

from onesixty.entrypoints.rest.messages import batches, endpoints, feedback, media
from onesixty.entrypoints.rest.messages.door import PATH, Door
from onesixty.entrypoints.rest.messages.send_body import schemas

__all__ = ["PATH", "Door", "router", "schemas"]

router = APIRouter()
# batches first: /v1/messages/batch is a path of its own
router.include_router(batches.router)
router.include_router(endpoints.router)
router.include_router(media.router)
router.include_router(feedback.router)
