"""`python -m onesixty.cli` is the program `onesixty`."""

from onesixty.cli import main

main()
