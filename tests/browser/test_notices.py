"""The bell: what the server does by itself, and the way back from an eviction."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import axe
from tests.browser.conftest import OpenContext, OpenPage
from tests.browser.visiting import LOADED, row, unload_all
from tests.support.server import Server, running_server

MESSAGES_STAY = """
const soon = window.setTimeout;
window.setTimeout = (act, ms, ...more) => soon(act, ms === 10_000 ? 1e9 : ms, ...more);
"""
"""A message goes by itself, and a machine may stall for as long as it stays."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that holds one model at a time."""
    folder = tmp_path_factory.mktemp("server")
    with running_server(folder, settings={"max_loaded_models": 1}) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_told(server: Server) -> None:
    unload_all(server)
    with server.client() as client:
        client.delete("/v1/notices").raise_for_status()


def evict(server: Server, name: str, *, by: str) -> None:
    """A request of a client named codex pushes one model out of memory for another."""
    body = {"model": f"fake/{by}", "messages": [{"role": "user", "content": "Hi"}]}
    with server.client() as client:
        client.post(f"/v1/models/fake/{name}/load").raise_for_status()
        headers = {"user-agent": "codex/1.0"}
        client.post("/v1/chat/completions", json=body, headers=headers).raise_for_status()


def fail(server: Server) -> None:
    with server.client() as client:
        client.post("/v1/models/fake/broken/load")


def bell(page: Page, name: str = "Notices") -> None:
    """Opens the list by the bell of that name."""
    page.get_by_role("button", name=name, exact=True).click()


def test_an_eviction_by_a_request_is_told_and_taken_back(page: Page, server: Server) -> None:
    expect(row(page, "echo")).to_be_visible()
    evict(server, "echo", by="agent")
    expect(row(page, "agent")).to_contain_text(LOADED)
    row(page, "echo").get_by_role("button", name="Why?").click()
    why = page.get_by_role("dialog", name="Not loaded")
    expect(why).to_contain_text("to make room for agent: idle for")
    page.keyboard.press("Escape")
    bell(page, "Notices, 1 new")
    told = (
        page.get_by_role("dialog", name="Notices")
        .get_by_role("listitem")
        .filter(has_text="Unloaded echo to make room for agent.")
    )
    expect(told).to_contain_text("asked for by codex/1.0")
    told.get_by_role("button", name="Undo").click()
    expect(told).to_contain_text("Taken back")
    expect(row(page, "echo")).to_contain_text(LOADED)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Notices", exact=True)).to_be_visible()


@pytest.mark.soak
def test_the_undo_of_the_message_is_enough(open_context: OpenContext, server: Server) -> None:
    page = open_context().new_page()
    page.add_init_script(MESSAGES_STAY)
    page.goto(f"{server.address}/admin/")
    expect(row(page, "echo")).to_be_visible()
    evict(server, "echo", by="agent")
    message = page.get_by_role("status").filter(has_text="Unloaded echo to make room for agent.")
    message.get_by_role("button", name="Undo").click()
    expect(row(page, "echo")).to_contain_text(LOADED)
    expect(page.get_by_text("Loading echo again.")).to_be_visible()


def test_what_cannot_be_taken_back_says_why(page: Page, server: Server) -> None:
    expect(row(page, "echo")).to_be_visible()
    evict(server, "echo", by="agent")
    with server.client() as client:
        pin = {"settings": {"pinned": True}}
        client.patch("/v1/models/fake/agent/settings", json=pin).raise_for_status()
        try:
            bell(page, "Notices, 1 new")
            told = page.get_by_role("dialog", name="Notices").get_by_role("listitem")
            told.get_by_role("button", name="Undo").click()
            expect(page.get_by_role("alert")).to_contain_text("Not taken back: ")
            expect(page.get_by_role("alert")).to_contain_text("pinned: fake/agent")
        finally:
            client.patch("/v1/models/fake/agent/settings", json={"settings": {"pinned": False}})


def test_what_is_dismissed_here_is_gone_there(
    open_page: OpenPage, open_context: OpenContext, server: Server
) -> None:
    here, there = open_page(), open_page("/admin/downloads", width=390, theme="dark")
    expect(row(here, "echo")).to_be_visible()
    fail(server)
    for page in (here, there):
        expect(page.get_by_role("button", name="Notices, 1 new")).to_be_visible()
    here.keyboard.press("g")
    here.keyboard.press("b")
    bell(there, "Notices, 1 new")
    lists = [page.get_by_role("dialog", name="Notices") for page in (here, there)]
    for each in lists:
        expect(each.get_by_role("listitem")).to_contain_text("broken failed: ")
    lists[0].get_by_role("button", name="Dismiss: ").click()
    expect(lists[0]).to_contain_text("Nothing to tell.")
    expect(lists[1]).to_contain_text("Nothing to tell.")


@pytest.mark.soak
def test_what_was_seen_is_not_new_after_a_reload(page: Page, server: Server) -> None:
    fail(server)
    bell(page, "Notices, 1 new")
    expect(page.get_by_role("dialog", name="Notices").get_by_role("listitem")).to_have_count(1)
    page.reload()
    expect(row(page, "echo")).to_be_visible()
    bell(page)
    page.get_by_role("button", name="Dismiss all").click()
    expect(page.get_by_role("dialog", name="Notices")).to_contain_text("Nothing to tell.")


def test_the_list_is_clean_in_german_on_a_phone(
    open_context: OpenContext, server: Server, axe_source: str
) -> None:
    page = open_context(width=390, theme="dark", locale="de").new_page()
    page.goto(f"{server.address}/admin/")
    expect(row(page, "echo")).to_be_visible()
    fail(server)
    evict(server, "echo", by="agent")
    bell(page, "Meldungen, 2 neu")
    entries = page.get_by_role("dialog", name="Meldungen").get_by_role("listitem")
    expect(entries.first).to_contain_text("echo entladen, um Platz für agent zu machen.")
    expect(entries.last).to_contain_text("broken ist fehlgeschlagen: ")
    assert axe(page, axe_source) == []
    sideways = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(sideways) == 0
