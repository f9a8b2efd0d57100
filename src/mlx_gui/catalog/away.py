"""Models whose disk is away: what is remembered of them, and how that differs from being gone."""

from collections.abc import Collection
from pathlib import Path

import msgspec

from mlx_gui.catalog.scan import Sighting
from mlx_gui.core.licence import Licence
from mlx_gui.core.model import Model, ModelFacts
from mlx_gui.kinds.registry import read_facts


class Seen(msgspec.Struct, frozen=True):
    """How a model was seen last: below which of `model_dirs`, and on which device."""

    root: str
    folder: str
    device: int
    disk_bytes: int
    facts: msgspec.Raw = msgspec.Raw(b"null")
    licence: Licence | None = None


def seen(
    sighting: Sighting, *, disk_bytes: int, facts: ModelFacts | None, licence: Licence | None = None
) -> str:
    """What is kept of a model in the store."""
    found = Seen(
        str(sighting.root),
        str(sighting.found.folder),
        sighting.identity[0],
        disk_bytes,
        msgspec.Raw(msgspec.json.encode(facts)),
        licence,
    )
    return msgspec.json.encode(found).decode()


def away_model(
    model_id: str, remembered: str | None, model_dirs: Collection[Path], *, discovered_at: str
) -> Model | None:
    """A model that no search finds, if its disk is away; None for one that is gone."""
    try:
        last = msgspec.json.decode(remembered or "", type=Seen)
    except msgspec.DecodeError:
        return None
    root, folder = Path(last.root), Path(last.folder)
    if root not in model_dirs or not _is_away(root, folder, last.device):
        return None
    return Model(
        id=model_id,
        path=last.folder,
        facts=read_facts(bytes(last.facts)),
        problem=f"Its disk is away: {_missing(folder)} is not there.",
        disk_bytes=last.disk_bytes,
        discovered_at=discovered_at,
        licence=last.licence,
        away=True,
    )


def _is_away(root: Path, folder: Path, device: int) -> bool:
    """Whether the disk that `folder` was on is missing: what is left of its path is on another one.

    A model folder that is missing as a whole counts as away, whatever disk it was on.
    """
    if not root.exists():
        return True
    for path in (folder, *folder.parents):
        try:
            return path.stat().st_dev != device
        except FileNotFoundError:
            if path.is_symlink():
                return True
        except OSError:
            return True
    return True


def _missing(folder: Path) -> Path:
    """The uppermost folder that is not there."""
    missing = folder
    for path in folder.parents:
        if path.exists():
            break
        missing = path
    return missing
