"""Our own HTTP API, version 1: one file for each resource."""
