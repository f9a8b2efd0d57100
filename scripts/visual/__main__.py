"""Compares the interface with that of another commit, picture by picture.

python -m scripts.visual [REF]

Both are drawn by the same browser, out of the same answers of a server, at a clock that stands:
every page and every section of the kit, in both themes, for a desktop and a phone. What differs by
more than 0.2 % of a picture is told, and lies in build/visual as it was, as it is, and with the
difference marked; the exit status is then 1. Without REF it is compared with HEAD while something
is not committed, else with what the branch began from.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from scripts.scenes import FIRST, SCENES, at_work
from scripts.showroom import showroom
from scripts.visual.builds import ROOT, WEB, built_of, usual_ref
from scripts.visual.comparing import changes
from scripts.visual.drawing import Easel
from scripts.visual.tape import Tape
from tests.browser.chromium import launch
from tests.browser.kit import kit_of

FOLDER = ROOT / "build/visual"
TOLERANCE = 0.002
DEADLINE_MS = 30_000


def main() -> int:
    """0 where everything looks as it did."""
    parser = argparse.ArgumentParser(description="Compare the interface with that of a commit.")
    parser.add_argument("ref", nargs="?", help="the commit; else what the change began from")
    ref: str = parser.parse_args().ref or usual_ref()
    expect.set_options(timeout=DEADLINE_MS)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        scratch = Path(name)
        builds = {"before": built_of(ref, scratch), "after": kit_of(WEB)}
        browser = launch(playwright)
        for side in builds:
            (scratch / side).mkdir()
        with showroom(scratch / "empty", empty=True) as server:
            tape = Tape(server)
            for side, built in builds.items():
                Easel(browser, tape, built, scratch / side).draw(FIRST)
        with showroom(scratch / "house") as server, at_work(server):
            tape = Tape(server)
            for side, built in builds.items():
                easel = Easel(browser, tape, built, scratch / side)
                easel.draw(SCENES)
                easel.draw_kit()
        browser.close()
        return told(scratch / "before", scratch / "after", ref)


def told(before: Path, after: Path, ref: str) -> int:
    """Writes what differs, with its pictures; 0 where nothing does."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    count = differing = 0
    for name, difference in changes(before, after):
        count += 1
        if difference is not None and difference.share <= TOLERANCE:
            continue
        differing += 1
        share = "in one alone" if difference is None else f"{difference.share:.2%}"
        print(f"{share:>12}  {name.removesuffix('.png')}")
        stem = FOLDER / name.removesuffix(".png")
        for side in (before, after):
            if (side / name).exists():
                shutil.copy(side / name, f"{stem}-{side.name}.png")
        if difference is not None:
            difference.picture.save(f"{stem}-difference.png")
    print(f"{count} pictures beside {ref}: {differing} differ by more than {TOLERANCE:.1%}.")
    if differing:
        print(f"They lie in {FOLDER.relative_to(ROOT)}.")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
