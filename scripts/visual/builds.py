"""The interface of another commit, built as that of the working tree is."""

import filecmp
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from tests.browser.kit import kit_of

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
_TRUNK = "origin/main"


def usual_ref() -> str:
    """What a change began from: HEAD while it is not committed, else where its branch began."""
    if _git("status", "--porcelain", "--", "web"):
        return "HEAD"
    return _git("merge-base", "HEAD", _TRUNK).decode().strip()


def built_of(ref: str, scratch: Path) -> Path:
    """The folder with the interface as it was at `ref`; `scratch` is for its sources."""
    with tarfile.open(fileobj=BytesIO(_git("archive", ref, "web"))) as archive:
        archive.extractall(scratch, filter="data")
    web = scratch / "web"
    take_packages(web)
    return kit_of(web)


def take_packages(web: Path) -> None:
    """Gives a copy of the sources the packages of this one, where it wants the same."""
    if filecmp.cmp(web / "package-lock.json", WEB / "package-lock.json", shallow=False):
        (web / "node_modules").symlink_to(WEB / "node_modules")
    else:
        command = ["scripts/npm.sh", "--prefix", str(web), "ci", "--ignore-scripts"]
        subprocess.run(command, cwd=ROOT, check=True)


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
