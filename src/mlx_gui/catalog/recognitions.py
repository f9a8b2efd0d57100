"""What folders were recognised as, for as long as their files stay as they are."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from mlx_gui.catalog.adapters import Adapter, read_adapter
from mlx_gui.catalog.licence_files import licence_in
from mlx_gui.catalog.listing import Identity, Listing, State
from mlx_gui.catalog.weights_print import weights_print
from mlx_gui.core.licence import Licence
from mlx_gui.kinds.base import Recognised
from mlx_gui.kinds.registry import recognise


@dataclass(slots=True)
class _Known:
    state: State
    recognised: Recognised | Adapter
    licence: Licence | None
    weights: str | None = None


class Recognitions:
    """What each folder was recognised as, by its identity and the state of its files.

    Of each folder the last state alone is kept. Used by one thread at a time.
    """

    def __init__(self) -> None:
        self._known: dict[Identity, _Known] = {}

    def of(self, listing: Listing) -> Recognised | Adapter:
        """What the folder is; its files are read only if one of them has changed."""
        return self._of(listing).recognised

    def licence(self, listing: Listing) -> Licence | None:
        """The licence that the folder names; read again as `of` is."""
        return self._of(listing).licence

    def weights(self, identity: Identity, folder: Path) -> str:
        """The same for two folders exactly if their weights are; read once in each state."""
        known = self._known.get(identity)
        if known is None:
            return weights_print(folder)
        if known.weights is None:
            known.weights = weights_print(folder)
        return known.weights

    def _of(self, listing: Listing) -> _Known:
        known = self._known.get(listing.identity)
        if known is None or known.state != listing.state:
            known = _Known(listing.state, _recognised(listing), licence_in(listing.folder))
            self._known[listing.identity] = known
        return known

    def keep_only(self, identities: Collection[Identity]) -> None:
        """Forget all other folders."""
        self._known = {each: self._known[each] for each in identities if each in self._known}


def _recognised(listing: Listing) -> Recognised | Adapter:
    if listing.is_adapter():
        # Its name is that of its place, of which it may have several.
        return read_adapter("", listing.folder, disk_bytes=listing.file_bytes)
    return recognise(listing.folder)
