"""The load plan: before a load that evicts, is tight or does not fit; held to, or made anew."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import axe, looks
from tests.browser.conftest import OpenContext, OpenPage
from tests.browser.pages import Theme
from tests.browser.visiting import (
    LOADED,
    NOT_LOADED,
    have_loaded,
    load,
    load_button,
    pin,
    row,
    unload_all,
)
from tests.support.server import Server, running_server

MOST_MODELS = 2
# A model of the fake engine needs 165 MB without any context. The first has all that it wants of
# this, and the second then only a short context.
LITTLE_MORE_BYTES = 720_000_000
LITTLE_BYTES = 170_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two models fit, whatever their size."""
    folder = tmp_path_factory.mktemp("server")
    with running_server(folder, settings={"max_loaded_models": MOST_MODELS}) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_loaded(server: Server) -> None:
    for name in ("echo", "slow"):
        pin(server, name, pinned=False)
    unload_all(server)


def plan_of(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=f"Load plan of {name}")


def ask_for_third(page: Page, server: Server) -> Locator:
    """The plan of `agent`, for which `echo` has to go."""
    have_loaded(server, "echo", "slow")
    for name in ("echo", "slow"):
        expect(row(page, name)).to_contain_text(LOADED)
    load_button(page, "agent").click()
    plan = plan_of(page, "agent")
    expect(plan).to_be_visible()
    return plan


def test_a_load_that_simply_fits_shows_no_plan(page: Page) -> None:
    load(page, "echo")
    expect(plan_of(page, "echo")).to_have_count(0)


@pytest.mark.parametrize(
    ("width", "theme"), [(1440, "light"), pytest.param(390, "dark", marks=pytest.mark.soak)]
)
def test_a_load_that_evicts_names_who_leaves_and_who_stays(
    open_page: OpenPage, server: Server, width: int, theme: Theme
) -> None:
    page = open_page(width=width, theme=theme)
    plan = ask_for_third(page, server)
    expect(plan.get_by_role("heading")).to_be_focused()
    expect(plan.get_by_role("heading")).to_be_in_viewport()
    expect(plan).to_contain_text(re.compile(r"Loading agent needs [\d.]+ [GM]B\."))
    expect(plan).to_contain_text("Fits after unloading")
    expect(plan).to_contain_text("1 model is unloaded first:")
    expect(plan.get_by_role("listitem").filter(has_text="echo frees")).to_contain_text("idle for")
    expect(plan.get_by_role("listitem").filter(has_text="slow")).to_contain_text("room beside it")
    memory = page.get_by_role("region", name="Memory")
    expect(memory.get_by_text("After loading agent")).to_be_visible()
    leaving = memory.get_by_role("listitem").filter(has_text="would unload")
    expect(leaving).to_have_count(1)
    expect(leaving).to_contain_text("echo")

    plan.get_by_role("button", name="Unload 1 and load").click()
    expect(row(page, "agent")).to_contain_text(LOADED)
    expect(row(page, "echo")).to_contain_text(NOT_LOADED)
    expect(row(page, "slow")).to_contain_text(LOADED)
    expect(plan).to_have_count(0)
    page.get_by_role("button", name="Details of echo").click()
    details = page.get_by_role("dialog", name="Details of echo")
    expect(details).to_contain_text("made room for fake/agent")


@pytest.mark.parametrize("way", ["key", pytest.param("button", marks=pytest.mark.soak)])
def test_a_cancelled_plan_changes_nothing(page: Page, server: Server, way: str) -> None:
    plan = ask_for_third(page, server)
    before = standing(server)
    if way == "button":
        plan.get_by_role("button", name="Cancel").click()
    else:
        page.keyboard.press("Escape")
    expect(plan).to_have_count(0)
    expect(load_button(page, "agent")).to_be_focused()
    expect(row(page, "agent")).to_contain_text(NOT_LOADED)
    assert standing(server) == before


def test_a_plan_that_no_longer_holds_is_shown_anew(page: Page, server: Server) -> None:
    plan = ask_for_third(page, server)
    use(server, "echo")
    plan.get_by_role("button", name="Unload 1 and load").click()
    expect(plan).to_contain_text("The memory has changed since you looked.")
    expect(plan.get_by_role("listitem").filter(has_text="slow frees")).to_be_visible()
    expect(plan.get_by_role("heading")).to_be_focused()
    assert {name for name, *_ in standing(server)} == {"fake/echo", "fake/slow"}

    plan.get_by_role("button", name="Unload 1 and load").click()
    expect(row(page, "agent")).to_contain_text(LOADED)
    expect(row(page, "slow")).to_contain_text(NOT_LOADED)
    expect(row(page, "echo")).to_contain_text(LOADED)


@pytest.mark.soak
def test_a_plan_that_became_simple_is_done_at_once(page: Page, server: Server) -> None:
    plan = ask_for_third(page, server)
    unload_all(server)
    plan.get_by_role("button", name="Unload 1 and load").click()
    expect(row(page, "agent")).to_contain_text(LOADED)
    expect(plan).to_have_count(0)


@pytest.mark.soak
def test_a_plan_goes_when_somebody_else_loads_the_model(page: Page, server: Server) -> None:
    plan = ask_for_third(page, server)
    have_loaded(server, "agent")
    expect(row(page, "agent")).to_contain_text(LOADED)
    expect(plan).to_have_count(0)


