"""The progress bar shows that TMDB asked to slow down, while no request is made."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console
from rich.progress import Progress

from reelhouse.cli.terminal.display import ProgressBar, _RateColumn


@pytest.mark.parametrize(("seconds", "shown"), [(90.0, "waiting 90 s"), (300.0, "waiting 5 min"), (0.0, "")])
def test_a_pause_is_shown_while_it_lasts(seconds: float, shown: str) -> None:
    pause = _RateColumn()
    with Progress(pause, console=Console(file=io.StringIO())) as progress:
        bar = ProgressBar(progress, pause, lambda plan: "")
        text = f"TMDB asks to slow down (429): {shown}" if shown else ""
        bar.paused(seconds)
        assert pause.render(progress.tasks[0]).plain == text
        pause.until = time.monotonic() - 0.01
        assert pause.render(progress.tasks[0]).plain == ""
