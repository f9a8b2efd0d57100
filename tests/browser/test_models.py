"""The page of installed models."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext, OpenPage
from tests.browser.visiting import (
    LOADED,
    NOT_LOADED,
    endless_answer,
    have_loaded,
    load,
    pin,
    row,
    unload_all,
)
from tests.support.server import Server, running_server

AGREEMENT_MS = 1_000
SPARE_MS = 30_000


@pytest.fixture(autouse=True)
def nothing_loaded(server: Server) -> None:
    pin(server, "echo", pinned=False)
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


@pytest.mark.soak
def test_pointing_at_a_model_of_the_memory_card_shows_its_details(page: Page) -> None:
    load(page, "echo")
    details = page.get_by_role("dialog", name=re.compile("echo, "))
    page.get_by_role("region", name="Memory").get_by_role("button", name="echo").hover()
    expect(details).to_be_visible()
    page.get_by_role("heading", level=1).hover()
    expect(details).to_be_hidden()


@pytest.mark.soak
def test_the_details_of_the_memory_card_open_and_close_with_the_focus(page: Page) -> None:
    load(page, "echo")
    details = page.get_by_role("dialog", name=re.compile("echo, "))
    expect(page.get_by_role("region", name="Memory").get_by_role("button")).to_have_count(3)
    page.get_by_role("link", name="Add model").focus()
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


@pytest.mark.soak
def test_a_model_that_answers_can_be_unloaded_when_it_has_finished(
    page: Page, server: Server
) -> None:
    with endless_answer(server, "fake/echo"):
        expect(row(page, "echo")).to_contain_text("Answering 1")
        page.get_by_role("button", name="Unload echo").click()
        question = page.get_by_role("dialog", name="Unload echo")
        with page.expect_request("**/unload?when=idle"):
            question.get_by_role("button", name="Unload when they finish").click()
        expect(question).to_be_hidden()
        expect(row(page, "echo")).to_contain_text("Answering 1")
        expect(page.get_by_role("button", name="Unload echo")).to_be_enabled()
    expect(row(page, "echo")).to_contain_text(NOT_LOADED)
    expect(page.get_by_role("status").filter(has_text="Unloaded echo")).to_be_visible()


def test_a_pin_is_set_in_the_details_and_shows_everywhere(open_page: OpenPage) -> None:
    first, second = open_page(), open_page(width=390, theme="dark")
    load(first, "echo")
    first.get_by_role("button", name="Details of echo").click()
    details = first.get_by_role("dialog", name="Details of echo")
    expect(details).to_contain_text("Keep-alive")
    expect(details).to_contain_text("Planned memory")
    switch = details.get_by_role("switch", name="Pinned")
    expect(switch).not_to_be_checked()
    switch.check()
    for page in (first, second):
        expect(row(page, "echo").get_by_role("img", name="pinned")).to_be_visible()
        expect(row(page, "echo")).not_to_contain_text("leaves in")
    memory = second.get_by_role("region", name="Memory")
    expect(memory.get_by_role("listitem").filter(has_text="echo")).to_contain_text("pinned")
    switch.uncheck()
    expect(row(second, "echo").get_by_role("img", name="pinned")).to_have_count(0)


@pytest.mark.soak
def test_a_model_is_pinned_by_a_key_and_unpinned_from_the_toast(page: Page) -> None:
    load(page, "echo")
    row(page, "echo").focus()
    page.keyboard.press("p")
    toast = page.get_by_role("status").filter(has_text="echo stays in memory once it is loaded.")
    expect(row(page, "echo").get_by_role("img", name="pinned")).to_be_visible()
    toast.get_by_role("button", name="Undo").click()
    expect(row(page, "echo").get_by_role("img", name="pinned")).to_have_count(0)


def test_the_budget_tells_its_reason_and_its_limits(page: Page, server: Server) -> None:
    with server.client() as client:
        budget = client.get("/v1/system/status").json()["memory"]["budget"]
    memory = page.get_by_role("region", name="Memory")
    memory.get_by_role("button", name="Model budget").click()
    details = page.get_by_role("dialog", name="Model budget")
    expect(details).to_contain_text(budget["reason"])
    for bound in budget["bounds"]:
        expect(details).to_contain_text(bound["reason"])


@pytest.mark.soak
def test_the_spare_is_shown_beside_other_apps(open_context: OpenContext, tmp_path: Path) -> None:
    with running_server(tmp_path, settings={"warm_spare": True}) as server:
        page = open_context().new_page()
        page.goto(server.address)
        load(page, "echo")
        memory = page.get_by_role("region", name="Memory")
        memory.get_by_role("button", name="Spare process").click(timeout=SPARE_MS)
        expect(page.get_by_role("dialog", name="Spare process")).to_contain_text("starts sooner")


def test_safe_mode_is_told_with_its_reason_and_left_by_one_click(
    open_context: OpenContext, tmp_path: Path
) -> None:
    for _ in range(2):
        with running_server(tmp_path) as server:
            server.process.kill()
            server.process.wait()
    with running_server(tmp_path) as server:
        first, second = (open_context(theme=theme).new_page() for theme in ("light", "dark"))
        for page in (first, second):
            page.goto(server.address)
            expect(page.get_by_text("did not end cleanly 2 times in a row")).to_be_visible()
        first.get_by_role("button", name="Leave safe mode").click()
        for page in (first, second):
            expect(page.get_by_text("Safe mode.")).to_have_count(0)
            expect(page.get_by_role("button", name="Leave safe mode")).to_have_count(0)
    with running_server(tmp_path) as server:
        page = open_context().new_page()
        page.goto(server.address)
        expect(row(page, "echo")).to_be_visible()
        expect(page.get_by_text("Safe mode.")).to_have_count(0)


def test_the_filter_is_in_the_address_and_survives_a_reload(page: Page) -> None:
    page.get_by_role("searchbox", name="Filter by name").fill("slow")
    expect(page.locator("[data-row]")).to_have_count(2)
    assert page.url.endswith("/admin/models?q=slow")
    page.reload()
    expect(page.locator("[data-row]")).to_have_count(2)


@pytest.mark.soak
def test_a_filter_that_matches_nothing_can_be_cleared(page: Page) -> None:
    page.get_by_role("searchbox", name="Filter by name").fill("nothing like it")
    expect(page.get_by_text(re.compile("No model matches .nothing like it"))).to_be_visible()
    page.get_by_role("button", name="Clear filter").click()
    expect(row(page, "echo")).to_be_visible()


def test_a_rescan_tells_what_it_found(page: Page, server: Server) -> None:
    with server.client() as client:
        count = len(client.get("/v1/models").json()["data"])
    page.get_by_role("button", name="Rescan").click()
    expect(page.get_by_text(f"Model folders read again: {count} models.")).to_be_visible()


@pytest.mark.parametrize(
    "tried", [(320, 860), pytest.param((390, 768, 859, 1280), marks=pytest.mark.soak)]
)
def test_the_page_never_scrolls_sideways(
    open_page: OpenPage, server: Server, tried: tuple[int, ...]
) -> None:
    have_loaded(server, "slow-load")
    page = open_page()
    widths: dict[int, int] = {}
    for width in tried:
        page.set_viewport_size({"width": width, "height": 900})
        page.reload()
        expect(row(page, "slow-load")).to_contain_text(LOADED)
        widths[width] = page.evaluate("document.documentElement.scrollWidth")
    assert widths == {width: width for width in tried}


def test_a_phone_gets_a_list_and_details_as_a_sheet(open_page: OpenPage) -> None:
    phone = open_page(width=390)
    expect(row(phone, "echo")).to_be_visible()
    expect(phone.get_by_role("table")).to_have_count(0)
    phone.get_by_role("button", name="Details of echo").click()
    sheet = phone.get_by_role("dialog", name="Details of echo")
    box = sheet.bounding_box()
    assert box is not None
    assert (box["x"], box["width"], box["y"] + box["height"]) == (0, 390, 900)
