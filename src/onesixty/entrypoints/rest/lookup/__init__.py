"""What is known of phone numbers: one by one, by the number plan, and by sources that are asked."""

from fastapi import APIRouter

from onesixty.entrypoints.rest.lookup import number_plan, numbers, sources

router = APIRouter()
for part in (numbers, number_plan, sources):
    router.include_router(part.router)
