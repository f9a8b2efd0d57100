"""Where the standalone app begins; an installed package begins in `__main__`.

The boot loader of the app runs this file, once it has made a Python of what the app carries.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

_OF_LOADER = "_PYI_"
_LIBRARIES = "LD_LIBRARY_PATH"
_FORMER = "LD_LIBRARY_PATH_ORIG"
"""Where the loader keeps what `_LIBRARIES` was."""
_LINK = "mlx-gui:"
_ARCHIVE = "pyimod01_archive"
"""What PyInstaller calls its reader of the modules."""


def main() -> None:
    """As `mlx_gui.__main__.main`."""
    before = environment_before(os.environ)
    os.environ.clear()
    os.environ.update(before)
    sys.argv[1:] = command_line(sys.argv[1:], opened=_is_opened())
    _outlive_a_move()

    from mlx_gui.__main__ import main as run

    run()


def environment_before(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment as it was before the boot loader changed it.

    What it sets is for this process, which has heeded it when it began: programs of the system (a
    browser, ffmpeg, a compiler) would load the libraries of the app instead of their own. A child
    that is this app again has a boot loader again.
    """
    before = {name: text for name, text in variables.items() if not name.startswith(_OF_LOADER)}
    former = before.pop(_FORMER, None)
    before.pop(_LIBRARIES, None)
    return before if former is None else before | {_LIBRARIES: former}


def command_line(arguments: Sequence[str], *, opened: bool) -> list[str]:
    """What is asked for: an app that is `opened` by a click, or by a link, is its window.

    A child and every command say more than that, and stay as they are.
    """
    if not arguments and opened:
        return ["app"]
    if len(arguments) == 1 and arguments[0].lower().startswith(_LINK):
        return ["app", arguments[0]]
    return list(arguments)


def importing(extract: Callable[..., object]) -> Callable[..., object]:
    """`extract`, which takes a module out of the app, with ImportError for its SystemExit.

    It raises that where the app was moved or removed. A server is not to end for it: whoever asked
    is told so, and it goes on when the app is back.
    """

    @wraps(extract)
    def extracted(*names: object, **options: object) -> object:
        try:
            return extract(*names, **options)
        except SystemExit as gone:
            raise ImportError(str(gone)) from gone

    return extracted


def _outlive_a_move() -> None:
    archive: Any = sys.modules.get(_ARCHIVE)
    if archive is not None:
        reader = archive.ZlibArchiveReader
        reader.extract = importing(reader.extract)


def _is_opened() -> bool:
    """Whether the Finder or the Dock has started it, which speak by launchd."""
    return sys.platform == "darwin" and os.getppid() == 1 and not sys.stdin.isatty()


if __name__ == "__main__":
    main()
