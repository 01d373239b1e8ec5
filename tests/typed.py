"""Commands as `reelhouse NAME …` makes them."""

from __future__ import annotations

from collections.abc import Sequence

import click

from reelhouse.cli.main import main


def context_of(name: str, arguments: Sequence[str]) -> click.Context:
    """The context of a command; `click.UsageError` where it knows an argument not.

    Below its group's, since click keeps on a command for good by which names it was first asked for help.
    """
    parent = click.Context(main, **main.context_settings)
    return main.commands[name].make_context(name, list(arguments), parent=parent)
