"""Aggregators over HTTP: a dialect and a reader of callbacks for each."""
