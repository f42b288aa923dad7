"""A carrier of our own: for tests, demos, sandboxes and benchmarks."""
