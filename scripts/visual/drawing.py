"""Pictures of every scene and of every section of the kit, all of one interface."""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

from playwright.sync_api import Browser, Error, Page, expect

from scripts.scenes import SIZES, THEMES, Scene, opened
from scripts.visual.tape import Tape
from tests.browser.kit import serve
from tests.browser.pages import Theme


class _Still(TypedDict):
    animations: Literal["disabled"]
    caret: Literal["hide"]


_KIT = "/admin/_kit"
_STILL: _Still = {"animations": "disabled", "caret": "hide"}
_NO_LETTERS = re.compile(r"\W+")


@dataclass(frozen=True, slots=True)
class Easel:
    """Draws one interface into a folder, told by a tape what a server says."""

    browser: Browser
    tape: Tape
    built: Path
    folder: Path

    def draw(self, scenes: Mapping[str, Scene]) -> None:
        """Each scene in each theme and size, but those that this interface does not have."""
        for size in SIZES:
            for theme in THEMES:
                for name, scene in scenes.items():
                    with self._page(size, theme) as page:
                        if self._shows(page, scene):
                            path = self.folder / f"{name}-{size}-{theme}.png"
                            page.screenshot(path=path, full_page=True, **_STILL)

    def draw_kit(self) -> None:
        """Each section of the kit, in each theme and size."""
        for size in SIZES:
            for theme in THEMES:
                with self._page(size, theme) as page:
                    page.goto(self.tape.address + _KIT)
                    expect(page.get_by_role("heading", level=1)).to_be_visible()
                    page.wait_for_load_state("networkidle")
                    page.evaluate("document.fonts.ready")
                    for section in page.locator("main section:has(> h2)").all():
                        title = section.get_by_role("heading", level=2).inner_text()
                        name = f"kit-{_NO_LETTERS.sub('-', title).lower()}-{size}-{theme}"
                        section.screenshot(path=self.folder / f"{name}.png", **_STILL)

    @contextmanager
    def _page(self, size: str, theme: Theme) -> Generator[Page]:
        width, height = SIZES[size]
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            reduced_motion="reduce",
            locale="en-US",
            timezone_id="UTC",
        )
        serve(context, self.built)
        yield self.tape.play(context)
        context.close()

    def _shows(self, page: Page, scene: Scene) -> bool:
        try:
            opened(page, self.tape.address, scene)
        except (AssertionError, Error):
            return False
        page.wait_for_load_state("networkidle")
        return True
