"""Ways in. A door decodes, authenticates, calls one function and encodes; it has no rules of its own."""
