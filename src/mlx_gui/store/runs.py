"""runs.json: whether the server's earlier runs on a data directory ended cleanly.

A file and not a table, so that a server that dies over its database is counted, too.
"""

from pathlib import Path

import msgspec

from mlx_gui.store.files import replace_file

RUNS_FILE = "runs.json"


class Runs(msgspec.Struct, frozen=True):
    """`unclean` runs in a row came before the latest one, which has `ended` cleanly or not yet."""

    unclean: int
    ended: bool


def unclean_exits_in_a_row(data_dir: Path) -> int:
    """How many runs up to the latest one did not end as they should; 0 if that one did.

    Who calls holds the data directory: a run that has not ended is over all the same.
    """
    latest = _read(data_dir)
    return 0 if latest.ended else latest.unclean + 1


def begin_run(data_dir: Path) -> None:
    """Notes that a run begins."""
    _write(data_dir, Runs(unclean_exits_in_a_row(data_dir), ended=False))


def end_run(data_dir: Path) -> None:
    """Notes that the run ends as it should."""
    _write(data_dir, Runs(0, ended=True))


def forgive_runs(data_dir: Path) -> None:
    """Counts anew: if the present run ends badly, it is the first one."""
    _write(data_dir, Runs(0, ended=False))


def _read(data_dir: Path) -> Runs:
    try:
        return msgspec.json.decode((data_dir / RUNS_FILE).read_bytes(), type=Runs)
    except FileNotFoundError:
        return Runs(0, ended=True)
    except (OSError, msgspec.DecodeError):
        # It was not written to its end, so neither did that run come to one.
        return Runs(0, ended=False)


def _write(data_dir: Path, runs: Runs) -> None:
    replace_file(data_dir / RUNS_FILE, msgspec.json.encode(runs))
