"""All kinds, and which of them a folder is."""

from pathlib import Path

from mlx_gui.core.model import Kind
from mlx_gui.kinds.base import ModelKind, Recognised
from mlx_gui.kinds.checkpoint import DamagedFile, read_json_object
from mlx_gui.kinds.text import TextKind
from mlx_gui.kinds.unserved import unserved_kind

KINDS: tuple[ModelKind, ...] = (TextKind(),)


def kind_of(name: Kind) -> ModelKind:
    """The kind that facts name."""
    return next(kind for kind in KINDS if kind.name == name)


def recognise(folder: Path) -> Recognised:
    """What the model folder is; every folder gets facts, a problem, or both."""
    try:
        config = read_json_object(folder / "config.json")
    except DamagedFile as damage:
        return Recognised(None, str(damage))
    if unserved := unserved_kind(folder, config):
        return Recognised(None, f"mlx-gui serves text models so far; this is {unserved}.")
    for kind in KINDS:
        if recognised := kind.recognise(folder, config):
            return recognised
    return Recognised(None, "Its config.json names no model_type, so nobody can tell what it is.")
