"""Receipts and inbound messages to customers bound over SMPP (ESMEs), from the outbox."""
