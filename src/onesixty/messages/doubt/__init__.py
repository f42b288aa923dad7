"""What became of a message when nobody says: matched later, sent once more, or ended in time."""
