"""Money on file: price lists, who pays, the ledger, caps, usage."""
