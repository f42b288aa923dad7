"""Networks of numbers on file: the own number plan, lookup sources and what they cost, answers."""
