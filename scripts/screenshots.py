"""Writes pictures of the interface to a folder, in both themes, for a desktop and a phone.

python -m scripts.screenshots FOLDER

A server with the fake engine is started for it, so the pictures need no model.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.chromium import launch
from tests.support.server import running_server

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
THEMES = ("light", "dark")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write pictures of the interface to a folder.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, running_server(Path(data)) as server:
        with server.client() as client:
            client.post("/v1/models/fake/echo/load").raise_for_status()
            client.post("/v1/models/fake/slow/load").raise_for_status()
            client.post("/v1/models/fake/broken/load")
        take_all(server.address, folder)


def take_all(address: str, folder: Path) -> None:
    """One picture of each scene in each theme and size."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for size, (width, height) in SIZES.items():
            for theme in THEMES:
                for name, arrange in SCENES.items():
                    page = browser.new_page(
                        viewport={"width": width, "height": height},
                        color_scheme=theme,
                        reduced_motion="reduce",
                    )
                    page.goto(f"{address}/admin/")
                    expect(page.locator("[data-row]").first).to_be_visible()
                    arrange(page)
                    page.screenshot(path=folder / f"{name}-{size}-{theme}.png")
                    page.close()
        browser.close()


def models(page: Page) -> None:
    page.evaluate("document.fonts.ready")


def memory(page: Page) -> None:
    page.get_by_role("region", name="Memory").get_by_role("button", name="echo").click()


def failure(page: Page) -> None:
    page.get_by_role("button", name="Failed").click()


def notices(page: Page) -> None:
    page.locator("[data-bell]").click()
    expect(page.get_by_role("listitem").filter(has_text="broken")).to_be_visible()


def palette(page: Page) -> None:
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox")).to_be_focused()


def shortcuts(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("checkbox")).to_be_visible()


SCENES: dict[str, Callable[[Page], None]] = {
    "models": models,
    "memory": memory,
    "failure": failure,
    "notices": notices,
    "palette": palette,
    "shortcuts": shortcuts,
}


if __name__ == "__main__":
    main()
