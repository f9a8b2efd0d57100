"""Browsers whose pages tolerate no error, and pages that one test has after another."""

from dataclasses import dataclass, field
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

HEIGHT = 900
REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI}`));
"""
PLAIN = "/health"
"""Of the server, so that the process of the page stays, and nothing of the interface runs there."""

Theme = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Conduct:
    """What the pages of a test asked for, and what went wrong on them."""

    requested: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        """Notes what the pages of that do from now on."""
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("console", lambda message: self.faults.extend(fault_of(message)))
        context.on("weberror", lambda error: self.faults.append(str(error.error)))
        context.on("request", lambda request: self.requested.append(request.url))

    def judge(self) -> None:
        """Fails where something went wrong or was asked of others; the next test begins anew."""
        faults, requested = list(self.faults), list(self.requested)
        self.faults.clear()
        self.requested.clear()
        assert not faults, faults
        ours = ("http://127.0.0.1:", "blob:")
        others = [url for url in requested if not url.startswith(ours)]
        assert not others, others


def new_context(
    browser: Browser, *, width: int = 1440, theme: Theme = "light", locale: str = "en-US"
) -> BrowserContext:
    """A browser that shares nothing with any other."""
    return browser.new_context(
        locale=locale,
        viewport={"width": width, "height": HEIGHT},
        color_scheme=theme,
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )


class PagePool:
    """Pages that are kept for the next test: to open one costs twice as much as to clear one.

    Each is of a browser of its own. What it had stored is gone, and nothing is routed any more.
    """

    def __init__(self, browser: Browser, conduct: Conduct) -> None:
        self._browser, self.conduct = browser, conduct
        self._kept: list[Page] = []

    def take(self, *, width: int, theme: Theme) -> Page:
        """One that nobody else has until it is put back."""
        if self._kept:
            page = self._kept.pop()
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.emulate_media(color_scheme=theme)
            return page
        context = new_context(self._browser, width=width, theme=theme)
        self.conduct.watch(context)
        return context.new_page()

    def put_back(self, page: Page, address: str) -> None:
        """Clears it of all that it had of the server at `address`."""
        if page.is_closed():
            return
        page.unroute_all()
        page.mouse.move(0, 0)
        page.goto(address + PLAIN)
        page.evaluate("localStorage.clear(), sessionStorage.clear()")
        self._kept.append(page)

    def close(self) -> None:
        for page in self._kept:
            page.context.close()


def fault_of(message: ConsoleMessage) -> list[str]:
    """An error of the page. Refusals and losses of the API are the page's business to show."""
    of_the_api = "/v1/" in message.location["url"]
    if message.type != "error" or (of_the_api and "Failed to load resource" in message.text):
        return []
    return [f"{message.location['url']}: {message.text}"]
