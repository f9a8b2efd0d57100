"""What surrounds every page: navigation, theme, palette, shortcuts, the API reference."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.visiting import LOADED, NOT_LOADED, row, unload_all
from tests.support.server import Server


def test_the_address_of_the_server_leads_to_the_models(open_page: OpenPage) -> None:
    page = open_page("/")
    expect(page).to_have_url(re.compile(r"/admin/models$"))
    expect(page).to_have_title("Installed · mlx-gui")
    expect(page.get_by_role("heading", level=1, name="Installed models")).to_be_visible()
    expect(page.get_by_role("link", name="Installed")).to_have_attribute("aria-current", "page")


def test_a_page_that_does_not_exist_leads_back(open_page: OpenPage) -> None:
    page = open_page("/admin/nothing/here")
    expect(page.get_by_role("heading", level=1, name="No page here")).to_be_visible()
    page.get_by_role("link", name="Go to the installed models").click()
    expect(page.get_by_role("heading", level=1, name="Installed models")).to_be_focused()
    page.go_back()
    expect(page.get_by_role("heading", level=1, name="No page here")).to_be_focused()


def test_the_browsers_theme_holds_until_one_is_chosen_and_then_that_one(
    open_page: OpenPage,
) -> None:
    page = open_page(theme="dark")
    expect(page.get_by_role("button", name="Switch to the light theme")).to_be_visible()
    assert background(page) == "rgb(17, 18, 20)"
    page.get_by_role("button", name="Switch to the light theme").click()
    assert background(page) == "rgb(246, 246, 244)"
    page.reload()
    expect(page.get_by_role("button", name="Switch to the dark theme")).to_be_visible()
    assert background(page) == "rgb(246, 246, 244)"
    page.keyboard.press("t")
    assert background(page) == "rgb(17, 18, 20)"


def test_a_model_is_loaded_and_unloaded_by_single_keys(page: Page, server: Server) -> None:
    unload_all(server)
    expect(row(page, "agent")).to_be_visible()
    page.keyboard.press("j")
    expect(row(page, "agent")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(row(page, "broken")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("j")
    expect(row(page, "echo")).to_be_focused()
    page.keyboard.press("l")
    expect(row(page, "echo")).to_contain_text(LOADED)
    expect(row(page, "echo")).to_be_focused()
    page.keyboard.press("u")
    expect(row(page, "echo")).to_contain_text(NOT_LOADED)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Details of echo")).to_contain_text("fake/echo")
    page.keyboard.press("Escape")
    page.keyboard.press("k")
    expect(row(page, "crash")).to_be_focused()


def test_a_model_is_loaded_from_the_palette(page: Page, server: Server) -> None:
    unload_all(server)
    expect(row(page, "echo")).to_be_visible()
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Search or jump to")
    expect(field).to_be_focused()
    page.keyboard.type("load echo")
    expect(options(page)).to_have_text([re.compile("Load echo")])
    page.keyboard.press("Enter")
    expect(field).to_be_hidden()
    expect(row(page, "echo")).to_contain_text(LOADED)


def test_the_palette_stays_while_it_has_nothing_to_run(page: Page) -> None:
    expect(row(page, "echo")).to_be_visible()
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Search or jump to")
    page.keyboard.type("no such thing")
    expect(options(page)).to_have_count(0)
    page.keyboard.press("Enter")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()


def test_letters_in_a_field_are_text(page: Page) -> None:
    expect(row(page, "echo")).to_be_visible()
    page.keyboard.press("/")
    field = page.get_by_role("searchbox", name="Filter by name")
    expect(field).to_be_focused()
    page.keyboard.type("t?j")
    expect(field).to_have_value("t?j")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_single_letter_shortcuts_can_be_switched_off(page: Page) -> None:
    expect(row(page, "echo")).to_be_visible()
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(help_).to_contain_text("Load the model of the row")
    help_.get_by_role("checkbox", name="Use single-letter shortcuts").uncheck()
    help_.get_by_role("button", name="Close").click()
    expect(help_).to_be_hidden()
    page.keyboard.press("j")
    expect(row(page, "broken")).not_to_be_focused()


def test_the_drawer_of_a_phone_has_the_pages_and_closes_on_a_choice(open_page: OpenPage) -> None:
    phone = open_page(width=390)
    expect(phone.get_by_role("link", name="Installed")).to_have_count(0)
    phone.get_by_role("button", name="Open menu").click()
    drawer = phone.get_by_role("dialog", name="Pages")
    expect(drawer.get_by_role("link", name="API reference")).to_be_visible()
    drawer.get_by_role("button", name="Search or jump to").click()
    expect(drawer).to_be_hidden()
    expect(phone.get_by_role("combobox", name="Search or jump to")).to_be_focused()


def test_the_api_reference_needs_nothing_from_outside(open_page: OpenPage) -> None:
    page = open_page("/docs")
    expect(page.get_by_text("/v1/chat/completions", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Open mlx-gui")).to_be_visible()


def background(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")


def options(page: Page) -> Locator:
    """Those of the palette; a list beside it may have some of its own."""
    return page.get_by_role("listbox").get_by_role("option")
