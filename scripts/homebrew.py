"""Writes the Homebrew formula, and the cask where there is a .dmg, for the artefacts of a release.

python -m scripts.homebrew --version VERSION --from FOLDER --into FOLDER --address ADDRESS

The digests are those of the files in FOLDER; ADDRESS is where these will lie. A tap takes what is
written as it is.
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path

TEMPLATES = Path(__file__).parents[1] / "packaging" / "homebrew"
_FIELD = re.compile(r"@([A-Z0-9_]+)@")
_SAFE = re.compile(r"[\w.:/~+%@-]+")


def formula(version: str, artefacts: Path, *, address: str, homepage: str) -> str:
    """The formula of the command line, from the wheel and its pinned requirements."""
    files = {"WHEEL": _one(artefacts, f"mlx_gui-{version}-*.whl")}
    files["REQUIREMENTS"] = _one(artefacts, f"mlx_gui-{version}.requirements.txt")
    return _written("formula.rb.in", version, files, address=address, homepage=homepage)


def cask(version: str, artefacts: Path, *, address: str, homepage: str) -> str:
    """The cask of the application, from its .dmg."""
    files = {"DMG": _one(artefacts, f"mlx-gui-{version}*.dmg")}
    return _written("cask.rb.in", version, files, address=address, homepage=homepage)


def _written(
    template: str, version: str, files: Mapping[str, Path], *, address: str, homepage: str
) -> str:
    fields = {"VERSION": version, "ADDRESS": address, "HOMEPAGE": homepage}
    for name, path in files.items():
        fields |= {name: path.name, f"{name}_SHA256": hashlib.sha256(path.read_bytes()).hexdigest()}
    for name, text in fields.items():
        # It stands between quotes of Ruby, which would read more than text.
        if not _SAFE.fullmatch(text):
            raise SystemExit(f"{name} cannot stand in a formula: {text!r}")
    return _FIELD.sub(lambda field: fields[field[1]], (TEMPLATES / template).read_text())


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SystemExit(f"There should be one {pattern} in {folder}, and there are {len(found)}.")
    return found[0]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.homebrew")
    parser.add_argument("--version", required=True)
    parser.add_argument("--from", dest="artefacts", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--address", required=True, help="where the artefacts will lie")
    parser.add_argument("--homepage", help="of the project; by default what ADDRESS begins with")
    given = parser.parse_args()
    homepage = given.homepage or given.address.partition("/releases/")[0]
    where = {"address": given.address, "homepage": homepage}
    (given.into / "Formula").mkdir(parents=True, exist_ok=True)
    path: Path = given.into / "Formula" / "mlx-gui.rb"
    path.write_text(formula(given.version, given.artefacts, **where))
    if list(given.artefacts.glob("*.dmg")):
        (given.into / "Casks").mkdir(exist_ok=True)
        path = given.into / "Casks" / "mlx-gui.rb"
        path.write_text(cask(given.version, given.artefacts, **where))
    return 0


if __name__ == "__main__":
    sys.exit(main())
