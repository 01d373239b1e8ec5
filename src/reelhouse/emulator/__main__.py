"""`python -m reelhouse.emulator`: prints its address on the first line and serves until it is stopped."""

import argparse
import sys
from collections.abc import Sequence

from reelhouse.emulator.http.serving import serve_forever
from reelhouse.emulator.options import SETTINGS, EmulatorError, EmulatorOptions


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve; an invalid setting is one line on stderr and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m reelhouse.emulator", description=__doc__)
    for name, read in SETTINGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=read, default=argparse.SUPPRESS)
    try:
        serve_forever(EmulatorOptions(**vars(parser.parse_args(arguments))), lambda address: print(address, flush=True))
    except EmulatorError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
