"""What folders were recognised as, for as long as their files stay as they are."""

from collections.abc import Collection

from mlx_gui.catalog.adapters import Adapter, read_adapter
from mlx_gui.catalog.listing import Identity, Listing, State
from mlx_gui.kinds.base import Recognised
from mlx_gui.kinds.registry import recognise


class Recognitions:
    """What each folder was recognised as, by its identity and the state of its files.

    Of each folder the last state alone is kept. Used by one thread at a time.
    """

    def __init__(self) -> None:
        self._known: dict[Identity, tuple[State, Recognised | Adapter]] = {}

    def of(self, listing: Listing) -> Recognised | Adapter:
        """What the folder is; its files are read only if one of them has changed."""
        known = self._known.get(listing.identity)
        if known is not None and known[0] == listing.state:
            return known[1]
        recognised = _recognised(listing)
        self._known[listing.identity] = (listing.state, recognised)
        return recognised

    def keep_only(self, identities: Collection[Identity]) -> None:
        """Forget all other folders."""
        self._known = {each: self._known[each] for each in identities if each in self._known}


def _recognised(listing: Listing) -> Recognised | Adapter:
    if listing.is_adapter():
        # Its name is that of its place, of which it may have several.
        return read_adapter("", listing.folder, disk_bytes=listing.file_bytes)
    return recognise(listing.folder)
