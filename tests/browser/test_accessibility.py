"""axe (WCAG 2.0 to 2.2, A and AA) on every page and state, in both themes and both widths."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import LOOKS, axe
from tests.browser.conftest import OpenContext, OpenPage
from tests.browser.pages import Theme
from tests.browser.visiting import LOADED, NOT_LOADED, load, row, unload_all
from tests.support.server import Server
from tests.support.soak import mostly_in_soak
from tests.support.waiting import wait_until

State = Callable[[Page], None]

PHONE = 390
PHONE_ONLY = ("drawer",)
NAME_OF_FOCUSED = "(document.activeElement.ariaLabel ?? document.activeElement.innerText).trim()"


def models(page: Page) -> None:
    load(page, "echo")
    page.get_by_role("button", name="Load broken", exact=True).click()
    expect(row(page, "broken")).to_contain_text("Failed")
    page.get_by_role("button", name="Load slow-load", exact=True).click()
    expect(row(page, "slow-load")).to_contain_text("Loading")
    page.get_by_role("button", name="Select", exact=True).click()
    row(page, "echo").get_by_role("checkbox").check()


def filtered_away(page: Page) -> None:
    page.get_by_role("searchbox").fill("nothing like it")
    expect(page.get_by_role("button", name="Clear filter")).to_be_visible()


def reason(page: Page) -> None:
    page.get_by_role("button", name="Load broken", exact=True).click()
    row(page, "broken").get_by_role("button", name="Failed").click()


def details(page: Page) -> None:
    page.get_by_role("button", name="Details of echo").click()


def memory_details(page: Page) -> None:
    load(page, "echo")
    page.get_by_role("region", name="Memory").get_by_role("button", name="echo").click()


def budget(page: Page) -> None:
    page.get_by_role("region", name="Memory").get_by_role("button", name="Model budget").click()
    expect(page.get_by_role("dialog", name="Model budget")).to_be_visible()


def toast(page: Page) -> None:
    load(page, "echo")
    page.get_by_role("button", name="Unload echo").click()
    expect(page.get_by_role("button", name="Load again")).to_be_visible()


def palette(page: Page) -> None:
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Search or jump to")).to_be_focused()


def shortcuts(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("checkbox")).to_be_visible()


def drawer(page: Page) -> None:
    page.get_by_role("button", name="Open menu").click()


STATES: tuple[State, ...] = (
    models,
    filtered_away,
    reason,
    details,
    memory_details,
    budget,
    toast,
    palette,
    shortcuts,
    drawer,
)


@pytest.mark.parametrize(
    ("states", "width", "theme"),
    [
        pytest.param((models, palette), 390, "dark", id="some"),
        *(pytest.param(STATES, *look, marks=pytest.mark.soak) for look in LOOKS),
    ],
)
def test_axe_finds_nothing_on_the_models_in_any_state(
    open_page: OpenPage,
    server: Server,
    axe_source: str,
    states: tuple[State, ...],
    width: int,
    theme: Theme,
) -> None:
    page = open_page(width=width, theme=theme)
    violations: dict[str, list[str]] = {}
    for state in states:
        if width > PHONE and state.__name__ in PHONE_ONLY:
            continue
        unload_all(server)
        page.goto(server.address + "/admin/")
        expect(row(page, "echo")).to_be_visible()
        state(page)
        if found := axe(page, axe_source):
            violations[state.__name__] = found
    assert violations == {}


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.soak)])
def test_axe_finds_nothing_on_the_page_for_unknown_addresses(
    open_page: OpenPage, axe_source: str, theme: Theme
) -> None:
    page = open_page("/admin/nothing", theme=theme)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert axe(page, axe_source) == []


PATHS = (
    "models",
    "models/fake/echo?tab=template",
    "models/fake/echo?tab=settings",
    "discover",
    "downloads",
    "monitor",
    "api",
    "settings",
)


@pytest.mark.parametrize("path", mostly_in_soak(PATHS, but=["models/fake/echo?tab=settings"]))
def test_at_twice_the_size_and_in_colours_of_the_system_a_model_is_loaded_and_unloaded(
    open_context: OpenContext, server: Server, path: str
) -> None:
    unload_all(server)
    # 1280 pixels at 200 % are as many as these.
    page = open_context(width=640).new_page()
    page.emulate_media(forced_colors="active", color_scheme="dark")
    page.goto(f"{server.address}/admin/{path}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 640
    palette(page)
    page.keyboard.type("load echo")
    expect(page.get_by_role("listbox").get_by_role("option")).to_have_text(
        [re.compile("Load echo")]
    )
    page.keyboard.press("Enter")
    wait_until(lambda: state_of_echo(server) == "ready", what="echo to be loaded")
    page.goto(f"{server.address}/admin/models")
    expect(row(page, "echo")).to_contain_text(LOADED)
    page.get_by_role("button", name="Unload echo").focus()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    page.keyboard.press("Enter")
    expect(row(page, "echo")).to_contain_text(NOT_LOADED)


def state_of_echo(server: Server) -> str:
    with server.client() as client:
        return client.get("/v1/models/fake/echo").json()["state"]


def test_everything_on_the_page_is_reached_by_the_tab_key(page: Page) -> None:
    expect(row(page, "echo")).to_be_visible()
    reached: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(NAME_OF_FOCUSED))
    assert reached[0] == "Skip to content"
    for name in ("Search or jump to", "Installed", "Filter by name", "Rescan", "Load echo"):
        assert any(name in text for text in reached), name
