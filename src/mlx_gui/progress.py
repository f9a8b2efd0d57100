"""Progress on the terminal of whoever started the server."""

import logging
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn


@contextmanager
def progress_line() -> Generator[Callable[[str, int, int | None], None]]:
    """A function of stage, bytes done and bytes in all, which draws one bar for each stage.

    What is logged meanwhile appears above the bars. Without a terminal each stage is one line.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<10}"), BarColumn(), DownloadColumn())
    bars: dict[str, TaskID] = {}
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        _log_above_the_bars(),
    ):

        def report(stage: str, done_bytes: int, total_bytes: int | None) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=total_bytes)
                if not console.is_terminal:
                    console.print(f"mlx-gui: starter model: {stage}")
            progress.update(bars[stage], completed=done_bytes, total=total_bytes)

        yield report


@contextmanager
def _log_above_the_bars() -> Generator[None]:
    """While bars are drawn, `sys.stderr` is a stream that writes above them."""
    handlers = [
        cast("logging.StreamHandler[TextIO]", each)
        for each in logging.root.handlers
        if isinstance(each, logging.StreamHandler)
    ]
    streams = [(handler, handler.setStream(sys.stderr)) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in streams:
            if stream is not None:
                handler.setStream(stream)
