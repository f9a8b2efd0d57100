"""The parts of a release that are not commands of others.

python -m scripts.releasing check VERSION      refuses what cannot be the next version
python -m scripts.releasing prepare VERSION    writes it, and gives the changelog its section
python -m scripts.releasing is VERSION         refuses a tree of another version
python -m scripts.releasing notes VERSION      prints that section
python -m scripts.releasing same ONE TWO       refuses folders whose files differ
python -m scripts.releasing listed FILE        refuses a list of contents that lacks a pin
python -m scripts.releasing sums FOLDER        writes SHA256SUMS there
"""

import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).parents[1]
SUMS = "SHA256SUMS"
_VERSION_FILE = Path("src/mlx_gui/version.py")
_CHANGELOG = Path("CHANGELOG.md")
_PINS = Path("requirements/run.txt")
_PLACE = re.compile(r"file:/|(?<![\w.:/-])/(?:home|root|Users|private|tmp|var|builds?|work)/")
_UNRELEASED = "## [Unreleased]\n"


class Refused(Exception):
    """Its text says why there is no release."""


def check(version: str, *, root: Path = ROOT) -> None:
    """Refuses what is no plain version, lies before the last one, or has nothing to tell."""
    try:
        parsed = Version(version)
    except InvalidVersion:
        raise Refused(f"{version} is no version.") from None
    if str(parsed) != version or parsed.local is not None or parsed.is_devrelease:
        raise Refused(f"{version} is not how a release is written; {parsed.base_version} is.")
    sections = re.findall(r"^## \[([^\]]+)\]", (root / _CHANGELOG).read_text(), re.MULTILINE)
    if version in sections:
        raise Refused(f"The changelog has a section of {version} already.")
    if parsed < Version(before := _version(root)):
        raise Refused(f"{version} comes before {before}, which is what there is.")
    if not _unreleased(root)[1].strip():
        raise Refused("The changelog has nothing below Unreleased.")


def prepare(version: str, *, root: Path = ROOT, today: str | None = None) -> None:
    """The version in its one place, and what was unreleased under its name."""
    check(version, root=root)
    today = today or datetime.now(UTC).date().isoformat()
    path = root / _VERSION_FILE
    path.write_text(re.sub(r'(__version__ = )"[^"]+"', rf'\1"{version}"', path.read_text()))
    before, told, after = _unreleased(root)
    section = f"{_UNRELEASED}\n## [{version}] - {today}\n\n{told.strip()}\n"
    (root / _CHANGELOG).write_text("\n".join(filter(None, [before + section, after])))


def is_version(version: str, *, root: Path = ROOT) -> None:
    """Refuses a tree whose version is another."""
    if (found := _version(root)) != version:
        raise Refused(f"This is version {found}, and not {version}.")


def notes(version: str, *, root: Path = ROOT) -> str:
    """What the changelog says of `version`."""
    found = re.search(
        rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## \[|\Z)",
        (root / _CHANGELOG).read_text(),
        re.MULTILINE | re.DOTALL,
    )
    if found is None:
        raise Refused(f"The changelog has no section of {version}.")
    return found[1].strip() + "\n"


def same(one: Path, two: Path) -> None:
    """Refuses folders that do not hold the same files."""
    first, second = digests(one), digests(two)
    if not first:
        raise Refused(f"There is nothing in {one}.")
    different = sorted(name for name, _ in first.items() ^ second.items())
    if different:
        raise Refused(f"Two builds differ in {', '.join(dict.fromkeys(different))}.")


def listed(file: Path, *, root: Path = ROOT) -> None:
    """Refuses a list of CycloneDX that is not of this version, lacks a pin of this system, or names
    a place of it. Each package must be there with its address (purl).
    """
    text = file.read_text()
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        raise Refused(f"{file.name} is no JSON.") from None
    if found.get("bomFormat") != "CycloneDX":
        raise Refused(f"{file.name} is no list of CycloneDX.")
    about: dict[str, Any] = found.get("metadata", {}).get("component", {})
    if (about.get("name"), about.get("version")) != ("mlx-gui", version := _version(root)):
        raise Refused(f"{file.name} should be about mlx-gui {version}.")
    components = {canonicalize_name(each["name"]): each for each in found.get("components", [])}
    for name, version in _pins(root).items():
        component = components.get(name, {})
        if component.get("version") != version:
            there = component.get("version", "not there")
            raise Refused(f"{file.name} should have {name} {version}, which is {there}.")
        if not component.get("purl"):
            raise Refused(f"{file.name} has no address of {name}.")
    if place := _PLACE.search(text):
        line = text.count("\n", 0, place.start()) + 1
        raise Refused(f"{file.name} names a place of this machine in line {line}.")


def _pins(root: Path) -> dict[str, str]:
    """The version of each pinned package that this system gets."""
    lines = re.findall(r"^[\w.-]+==[^\\\n]+", (root / _PINS).read_text(), re.MULTILINE)
    pins = [Requirement(line) for line in lines]
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
    }


def sums(folder: Path) -> str:
    """Digests of the files that lie in `folder` itself, as `sha256sum --check` reads them."""
    found = digests(folder)
    names = sorted(name for name in found if "/" not in name and name != SUMS)
    return "".join(f"{found[name]}  {name}\n" for name in names)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file below `folder`, by its path there."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _version(root: Path) -> str:
    found = re.search(r'__version__ = "([^"]+)"', (root / _VERSION_FILE).read_text())
    if found is None:
        raise Refused(f"{_VERSION_FILE} names no version.")
    return found[1]


def _unreleased(root: Path) -> tuple[str, str, str]:
    """The changelog before, in and after what is unreleased."""
    before, found, rest = (root / _CHANGELOG).read_text().partition(_UNRELEASED)
    if not found:
        raise Refused("The changelog has no section Unreleased.")
    told, following, after = rest.partition("\n## [")
    return before, told, f"{following.lstrip()}{after}" if following else ""


def main() -> int:
    commands: Mapping[str, Callable[..., None]] = {
        "check": check,
        "prepare": prepare,
        "is": is_version,
        "notes": lambda version: print(notes(version), end=""),
        "same": lambda one, two: same(Path(one), Path(two)),
        "listed": lambda file: listed(Path(file)),
        "sums": lambda folder: _write(Path(folder, SUMS), sums(Path(folder))),
    }
    try:
        commands[sys.argv[1]](*sys.argv[2:])
    except Refused as refused:
        print(f"release: {refused}", file=sys.stderr)
        return 1
    return 0


def _write(path: Path, text: str) -> None:
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
