"""Writes pictures of every page, in both themes, for a desktop and a phone.

python -m scripts.screenshots [--docs] [FOLDER]

Without a folder they go to build/pictures. With --docs, those that README and guides show are
written to docs/pictures, with a palette of 256 colours.
"""

import argparse
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from scripts.scenes import DEADLINE_S, FIRST, SCENES, SIZES, THEMES, Scene, at_work, opened
from scripts.showroom import showroom
from tests.browser.chromium import launch
from tests.support.server import Server

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build/pictures"
DOCS = ROOT / "docs/pictures"
IN_DOCS = (
    "installed-desktop-dark",
    "plan-desktop-light",
    "discover-desktop-light",
    "downloads-desktop-light",
    "model-settings-desktop-light",
    "monitor-desktop-light",
)
COLOURS = 256


def main() -> None:
    parser = argparse.ArgumentParser(description="Write pictures of the interface.")
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    parser.add_argument("--docs", action="store_true", help="also those that the documents show")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=DEADLINE_S * 1000)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        browser = launch(playwright)
        with showroom(Path(scratch, "empty"), empty=True) as server:
            take_all(browser, server, FIRST, folder)
        with showroom(Path(scratch, "house")) as server, at_work(server):
            take_all(browser, server, SCENES, folder)
        browser.close()
    if arguments.docs:
        DOCS.mkdir(exist_ok=True)
        for name in IN_DOCS:
            small = Image.open(folder / f"{name}.png").convert("RGB").quantize(COLOURS)
            small.save(DOCS / f"{name}.png", optimize=True)


def take_all(browser: Browser, server: Server, scenes: dict[str, Scene], folder: Path) -> None:
    """One picture of each scene in each theme and size."""
    for size, (width, height) in SIZES.items():
        for theme in THEMES:
            for name, scene in scenes.items():
                page = browser.new_page(
                    viewport={"width": width, "height": height},
                    color_scheme=theme,
                    reduced_motion="reduce",
                )
                opened(page, server.address, scene)
                page.screenshot(path=folder / f"{name}-{size}-{theme}.png")
                page.close()


if __name__ == "__main__":
    main()
