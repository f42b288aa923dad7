"""Telling customers what happened: the outbox is emptied over HTTP, signed, retried and logged."""
