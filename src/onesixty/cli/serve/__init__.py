"""`onesixty serve`: the command, one process of it, and a supervisor of several."""
