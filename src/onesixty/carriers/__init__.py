"""Ways out. A carrier takes submissions and reports one outcome for each; it knows no database."""
