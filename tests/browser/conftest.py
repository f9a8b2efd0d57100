"""Chromium, a real server on the fake engine, and pages that tolerate no error."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.chromium import launch
from tests.browser.pages import Conduct, PagePool, Theme, new_context
from tests.support.server import Server, running_server

EXPECTED_WITHIN_MS = 60_000
"""What a page has to show comes within this, also where one core does everything."""

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


@pytest.fixture(scope="package")
def pages(browser: Browser) -> Iterator[PagePool]:
    """Those that tests have one after another."""
    pool = PagePool(browser, Conduct())
    yield pool
    pool.close()


@pytest.fixture
def open_context(browser: Browser, pages: PagePool) -> Iterator[OpenContext]:
    """Opens browsers that share nothing; whatever goes wrong on their pages fails the test."""
    contexts: list[BrowserContext] = []

    def open_one(
        *, width: int = 1440, theme: Theme = "light", locale: str = "en-US"
    ) -> BrowserContext:
        context = new_context(browser, width=width, theme=theme, locale=locale)
        pages.conduct.watch(context)
        contexts.append(context)
        return context

    yield open_one
    for context in contexts:
        context.close()
    pages.conduct.judge()


@pytest.fixture
def open_page(open_context: OpenContext, pages: PagePool, server: Server) -> Iterator[OpenPage]:
    """Opens the list of models in a browser that no other page of the test shares."""
    taken: list[Page] = []

    def open_one(path: str = "/admin/", *, width: int = 1440, theme: Theme = "light") -> Page:
        page = pages.take(width=width, theme=theme)
        taken.append(page)
        page.goto(server.address + path)
        return page

    yield open_one
    for page in taken:
        pages.put_back(page, server.address)


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page()


@pytest.fixture(scope="session")
def axe_source() -> str:
    path = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
    if not path.is_file():
        subprocess.run(["scripts/npm.sh", "ci"], cwd=Path(__file__).parents[2], check=True)
    return path.read_text()
