"""Carriers without code: requests and answers described by their settings."""
