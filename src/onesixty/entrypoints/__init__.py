"""Ways in. A door decodes, authenticates, calls one function, encodes; it decides nothing."""
