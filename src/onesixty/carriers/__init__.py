"""Ways out. A carrier takes submissions and reports exactly one outcome for each; it knows no database."""
