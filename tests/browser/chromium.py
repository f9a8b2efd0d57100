"""The system's Chromium or Chrome, as the tests and the picture script run it."""

import shutil

from playwright.sync_api import Browser, Playwright

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first one has no window at all, and opens a page in half of the others' time."""
CHROME_ON_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def launch(playwright: Playwright) -> Browser:
    """Without a window, and without any traffic of its own."""
    found = filter(None, map(shutil.which, NAMES))
    return playwright.chromium.launch(executable_path=next(found, CHROME_ON_MAC), args=list(FLAGS))
