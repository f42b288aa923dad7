"""Programmes built on messages, each with its own loop; they do not import each other."""
