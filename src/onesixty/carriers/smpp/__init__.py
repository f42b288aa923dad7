"""Carriers over SMPP: PDUs from submissions, receipts from PDUs, what went over the wire."""
