"""Other languages: German, and two that show what comes from no file of words.

One of these is written from right to left.
"""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.browser.axe import axe
from tests.browser.conftest import OpenContext, OpenPage
from tests.browser.visiting import row
from tests.support.server import Server

PATHS = (
    "",
    "models/fake/slow-load",
    "models/fake/slow-load?tab=settings",
    "models/fake/slow-load?tab=template",
    "models/fake/slow-load?tab=card",
    "discover",
    "downloads",
    "monitor",
    "api",
    "settings",
    "settings/about",
    "nothing",
)
CHOOSE = "if (origin !== 'null') localStorage.setItem('mlx-gui:language', '{}')"
SPOKEN_TEXTS = """
() => [...document.querySelectorAll("h1, h2, h3, nav a, button, th, label, legend, strong")]
  .filter((each) => each.checkVisibility())
  .map((each) => each.innerText.trim())
  .filter((text) => text !== "")
"""
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
CLIPPED = """
() => [...document.querySelectorAll("main :is(a, button, input, select, textarea, summary)")]
  .filter((each) => each.checkVisibility() && !each.matches(".visually-hidden"))
  .filter((each) => {
    for (let around = each; around; around = around.parentElement)
      if (/auto|scroll/.test(getComputedStyle(around).overflowX)) return false;
    return true;
  })
  .filter((each) => {
    const { left, right } = each.getBoundingClientRect();
    return left < 0 || right > document.documentElement.clientWidth;
  })
  .map((each) => each.outerHTML.slice(0, 160))
"""
UNMARKED = re.compile(r"[A-Za-z]{3,}")
NO_WORDS = re.compile(
    r"(mlx-gui|curl|Python|JavaScript|System|English|Deutsch|fake/|org/|MB/s|Ctrl|Esc"
    r"|[\w./-]*[-/\d][\w./-]*"
    r"|Claude Code|Codex|OpenCode|pi|Open WebUI|Continue|Zed|Cline|Home Assistant)"
)
"""Names, which are the same in every language; those of models have a slash, hyphen or digit."""


def test_german_is_chosen_kept_and_left_again(open_page: OpenPage, axe_source: str) -> None:
    page = open_page("/admin/settings")
    page.get_by_role("radio", name="Deutsch").check(force=True)
    expect(page.get_by_role("heading", level=1)).to_have_text("Einstellungen")
    assert page.evaluate("document.documentElement.lang") == "de"
    page.get_by_role("link", name="Installiert").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Installierte Modelle")
    expect(row(page, "echo")).to_contain_text("Nicht geladen")
    assert axe(page, axe_source) == []
    page.get_by_role("link", name="Einstellungen").click()
    page.get_by_role("radio", name="English").check(force=True)
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")


def test_a_browser_that_asks_for_german_gets_it(open_context: OpenContext, server: Server) -> None:
    page = open_context(locale="de-AT").new_page()
    page.goto(f"{server.address}/admin/downloads")
    expect(page.get_by_text("Nichts ist unterwegs.")).to_be_visible()


def test_words_that_cannot_be_read_leave_the_page_in_english(
    open_context: OpenContext, server: Server
) -> None:
    page = open_context(locale="de").new_page()
    named = page.request.get(f"{server.address}/admin/").text()

    def only_the_named(route: Route) -> None:
        if Path(route.request.url).name in named:
            route.continue_()
        else:
            route.fulfill(body="throw new Error()", content_type="text/javascript")

    page.route("**/assets/*.js", only_the_named)
    page.goto(f"{server.address}/admin/nothing")
    expect(page.get_by_role("heading", level=1)).to_have_text("No page here")
    assert page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize(
    ("width", "language"),
    [
        (390, "en-XA"),
        (768, "ar-XB"),
        pytest.param(1280, "en-XA", marks=pytest.mark.soak),
        pytest.param(390, "ar-XB", marks=pytest.mark.soak),
    ],
)
def test_every_word_comes_from_a_file_of_words_and_long_ones_find_room_from_either_side(
    open_context: OpenContext, server: Server, width: int, language: str
) -> None:
    context = open_context(width=width)
    context.add_init_script(CHOOSE.format(language))
    page = context.new_page()
    for path in PATHS:
        page.goto(f"{server.address}/admin/{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_text("~").first).to_be_visible()
        texts: list[str] = page.evaluate(SPOKEN_TEXTS)
        assert texts
        assert [each for each in texts if UNMARKED.search(NO_WORDS.sub("", each))] == [], path
        assert page.evaluate(SIDEWAYS) <= 0, path
        assert page.evaluate(CLIPPED) == [], path
        right_to_left = page.evaluate("getComputedStyle(document.body).direction") == "rtl"
        assert right_to_left == (language == "ar-XB")
