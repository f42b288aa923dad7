"""Where carriers call: receipts and inbound messages by HTTP, at a secret URL for each carrier."""
