"""Networks of numbers: what is in memory of them, and asking sources about more."""
