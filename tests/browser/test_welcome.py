"""The first visit: what the machine is, what suits it, and the way from nothing to an answer."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import axe, looks
from tests.browser.conftest import OpenPage
from tests.browser.hub_visiting import House, house
from tests.browser.pages import Theme
from tests.hub.faults import Fault
from tests.process.pulling import repo_folder
from tests.support.server import Server
from tests.zoo.cache import checkpoint

PATH = "/admin/welcome"
TINY = "Qwen3-tiny-trained"
SLOW = 400_000
HERE_MS = 60_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A hub that has what this machine is advised to begin with."""
    folder = tmp_path_factory.mktemp("home")
    with house(folder, {"max_context_tokens": 256}) as opened:
        for kind, starter in advised(opened.server).items():
            chats = kind == "text"
            source = checkpoint(TINY) if chats else repo_folder(folder / kind)
            opened.hub.add(starter, source, tags=("mlx",))
        yield opened


def advised(server: Server) -> dict[str, str]:
    """The ids of the starters for this machine, by kind."""
    with server.client() as client:
        starters: list[dict[str, Any]] = client.get("/v1/discover/starters").json()["data"]
    return {
        each["kind"]: each["id"] for each in starters if each["chosen"] and not each["embedded"]
    }


def asked_for(server: Server) -> set[str]:
    """The ids of those advised whose licence has terms of its own, which somebody has to accept."""
    with server.client() as client:
        starters: list[dict[str, Any]] = client.get("/v1/discover/starters").json()["data"]
    terms = {each["id"] for each in starters if each["license_class"] in ("terms", "noncommercial")}
    return terms & set(advised(server).values())


@pytest.fixture(scope="module")
def server(home: House) -> Server:
    return home.server


@pytest.fixture(autouse=True)
def nothing_here(home: House) -> None:
    home.clear()


def test_whoever_has_no_model_comes_here_and_is_told_what_the_machine_is(
    open_page: OpenPage, server: Server
) -> None:
    page = open_page("/admin/")
    expect(page.get_by_role("heading", level=1, name="Welcome")).to_be_visible()
    assert page.url.endswith(PATH)
    expect(page.get_by_role("link", name="Welcome")).to_have_attribute("aria-current", "page")
    told = re.compile(r"GB memory, about .+ usable for models, .+ free on disk\.")
    expect(page.get_by_text(told)).to_be_visible()
    start = page.get_by_role("region", name="Start with this")
    expect(start).to_contain_text(name_of(advised(server)["text"]))
    expect(start).to_contain_text("Fits")
    useful = page.get_by_role("region", name="Also useful")
    for kind, starter in advised(server).items():
        if kind != "text":
            expect(useful).to_contain_text(name_of(starter))
    expect(page.get_by_text(f"{server.address}/v1")).to_be_visible()


def test_whoever_wants_the_api_is_told_how_other_devices_reach_it_or_why_not(
    open_page: OpenPage, server: Server
) -> None:
    with server.client() as client:
        told = client.get("/v1/system/addresses").json()
    page = open_page(PATH)
    section = page.get_by_role("region", name="Only need the API?")
    expect(section).to_contain_text(told["reason"])
    expect(section).to_contain_text(told["hint"].replace("`", ""))
    elsewhere = {"url": "http://192.0.2.7:8000", "kind": "network", "interface": "en0"}
    other = {**elsewhere, "key_needed": True}
    answer = {**told, "addresses": [*told["addresses"], other], "reason": None, "hint": None}
    page.route("**/v1/system/addresses", lambda route: route.fulfill(json=answer))
    page.reload()
    expect(section).to_contain_text("http://192.0.2.7:8000/v1")
    expect(section).to_contain_text("Over en0. Needs the server's key.")
    page.unroute("**/v1/system/addresses")
    page.route("**/v1/system/addresses", lambda route: route.abort())
    page.reload()
    expect(section.get_by_role("alert")).to_contain_text("The addresses were not read.")
    page.unroute("**/v1/system/addresses")
    section.get_by_role("button", name="Try again").click()
    expect(section).to_contain_text(told["reason"])
    section.get_by_role("link", name="Settings of the server").click()
    expect(page.get_by_role("heading", level=1, name="Settings")).to_be_focused()