@pytest.mark.soak
def test_the_plan_is_shown_to_who_loads_from_the_palette_elsewhere(
    open_page: OpenPage, server: Server
) -> None:
    have_loaded(server, "echo", "slow")
    other = open_page("/admin/nothing")
    expect(other.get_by_role("heading", level=1)).to_be_visible()
    other.keyboard.press("Control+k")
    other.keyboard.type("load agent")
    expect(other.get_by_role("option", name="Load agent")).to_be_visible()
    other.keyboard.press("Enter")
    expect(plan_of(other, "agent")).to_be_visible()


def test_a_load_beside_pinned_models_tells_that_it_does_not_fit_and_unpins_one(
    page: Page, server: Server
) -> None:
    have_loaded(server, "echo", "slow")
    for name in ("echo", "slow"):
        pin(server, name, pinned=True)
        expect(row(page, name).get_by_role("img", name="pinned")).to_be_visible()
    load_button(page, "agent").click()
    plan = plan_of(page, "agent")
    expect(plan).to_contain_text("Does not fit")
    expect(plan).to_contain_text("these are pinned: fake/echo, fake/slow")
    expect(plan.get_by_role("button", name="Unload")).to_have_count(0)
    plan.get_by_role("button", name="Unpin slow", exact=True).click()
    expect(plan).to_contain_text("Fits after unloading")
    expect(plan.get_by_role("listitem").filter(has_text="echo")).to_contain_text("pinned")
    plan.get_by_role("button", name="Unload 1 and load").click()
    expect(row(page, "agent")).to_contain_text(LOADED)


@pytest.mark.soak
def test_a_shorter_context_may_fit_where_the_whole_one_does_not(
    open_context: OpenContext, tmp_path: Path
) -> None:
    with running_server(tmp_path, settings={"memory_limit_bytes": LITTLE_MORE_BYTES}) as server:
        page = open_context().new_page()
        page.goto(server.address)
        load(page, "echo")
        pin(server, "echo", pinned=True)
        load_button(page, "slow").click()
        plan = plan_of(page, "slow")
        expect(plan).to_contain_text("Does not fit")
        expect(plan).to_contain_text("are left beside what is pinned: fake/echo")
        expect(plan.get_by_role("button", name="Unpin echo")).to_be_visible()
        slider = plan.get_by_role("slider")
        expect(slider).to_have_attribute("aria-valuetext", "4,096 tokens")
        slider.press("Home")
        expect(slider).to_have_attribute("aria-valuetext", "64 tokens")
        expect(plan.get_by_text("Fits", exact=True)).to_be_visible()
        plan.get_by_role("button", name="Load", exact=True).click()
        expect(row(page, "slow")).to_contain_text(LOADED)
        expect(row(page, "echo")).to_contain_text(LOADED)
        assert context_of(server, "fake/slow") == 64


def test_a_tight_load_offers_the_most_that_fits(open_context: OpenContext, tmp_path: Path) -> None:
    with running_server(tmp_path, settings={"memory_limit_bytes": LITTLE_BYTES}) as server:
        page = open_context().new_page()
        page.goto(server.address)
        expect(row(page, "echo")).to_be_visible()
        load_button(page, "echo").click()
        plan = plan_of(page, "echo")
        expect(plan.get_by_text("Tight", exact=True)).to_be_visible()
        expect(plan).to_contain_text("4096 do not fit")
        offer = plan.get_by_role("button", name="the most that fits")
        most = re.sub(r"\D", "", offer.inner_text())
        offer.click()
        expect(plan).not_to_contain_text("4096 do not fit")
        plan.get_by_role("button", name="Load", exact=True).click()
        expect(row(page, "echo")).to_contain_text(LOADED)
        assert str(context_of(server, "fake/echo")) == most


@looks(390, "dark")
def test_axe_finds_nothing_on_a_plan(
    open_page: OpenPage, server: Server, axe_source: str, width: int, theme: Theme
) -> None:
    page = open_page(width=width, theme=theme)
    plan = ask_for_third(page, server)
    assert axe(page, axe_source) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    plan.get_by_role("button", name="Cancel").click()
    for name in ("echo", "slow"):
        pin(server, name, pinned=True)
    load_button(page, "agent").click()
    expect(plan).to_contain_text("Does not fit")
    assert axe(page, axe_source) == []


def use(server: Server, name: str) -> None:
    """Asks the model something, so that it is the one that was used last."""
    body = {"model": f"fake/{name}", "messages": [{"role": "user", "content": "Hi"}]}
    with server.client() as client:
        client.post("/v1/chat/completions", json=body).raise_for_status()


def standing(server: Server) -> list[tuple[str, str, int]]:
    """What is in memory, with its state and how often it was loaded."""
    with server.client() as client:
        models = client.get("/v1/manager/status").json()["loaded_models"]
    return sorted((each["id"], each["state"], each["loads"]) for each in models)


def context_of(server: Server, model: str) -> int:
    with server.client() as client:
        models = client.get("/v1/manager/status").json()["loaded_models"]
    return next(each["context"] for each in models if each["id"] == model)
