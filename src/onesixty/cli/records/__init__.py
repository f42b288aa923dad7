"""What is on file: keys, accounts, customers over SMPP, directly in the database."""
