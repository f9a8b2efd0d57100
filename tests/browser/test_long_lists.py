"""Lists of those who collect models: what the window is not near is not in the document."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import OpenPage
from tests.hub.folders import model_folder
from tests.support.server import Server, running_server

MODELS = 1_000
FOUND = 10_000
MOST_ROWS = 200
LAST = f"model-{MODELS - 1:04}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    for number in range(MODELS):
        model_folder(folder / "models" / "org" / f"model-{number:04}")
    settings = {"model_dirs": folder / "models", "offline": True}
    with running_server(folder, engine="mlx", settings=settings) as server:
        yield server


def rows(page: Page) -> Locator:
    return page.locator("[data-row]")


def named(page: Page, name: str) -> Locator:
    return page.locator(f"[data-row='org/{name}']")


@pytest.mark.parametrize("width", [1440, pytest.param(390, marks=pytest.mark.soak)])
def test_of_a_thousand_models_only_those_near_the_window_are_there(
    open_page: OpenPage, width: int
) -> None:
    page = open_page("/admin/models", width=width)
    expect(named(page, "model-0000")).to_be_visible()
    assert rows(page).count() < MOST_ROWS
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(named(page, LAST)).to_be_in_viewport()
    expect(named(page, "model-0100")).to_have_count(0)
    assert rows(page).count() < MOST_ROWS
    page.evaluate("scrollTo(0, 0)")
    expect(named(page, "model-0000")).to_be_in_viewport()
    expect(named(page, LAST)).to_have_count(0)


@pytest.mark.soak
def test_keys_go_through_the_whole_list_and_all_of_it_is_filtered_and_selected(
    open_page: OpenPage,
) -> None:
    page = open_page("/admin/models")
    expect(named(page, "model-0000")).to_be_visible()
    expect(page.get_by_role("table")).to_have_attribute("aria-rowcount", str(MODELS + 1))
    for number in range(60):
        page.keyboard.press("j")
        expect(named(page, f"model-{number:04}")).to_be_focused()
    expect(named(page, "model-0059")).to_have_attribute("aria-rowindex", "61")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(named(page, LAST)).to_be_in_viewport()
    expect(named(page, "model-0059")).to_be_focused()
    page.get_by_role("button", name="Select", exact=True).click()
    page.get_by_role("checkbox", name="Select all that are shown").check()
    expect(page.get_by_role("toolbar")).to_contain_text(re.compile("1,000 selected"))
    page.get_by_role("searchbox", name="Filter by name").fill("model-099")
    expect(rows(page)).to_have_count(10)
    expect(page.get_by_role("toolbar")).to_contain_text(re.compile("10 selected"))


@pytest.mark.soak
def test_ten_thousand_results_of_a_search_are_scrolled_through(open_page: OpenPage) -> None:
    page = open_page("/admin/nothing")

    def answer(route: Route) -> None:
        route.fulfill(json=found_page())

    page.route("**/v1/discover/models?*", answer)
    page.get_by_role("link", name="Discover").click()
    expect(named(page, "found-0")).to_be_visible()
    assert rows(page).count() < MOST_ROWS
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(named(page, f"found-{FOUND - 1}")).to_be_in_viewport()
    assert rows(page).count() < MOST_ROWS


def found_page() -> dict[str, Any]:
    """More at once than any hub tells: what somebody sees who has long asked for more."""
    fit = {"state": "yes", "need_bytes": 1_000, "context": None}
    same: dict[str, Any] = {
        "author": "org",
        "base_model": None,
        "kind": "text",
        "capabilities": ["chat"],
        "model_type": "llama",
        "parameter_count": 1_000,
        "quantization": None,
        "size_bytes": 1_000,
        "license": "mit",
        "gated": False,
        "downloads": 1,
        "likes": 1,
        "updated_at": None,
        "supported": {"ok": True, "reason": None},
        "fit": fit,
        "installed": None,
        "variants": [],
    }
    data = [{**same, "id": f"org/found-{n}", "name": f"found-{n}"} for n in range(FOUND)]
    told = {"next_cursor": None, "total": None, "source": "hub", "age_s": 0, "notes": []}
    return {"object": "list", "data": data, **told}
