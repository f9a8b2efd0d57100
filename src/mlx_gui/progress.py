"""Progress on the terminal of whoever started the server."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn


@contextmanager
def progress_line() -> Generator[Callable[[str, int, int], None]]:
    """A function of stage, bytes done and bytes in all, which draws one bar for each stage.

    Without a terminal each stage is one line.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<10}"), BarColumn(), DownloadColumn())
    bars: dict[str, TaskID] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def report(stage: str, done_bytes: int, total_bytes: int) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=total_bytes)
                if not console.is_terminal:
                    console.print(f"mlx-gui: starter model: {stage}")
            progress.update(bars[stage], completed=done_bytes, total=total_bytes)

        yield report
