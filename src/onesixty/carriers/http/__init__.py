"""Carriers over HTTP: one engine; a dialect for each provider says what its API is."""
