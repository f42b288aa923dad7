"""The SMPP door: customers bind to us and submit, query, cancel, replace; we deliver to them."""
