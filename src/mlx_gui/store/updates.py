"""updates.json: when a package index was asked last, and what it said."""

from pathlib import Path

import msgspec

from mlx_gui.store.files import replace_file

UPDATES_FILE = "updates.json"


class IndexAnswer(msgspec.Struct, frozen=True):
    """`asked_at` is Unix time, 0 for never. `newest` is the newest version that was ever told.

    `problem` says in a sentence why the latest question had no answer.
    """

    asked_at: float = 0.0
    newest: str = ""
    problem: str = ""


def recall_answer(data_dir: Path) -> IndexAnswer:
    """What the file says; where it cannot be read, nobody was asked."""
    try:
        return msgspec.json.decode((data_dir / UPDATES_FILE).read_bytes(), type=IndexAnswer)
    except (OSError, msgspec.DecodeError):
        return IndexAnswer()


def remember_answer(data_dir: Path, answer: IndexAnswer) -> None:
    """Raises StoreError and DiskFull."""
    replace_file(data_dir / UPDATES_FILE, msgspec.json.encode(answer))
