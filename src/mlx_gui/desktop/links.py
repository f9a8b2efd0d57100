"""Links from elsewhere that open the window at a page, like `mlx-gui://models/install/org/name`.

Any web page may hold one. So a link only ever shows a page: what is done there needs a click there.
"""

from urllib.parse import unquote, urlsplit

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.hub import checked_repo_id
from mlx_gui.desktop.errors import BadLink

SCHEME = "mlx-gui"
LONGEST = 300
"""Characters; an id has 193 at most."""
PLACES = ("", "models", "discover", "downloads", "monitor", "api", "settings")
_INSTALL = "models/install/"
_HINT = f"A link is like {SCHEME}://models/install/org/name."


def page_of(link: str) -> str:
    """The page that `link` means, as its path below `/admin/`. Raises BadLink."""
    scheme, colon, rest = link.partition("://")
    if len(link) > LONGEST:
        raise BadLink(f"A link of {len(link)} characters is none of this program.", hint=_HINT)
    if not (link.isascii() and link.isprintable()) or not colon or scheme.lower() != SCHEME:
        raise BadLink(f"{_shown(link)} is not a link of this program.", hint=_HINT)
    place = rest.removesuffix("/")
    if place in PLACES:
        return place
    if not place.startswith(_INSTALL):
        raise BadLink(f"{_shown(link)} leads to no page.", hint=_HINT)
    try:
        # Once and not again: what is encoded twice is no id.
        return f"discover/{checked_repo_id(unquote(place.removeprefix(_INSTALL)))}"
    except InvalidRequest as error:
        raise BadLink(f"{_shown(link)}: {error.message}", hint=error.hint) from error


def same_server(address: str, other: str) -> bool:
    """Whether a page there is one of the same server's."""
    one, two = urlsplit(address), urlsplit(other)
    return (one.scheme, one.netloc) == (two.scheme, two.netloc)


def _shown(link: str) -> str:
    """As text that does nothing to the terminal and reads in one direction."""
    written = ascii(link)
    return written if len(written) <= 80 else f"{written[:77]}..."
