"""`python -m reelhouse`: the command line."""

from reelhouse.cli.main import main

main(prog_name="reelhouse")
