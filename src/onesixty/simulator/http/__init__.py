"""Providers over HTTP as their customers see them: their APIs, their callbacks, their faults."""
