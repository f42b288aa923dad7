"""This process among the others on one database: who lives, and who holds which session."""