def test_one_click_brings_the_first_model_and_its_steps_are_ticked(
    open_page: OpenPage, home: House
) -> None:
    starter = advised(home.server)["text"]
    home.limit(SLOW)
    page = open_page(PATH)
    start = page.get_by_role("region", name="Start with this")
    start.get_by_role("button", name=f"Install {name_of(starter)}").click()
    if starter in asked_for(home.server):
        page.get_by_role("button", name="Accept and install").click()
    expect(start.get_by_role("progressbar")).to_be_visible()
    expect(start).to_contain_text(re.compile(r"\d of [\d.]+ [kM]B"))
    start.get_by_role("button", name="Pause the download").click()
    expect(start).to_contain_text("Paused")
    start.get_by_role("button", name="Resume the download").click()
    steps = page.get_by_role("region", name="First steps").get_by_role("listitem")
    expect(steps.nth(0)).to_have_attribute("aria-current", "step")
    home.limit(0)
    expect(start).to_contain_text("It is loaded, and answers.", timeout=HERE_MS)
    expect(steps.nth(2)).to_have_attribute("aria-current", "step")
    body = {"model": starter, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    with home.server.client() as client:
        client.post("/v1/chat/completions", json=body).raise_for_status()
    start.get_by_role("link", name="Ask it").click()
    expect(page.get_by_role("combobox", name="Model")).to_have_value(starter)
    expect(page.get_by_role("link", name="Welcome")).to_have_count(0)


@pytest.mark.soak
def test_the_first_model_comes_and_is_asked_by_the_keyboard_alone(
    open_page: OpenPage, home: House
) -> None:
    starter = advised(home.server)["text"]
    page = open_page(PATH)
    start = page.get_by_role("region", name="Start with this")
    press(page, start.get_by_role("button", name=f"Install {name_of(starter)}"))
    if starter in asked_for(home.server):
        press(page, page.get_by_role("button", name="Accept and install"))
    expect(start).to_contain_text("It is loaded, and answers.", timeout=HERE_MS)
    press(page, start.get_by_role("link", name="Ask it"))
    expect(page.get_by_role("combobox", name="Model")).to_have_value(starter)


def press(page: Page, wanted: Locator) -> None:
    """Goes there by the Tab key, and presses Enter."""
    expect(wanted).to_be_visible()
    for _ in range(100):
        page.keyboard.press("Tab")
        if wanted.evaluate("(element) => element === document.activeElement"):
            return page.keyboard.press("Enter")
    raise AssertionError(f"the Tab key does not lead to {wanted}")


@pytest.mark.soak
def test_another_model_is_chosen_and_stands_in_the_address(open_page: OpenPage) -> None:
    page = open_page(PATH)
    choice = page.get_by_role("combobox", name="Model to start with")
    expect(choice).to_be_visible()
    values = choice.locator("option").evaluate_all("all => all.map(each => each.value)")
    other = next(each for each in values if each != choice.input_value())
    choice.select_option(other)
    start = page.get_by_role("region", name="Start with this")
    expect(start.get_by_role("heading", name=name_of(other))).to_be_visible()
    page.reload()
    expect(start.get_by_role("heading", name=name_of(other))).to_be_visible()


@pytest.mark.soak
def test_all_that_is_useful_comes_by_one_click(open_page: OpenPage, home: House) -> None:
    page = open_page(PATH)
    useful = page.get_by_role("region", name="Also useful")
    useful.get_by_role("button", name="Install all").click()
    asked = asked_for(home.server) - {advised(home.server)["text"]}
    for starter in asked:
        expect(page.get_by_role("dialog")).to_contain_text(starter)
    if asked:
        page.get_by_role("button", name="Accept and install all").click()
    count = len(advised(home.server)) - 1
    expect(useful.get_by_role("link", name=re.compile("among the installed models"))).to_have_count(
        count, timeout=HERE_MS
    )


def test_a_hub_that_does_not_answer_is_said_and_other_ways_are_there(
    open_page: OpenPage, home: House
) -> None:
    home.hub.fault("*", Fault("status", where="api", status=500, times=None))
    page = open_page(PATH)
    start = page.get_by_role("region", name="Start with this")
    start.get_by_role("button", name=re.compile("^Install ")).click()
    if advised(home.server)["text"] in asked_for(home.server):
        page.get_by_role("button", name="Accept and install").click()
    expect(page.get_by_role("alert").filter(has_text="is not installed")).to_be_visible()
    have = page.get_by_role("region", name="Already have models?")
    have.get_by_role("button", name="Import folder").click()
    expect(page.get_by_role("dialog", name="Import a model")).to_be_visible()
    page.keyboard.press("Escape")
    have.get_by_role("link", name="Use other folders").click()
    expect(page.get_by_role("heading", level=1, name="Settings")).to_be_focused()


@pytest.mark.soak
def test_an_offline_server_says_so_and_where_that_is_changed(
    open_page: OpenPage, server: Server
) -> None:
    page = open_page(PATH)
    expect(page.get_by_role("region", name="Start with this")).to_be_visible()
    offline(server, offline=True)
    try:
        expect(page.get_by_text("The server is offline by its settings")).to_be_visible()
        page.get_by_role("link", name="Change that").click()
        expect(page.get_by_label("Offline", exact=True)).to_be_checked()
    finally:
        offline(server, offline=False)


def test_the_page_stays_reachable_and_the_empty_list_leads_here(open_page: OpenPage) -> None:
    page = open_page("/admin/models")
    page.get_by_role("link", name="Find the first one").click()
    expect(page.get_by_role("heading", level=1, name="Welcome")).to_be_focused()
    page.get_by_role("link", name="Discover", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Discover")).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("h")
    expect(page.get_by_role("heading", level=1, name="Welcome")).to_be_focused()


@looks(390, "dark")
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    open_page: OpenPage, axe_source: str, width: int, theme: Theme
) -> None:
    page = open_page(PATH, width=width, theme=theme)
    expect(page.get_by_role("region", name="Also useful")).to_be_visible()
    assert axe(page, axe_source) == []
    page.set_viewport_size({"width": 320, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def name_of(model_id: str) -> str:
    return model_id.split("/")[-1]


def offline(server: Server, *, offline: bool) -> None:
    with server.client() as client:
        change = {"settings": {"offline": offline}}
        client.patch("/v1/settings", json=change).raise_for_status()
