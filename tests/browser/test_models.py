"""The page of installed models."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.visiting import (
    LOADED,
    NOT_LOADED,
    endless_answer,
    load,
    row,
    unload_all,
)
from tests.support.server import Server

AGREEMENT_MS = 1_000


@pytest.fixture(autouse=True)
def nothing_loaded(server: Server) -> None:
    unload_all(server)


def test_the_page_shows_every_model_with_its_facts(page: Page, server: Server) -> None:
    with server.client() as client:
        models = client.get("/v1/models").json()["data"]
    expect(page.locator("[data-row]")).to_have_count(len(models))
    expect(page.get_by_text(re.compile(rf"^{len(models)} models · .* on disk$"))).to_be_visible()
    expect(row(page, "echo")).to_contain_text("12.5M")
    expect(row(page, "echo")).to_contain_text("50 MB")
    expect(row(page, "echo")).to_contain_text("4K")
    expect(row(page, "echo")).to_contain_text(NOT_LOADED)


def test_a_load_shows_its_progress_and_ends_as_loaded(page: Page) -> None:
    page.get_by_role("button", name="Load slow-load", exact=True).click()
    expect(row(page, "slow-load")).to_contain_text(re.compile(r"Loading \d+ %"))
    expect(row(page, "slow-load").get_by_role("progressbar")).to_be_visible()
    expect(row(page, "slow-load")).to_contain_text(LOADED)
    expect(row(page, "slow-load")).to_contain_text(re.compile(r"leaves in \d+ min"))


def test_a_loaded_model_is_in_the_memory_card(page: Page) -> None:
    card = page.get_by_role("region", name="Memory")
    expect(card.get_by_role("button", name="echo")).to_have_count(0)
    load(page, "echo")
    card.get_by_role("button", name="echo").click()
    details = page.get_by_role("dialog")
    expect(details).to_contain_text("Weights")
    expect(details).to_contain_text("Cache")


def test_pointing_at_a_model_of_the_memory_card_shows_its_details(page: Page) -> None:
    load(page, "echo")
    details = page.get_by_role("dialog", name=re.compile("echo, "))
    page.get_by_role("region", name="Memory").get_by_role("button", name="echo").hover()
    expect(details).to_be_visible()
    page.get_by_role("heading", level=1).hover()
    expect(details).to_be_hidden()


def test_the_details_of_the_memory_card_open_and_close_with_the_focus(page: Page) -> None:
    load(page, "echo")
    details = page.get_by_role("dialog", name=re.compile("echo, "))
    expect(page.get_by_role("region", name="Memory").get_by_role("button")).to_have_count(2)
    page.get_by_role("heading", level=1).focus()
    page.keyboard.press("Tab")
    expect(details).to_be_visible()
    page.keyboard.press("Tab")
    expect(details.get_by_role("button", name="Unload echo")).to_be_focused()
    page.keyboard.press("Tab")
    expect(details).to_be_hidden()


def test_a_second_browser_sees_the_load_within_a_second(open_page: OpenPage) -> None:
    first, second = open_page(), open_page(width=390, theme="dark")
    expect(row(second, "echo")).to_contain_text(NOT_LOADED)
    load(first, "echo")
    expect(row(second, "echo")).to_contain_text(LOADED, timeout=AGREEMENT_MS)


def test_an_unloaded_model_can_be_loaded_again_from_the_toast(page: Page) -> None:
    load(page, "echo")
    page.get_by_role("button", name="Unload echo").click()
    expect(row(page, "echo")).to_contain_text(NOT_LOADED)
    toast = page.get_by_role("status").filter(has_text="Unloaded echo")
    expect(toast).to_contain_text(re.compile(r"Unloaded echo, .+ free\."))
    toast.get_by_role("button", name="Load again").click()
    expect(row(page, "echo")).to_contain_text(LOADED)
    expect(toast).to_have_count(0)


def test_a_model_that_failed_tells_why_and_can_be_tried_again(page: Page) -> None:
    page.get_by_role("button", name="Load broken", exact=True).click()
    row(page, "broken").get_by_role("button", name="Failed").click()
    reason = page.get_by_role("dialog", name="Failed")
    expect(reason).to_contain_text("its weights are broken")
    expect(reason).to_contain_text("This fake model always fails to load.")
    expect(page.get_by_role("alert")).to_be_empty()
    reason.get_by_role("button", name="Copy details").click()
    expect(reason.get_by_role("button", name="Copied")).to_be_visible()
    assert "fake/broken" in page.evaluate("navigator.clipboard.readText()")
    reason.get_by_role("button", name="Try again").click()
    expect(row(page, "broken")).to_contain_text("Failed")


def test_a_load_can_be_cancelled(page: Page) -> None:
    page.get_by_role("button", name="Load slow-load", exact=True).click()
    page.get_by_role("button", name="Cancel loading slow-load").click()
    expect(row(page, "slow-load")).to_contain_text(NOT_LOADED)
    expect(page.get_by_role("alert")).to_be_empty()


def test_unloading_a_model_that_answers_asks_first(page: Page, server: Server) -> None:
    with endless_answer(server, "fake/echo") as answer:
        expect(row(page, "echo")).to_contain_text("Answering 1")
        page.get_by_role("button", name="Unload echo").click()
        question = page.get_by_role("dialog", name="Unload echo")
        expect(question).to_contain_text("1 answer is running.")
        question.get_by_role("button", name="Cancel").click()
        expect(question).to_be_hidden()
        expect(row(page, "echo")).to_contain_text("Answering 1")

        page.get_by_role("button", name="Unload echo").click()
        question.get_by_role("button", name="Stop and unload").click()
        expect(row(page, "echo")).to_contain_text(NOT_LOADED)
        assert "error" in answer.read().decode()


def test_the_filter_is_in_the_address_and_survives_a_reload(page: Page) -> None:
    page.get_by_role("searchbox", name="Filter by name").fill("slow")
    expect(page.locator("[data-row]")).to_have_count(2)
    assert page.url.endswith("/admin/models?q=slow")
    page.reload()
    expect(page.locator("[data-row]")).to_have_count(2)


def test_a_filter_that_matches_nothing_can_be_cleared(page: Page) -> None:
    page.get_by_role("searchbox", name="Filter by name").fill("nothing like it")
    expect(page.get_by_text(re.compile("No model matches .nothing like it"))).to_be_visible()
    page.get_by_role("button", name="Clear filter").click()
    expect(row(page, "echo")).to_be_visible()


def test_a_rescan_tells_what_it_found(page: Page) -> None:
    page.get_by_role("button", name="Rescan").click()
    expect(page.get_by_text("Model folders read again: 5 models.")).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 859, 860, 1280])
def test_the_page_never_scrolls_sideways(open_page: OpenPage, width: int) -> None:
    page = open_page(width=width)
    load(page, "slow-load")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_phone_gets_a_list_and_details_as_a_sheet(open_page: OpenPage) -> None:
    phone = open_page(width=390)
    expect(row(phone, "echo")).to_be_visible()
    expect(phone.get_by_role("table")).to_have_count(0)
    phone.get_by_role("button", name="Details of echo").click()
    sheet = phone.get_by_role("dialog", name="Details of echo")
    box = sheet.bounding_box()
    assert box is not None
    assert (box["x"], box["width"], box["y"] + box["height"]) == (0, 390, 900)
