"""One text with the licences of everything inside the standalone app."""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution
from pathlib import Path

_LICENCE = re.compile(
    r"(?:^|/)(?:licen[cs]es?/.*|(?:licen[cs]e|copying|notice|authors)[^/]*)$", re.I
)
_RULE = "=" * 78
_SAID = {
    # Neither has a licence in its wheel.
    "sentencepiece": "Apache-2.0",
    "tokenizers": "Apache-2.0",
}


def licences(packages: Iterable[Distribution], libraries: Iterable[Path], own: Path) -> str:
    """Ours, Python's, that of each package, and of each library of the build machine's system.

    Raises SystemExit where one cannot be found: an app without it may not be given away.
    """
    parts = [
        _part("mlx-gui", own.read_text()),
        _part(f"Python {sys.version.split()[0]}", _python()),
    ]
    for package in packages:
        title = f"{package.name} {package.version} ({_named(package)})"
        parts.append(_part(title, "\n\n".join(_texts(package))))
    for owner, (names, text) in sorted(_of_system(libraries).items()):
        parts.append(_part(f"{owner}: {', '.join(sorted(names))}", text))
    return "\n".join(parts)


def _part(title: str, text: str) -> str:
    return f"{_RULE}\n{title}\n{_RULE}\n\n{text.strip()}\n"


def _named(package: Distribution) -> str:
    """In a few words, as the package says it."""
    meta = package.metadata
    said = meta.get("License-Expression") or meta.get("License") or ""
    classified = [
        line.rpartition(" :: ")[2]
        for line in meta.get_all("Classifier") or ()
        if line.startswith("License ::")
    ]
    short = said.strip().splitlines()[0] if said.strip() else ", ".join(classified)
    return short or _SAID.get(package.name) or "see below"


def _texts(package: Distribution) -> Iterator[str]:
    """Texts in its wheel, also of what it has inside."""
    found = False
    for file in sorted(package.files or (), key=str):
        path = Path(str(file.locate()))
        if ".dist-info/" in str(file) and _LICENCE.search(str(file)) and path.is_file():
            found = True
            yield f"--- {path.name} ---\n\n{path.read_text(errors='replace').strip()}"
    if not found:
        named = _named(package)
        if named == "see below":
            raise SystemExit(f"bundle: {package.name} says nothing of its licence.")
        yield f"Its wheel has no text of it. It is under {named}."


def _python() -> str:
    for folder in (Path(sys.base_prefix), Path(sys.base_prefix, "lib", _VERSIONED)):
        for name in ("LICENSE.txt", "LICENSE"):
            if (folder / name).is_file():
                return (folder / name).read_text(errors="replace")
    raise SystemExit("bundle: the licence of Python is not beside it.")


def _of_system(libraries: Iterable[Path]) -> Mapping[str, tuple[set[str], str]]:
    """Files by the system's package that they are of, with its text."""
    found: dict[str, tuple[set[str], str]] = {}
    for library in libraries:
        owner = _owner(library)
        text = Path("/usr/share/doc", owner.partition(":")[0], "copyright")
        if not text.is_file():
            raise SystemExit(f"bundle: of {library} ({owner or 'nobody'}) no licence is here.")
        names, _ = found.setdefault(owner, (set(), text.read_text(errors="replace")))
        names.add(library.name)
    return found


def _owner(library: Path) -> str:
    """As `libssl3:amd64`; empty where this system does not tell."""
    # /lib is a link to /usr/lib, and dpkg knows a file by one of the two names.
    bare = str(library).removeprefix("/usr")
    for path in (bare, f"/usr{bare}"):
        try:
            told = subprocess.run(
                ["dpkg-query", "--search", path], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return told.stdout.rpartition(": ")[0].split(",")[0].splitlines()[0].strip()
    return ""


_VERSIONED = f"python{sys.version_info.major}.{sys.version_info.minor}"
