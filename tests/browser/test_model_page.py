"""The page of one model: facts, memory by context, its settings and their changes, its requests."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import axe
from tests.browser.conftest import OpenPage, Theme
from tests.browser.visiting import NOT_LOADED, row, unload_all
from tests.support.server import Server

MODEL = "fake/echo"
PATH = f"/admin/models/{MODEL}"


@pytest.fixture(autouse=True)
def as_it_was(server: Server) -> None:
    unload_all(server)
    with server.client() as client:
        told = client.get(f"/v1/models/{MODEL}/settings").json()["settings"]
        own = {name: None for name, each in told.items() if each["source"] == "model"}
        if own:
            change = {"settings": own}
            client.patch(f"/v1/models/{MODEL}/settings", json=change).raise_for_status()


def field(page: Page, name: str) -> Locator:
    return page.get_by_label(name, exact=True)


def setting(server: Server, name: str) -> dict[str, object]:
    with server.client() as client:
        return client.get(f"/v1/models/{MODEL}/settings").json()["settings"][name]


def ask_once(server: Server) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    with server.client() as client:
        client.post("/v1/chat/completions", json=body).raise_for_status()


def test_the_name_of_a_model_leads_to_its_page_and_back(
    server: Server, open_page: OpenPage
) -> None:
    ask_once(server)
    page = open_page("/admin/models")
    row(page, "echo").get_by_role("link", name="echo").click()
    expect(page.get_by_role("heading", level=1, name="echo")).to_be_focused()
    expect(page).to_have_title(re.compile("echo"))
    facts = page.get_by_role("region", name="Facts")
    expect(facts).to_contain_text("answers conversations")
    expect(facts).to_contain_text(re.compile(r"Made for a context of\s*[\d,]+ tokens"))
    figures = page.get_by_role("region", name="Last 30 days")
    expect(figures).to_contain_text(re.compile(r"Requests\s*\d"))
    page.reload()
    expect(facts).to_be_visible()
    page.get_by_role("link", name="Installed models").click()
    expect(page.get_by_role("heading", level=1, name="Installed models")).to_be_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type("page of echo")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="echo")).to_be_visible()


def test_it_is_loaded_and_unloaded_from_there(open_page: OpenPage) -> None:
    page = open_page(PATH)
    page.get_by_role("button", name="Load echo").click()
    expect(page.get_by_role("main")).to_contain_text("Loaded")
    page.get_by_role("button", name="Unload echo").click()
    expect(page.get_by_role("main")).to_contain_text(NOT_LOADED)


def test_memory_is_told_for_each_context_as_the_plan_says(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{PATH}?tab=memory")
    rows = page.get_by_role("table").get_by_role("row")
    expect(rows).not_to_have_count(1)
    with server.client() as client:
        longest = client.get(f"/v1/models/{MODEL}").json()["context_length"]
        plan = client.post(f"/v1/models/{MODEL}/plan", json={"context": longest}).json()
    shown = rows.last.inner_text()
    assert f"{longest // 1024}K" in shown
    assert f"{plan['needs']['total_bytes'] / 1e9:.1f} GB" in shown
    expect(rows.last).to_contain_text("Fits")


def test_settings_are_changed_reset_and_discarded_with_their_source(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{PATH}?tab=settings")
    field(page, "priority").fill("3")
    field(page, "pinned").check()
    expect(page.get_by_text("2 changes.")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The settings are saved.")).to_be_visible()
    told = setting(server, "priority")
    assert (told["value"], told["source"]) == (3, "model")
    assert setting(server, "pinned")["value"] is True
    field(page, "temperature").fill("0.5")
    expect(page.get_by_text("1 change, 1 from the next load on.")).to_be_visible()
    page.get_by_role("button", name="Discard").click()
    expect(field(page, "temperature")).to_have_value("")
    page.get_by_role("button", name="Reset priority").click()
    expect(field(page, "priority")).to_have_value("0")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Reset priority")).to_have_count(0)
    assert setting(server, "priority")["source"] == "default"


def test_what_does_not_fit_is_said_and_nothing_that_was_typed_is_lost(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{PATH}?tab=settings")
    field(page, "slots").fill("many")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("This is no number.")).to_be_visible()
    field(page, "slots").fill("99999")
    field(page, "template_arguments").fill('{"name": "<img src=x onerror=alert(1)>"}')
    page.get_by_role("button", name="Save").click()
    expect(
        page.get_by_role("alert").filter(has_text="The settings were not saved")
    ).to_contain_text("slots")
    expect(field(page, "slots")).to_have_value("99999")
    expect(field(page, "template_arguments")).to_have_value(re.compile("onerror"))
    assert setting(server, "slots")["source"] != "model"
    field(page, "slots").fill("2")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The settings are saved.")).to_be_visible()
    assert setting(server, "slots")["value"] == 2


def test_its_requests_are_listed_the_newest_first(server: Server, open_page: OpenPage) -> None:
    ask_once(server)
    page = open_page(f"{PATH}?tab=requests")
    first = page.get_by_role("table").get_by_role("row").nth(1)
    expect(first).to_contain_text("finished")
    expect(first).to_contain_text("/v1/chat/completions")
    expect(first).to_contain_text("python-httpx")


@pytest.mark.parametrize(
    "name",
    ["org/none", "Qwen2.5-0.5B.gguf", '"><script>alert(1)</script>', "%E0%A4%A"],
)
def test_a_model_that_is_not_there_is_told_whatever_its_name(
    server: Server, open_page: OpenPage, name: str
) -> None:
    page = open_page(f"/admin/models/{quote(name)}")
    expect(page.get_by_text("is installed.")).to_be_visible()
    page.get_by_role("link", name="Installed models").click()
    expect(page.get_by_role("heading", level=1, name="Installed models")).to_be_visible()


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    server: Server, open_page: OpenPage, axe_source: str, width: int, theme: Theme
) -> None:
    ask_once(server)
    page = open_page(f"{PATH}?tab=settings", width=width, theme=theme)
    field(page, "priority").fill("3")
    expect(page.get_by_text("1 change.")).to_be_visible()
    assert axe(page, axe_source) == []
    page.set_viewport_size({"width": 320, "height": 900})
    for part in ("Overview", "Memory", "Settings", "Requests"):
        page.get_by_role("radio", name=part).check(force=True)
        expect(page.get_by_role("main").get_by_role("region").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_its_speed_is_measured_while_one_looks_and_kept(open_page: OpenPage) -> None:
    page = open_page(PATH)
    page.get_by_text("Speed", exact=True).click()
    panel = page.get_by_role("region", name="How fast it is here")
    panel.get_by_role("button", name="Measure").click()
    rows = panel.get_by_role("row")
    expect(rows).to_have_count(5, timeout=120_000)
    expect(panel.get_by_role("button", name="Measure")).to_be_enabled()
    expect(rows.last).to_contain_text(re.compile(r"4,096 tokens\s*4"))
    expect(rows.last).to_contain_text(re.compile(r"tok/s.*tok/s|context", re.DOTALL))
    page.reload()
    expect(rows).to_have_count(5)


def test_a_model_that_writes_nothing_has_no_speed(open_page: OpenPage) -> None:
    page = open_page("/admin/models/fake/embedding")
    expect(page.get_by_role("radio", name="Overview")).to_be_visible()
    expect(page.get_by_role("radio", name="Speed")).to_have_count(0)
