"""How soon a page of the interface is there after a click, with 1,000 models installed.

A browser on this machine goes round all pages, each of which it has seen before; counted is the
time from the click until the frame with the new title. Then it scrolls through the list of models,
by most of a window with each frame; counted is the longest time between two frames.
"""

from collections.abc import Generator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

from bench.context import Context, environment
from bench.pairs import Sample, interleave
from bench.report import Bound, Row, figure_row
from bench.server import serving
from tests.browser.chromium import launch
from tests.hub.folders import model_folder

_MODELS = 1_000
_LIST = "Installed models"
_PAGES = {
    "/admin/discover": "Discover",
    "/admin/downloads": "Downloads",
    "/admin/monitor": "Monitor",
    "/admin/api": "API & snippets",
    "/admin/settings": "Settings",
    "/admin/models": _LIST,
}
_SWITCH = """
async ([path, title]) => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const began = performance.now();
  document.querySelector(`nav a[href="${path}"]`).click();
  while (document.querySelector("h1")?.textContent !== title) await frame();
  await frame();
  return performance.now() - began;
}
"""
_SCROLL = """
async () => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  scrollTo(0, 0);
  let longest = 0;
  let before = await frame();
  for (let last = -1; last !== scrollY; ) {
    last = scrollY;
    scrollBy(0, 600);
    const now = await frame();
    longest = Math.max(longest, now - before);
    before = now;
  }
  return longest;
}
"""


def measure(context: Context) -> list[Row]:
    """Times in the browser; nothing to compare with."""
    models = context.scratch / "pages" / "models"
    for number in range(_MODELS):
        model_folder(models / "org" / f"model-{number:04}")
    variables = environment({"MLX_GUI_MODEL_DIRS": str(models), "MLX_GUI_OFFLINE": "true"})
    data_dir = context.scratch / "pages" / "data"
    with (
        serving(data_dir, "--no-starter", environment=variables) as server,
        _page(f"{server.client.address}/admin/models") as page,
    ):
        _round(page)

        def pages() -> Sample:
            times_ms = _round(page)
            return {
                "list_ms": times_ms.pop(_LIST),
                "others_ms": max(times_ms.values()),
                "frame_ms": page.evaluate(_SCROLL),
            }

        found = interleave({"pages": pages}, rounds=context.rounds)["pages"]
    limit = Bound("≤", 100)
    return [
        figure_row("list of 1,000 models", found["list_ms"], "ms", limit),
        figure_row("slowest of the other pages", found["others_ms"], "ms", limit),
        figure_row("longest frame while it scrolls", found["frame_ms"], "ms", limit),
    ]


def _round(page: Page) -> dict[str, float]:
    """Milliseconds until each page was there, by its title."""
    return {title: page.evaluate(_SWITCH, [path, title]) for path, title in _PAGES.items()}


@contextmanager
def _page(address: str) -> Generator[Page]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(locale="en-US", viewport={"width": 1440, "height": 900})
        page.goto(address)
        page.wait_for_selector("[data-row]")
        yield page
        browser.close()
