"""What each command gives where something is missing or wrong, by exit code, for `docs/cli.md`; a test walks it."""

from __future__ import annotations

SITUATIONS = ("a typing mistake", "no lake", "an empty lake", "a read-only lake", "without its extra", "output closed")

# The exit codes of the first example of each command (`examples.py`), in the order of `SITUATIONS`. "–" is where it
# runs until it is stopped, or uses no lake that was there before.
CODES: dict[str, str] = {
    "browse": "2 2 1 1 2 1",
    "build": "2 2 0 1 2 1",
    "collect": "2 0 0 1 0 1",
    "demo": "2 – – – 2 –",
    "diff": "2 2 2 0 0 1",
    "emulate": "2 – – – – 1",
    "export": "2 2 1 1 2 1",
    "help": "2 0 0 0 0 1",
    "import": "2 0 0 1 2 1",
    "init": "2 0 0 0 0 1",
    "maintain": "2 2 0 0 2 1",
    "plan": "2 0 0 0 0 1",
    "purge": "2 2 0 0 0 1",
    "register": "2 2 2 2 2 2",
    "report": "2 2 0 0 2 0",
    "show": "2 2 1 1 2 1",
    "sql": "2 2 1 1 2 1",
    "status": "2 2 0 0 0 1",
    "sync": "2 0 0 1 2 1",
    "tables": "2 0 0 0 2 1",
    "upload": "2 0 0 1 0 1",
    "verify": "2 2 0 0 0 1",
}


def table() -> str:
    """The codes as Markdown."""
    rows = [f"| `reelhouse {name}` | {' | '.join(codes.split())} |" for name, codes in CODES.items()]
    return "\n".join((f"| | {' | '.join(SITUATIONS)} |", "|---" * (len(SITUATIONS) + 1) + "|", *rows)) + "\n"
