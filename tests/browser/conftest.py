"""Chromium, a real server on the fake engine, and pages that tolerate no error."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from tests.browser.chromium import launch
from tests.support.server import Server, running_server

REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI}`));
"""

EXPECTED_WITHIN_MS = 60_000
"""What a page has to show comes within this, also where one core does everything."""

Theme = Literal["light", "dark"]
OpenContext = Callable[..., BrowserContext]
OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as server:
        yield server


# Not longer than this package: while Playwright runs, its event loop occupies the thread, and
# tests that run one of their own could not.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=EXPECTED_WITHIN_MS)
    with sync_playwright() as playwright:
        yield launch(playwright)


@pytest.fixture
def open_context(browser: Browser) -> Iterator[OpenContext]:
    """Opens browsers that share nothing; whatever goes wrong on their pages fails the test."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_one(
        *, width: int = 1440, theme: Theme = "light", locale: str = "en-US"
    ) -> BrowserContext:
        context = browser.new_context(
            locale=locale,
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("console", lambda message: faults.extend(fault_of(message)))
        context.on("weberror", lambda error: faults.append(str(error.error)))
        context.on("request", lambda request: requested.append(request.url))
        contexts.append(context)
        return context

    requested: list[str] = []
    yield open_one
    for context in contexts:
        context.close()
    assert faults == []
    assert [url for url in requested if not url.startswith(("http://127.0.0.1:", "blob:"))] == []


@pytest.fixture
def open_page(open_context: OpenContext, server: Server) -> OpenPage:
    """Opens the list of models in a browser of its own."""

    def open_one(path: str = "/admin/", *, width: int = 1440, theme: Theme = "light") -> Page:
        page = open_context(width=width, theme=theme).new_page()
        page.goto(server.address + path)
        return page

    return open_one


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page()


@pytest.fixture(scope="session")
def axe_source() -> str:
    path = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
    if not path.is_file():
        subprocess.run(["scripts/npm.sh", "ci"], cwd=Path(__file__).parents[2], check=True)
    return path.read_text()


def fault_of(message: ConsoleMessage) -> list[str]:
    """An error of the page. Refusals and losses of the API are the page's business to show."""
    of_the_api = "/v1/" in message.location["url"]
    if message.type != "error" or (of_the_api and "Failed to load resource" in message.text):
        return []
    return [f"{message.location['url']}: {message.text}"]
