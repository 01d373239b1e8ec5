"""A command of `reelhouse` in this process: the engine and the imports of an earlier one are used again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from subprocess import CompletedProcess

from click.testing import CliRunner

from reelhouse.cli.main import main


def reelhouse(*arguments: str, env: Mapping[str, str], cwd: Path, given: str | bytes = "") -> CompletedProcess[str]:
    """What the command printed and how it ended, with *env* as its whole environment.

    Raises what the command raised: as a process it would have ended with a traceback.
    """
    unset = {name: None for name in os.environ if name not in env}
    with chdir(cwd):
        done = CliRunner(env={**unset, **env}).invoke(main, arguments, input=given)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return CompletedProcess(["reelhouse", *arguments], done.exit_code, done.stdout, done.stderr)
