"""A browser on another machine: the server wants its key, of which this page is told once."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import axe
from tests.browser.conftest import OpenContext
from tests.browser.visiting import row
from tests.support.server import Server, running_server

# A proxy that nobody trusts says so; then it is not this machine that asks.
ELSEWHERE = {"x-forwarded-for": "203.0.113.9"}
BACK_MS = 60_000


def key_of(server: Server) -> str:
    return json.loads((server.data_dir / "runtime.json").read_text())["token"]


def give(page: Page, key: str) -> None:
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Continue").click()


@pytest.mark.parametrize("width", [1440, pytest.param(390, marks=pytest.mark.soak)])
def test_the_key_is_asked_for_and_what_was_refused_without_it_is_shown(
    open_context: OpenContext, server: Server, axe_source: str, width: int
) -> None:
    context = open_context(width=width)
    context.set_extra_http_headers(ELSEWHERE)
    page = context.new_page()
    page.goto(f"{server.address}/admin/models/fake/echo?tab=settings")
    question = page.get_by_role("dialog", name="This server wants a key")
    expect(question).to_be_visible()
    expect(page.get_by_text("Not connected to the server.")).to_be_hidden()
    give(page, "no such key")
    expect(question).to_contain_text("The server does not take this key.")
    assert axe(page, axe_source) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Enter the key").click()
    give(page, key_of(server))
    expect(question).to_be_hidden()
    expect(page.get_by_label("Priority", exact=True)).to_be_visible()
    assert (
        page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})").find(key_of(server))
        == -1
    )

    other = context.new_page()
    other.goto(f"{server.address}/admin/models")
    expect(row(other, "echo")).to_be_visible()


def test_a_key_that_holds_no_more_is_asked_for_over_what_was_typed(
    open_context: OpenContext, tmp_path: Path
) -> None:
    context = open_context()
    context.set_extra_http_headers(ELSEWHERE)
    page = context.new_page()
    question = page.get_by_role("dialog", name="This server wants a key")
    with running_server(tmp_path) as server:
        page.goto(f"{server.address}/admin/models/fake/echo?tab=settings")
        give(page, key_of(server))
        page.get_by_label("Priority", exact=True).fill("7")
    port = urlsplit(server.address).port
    with running_server(tmp_path, settings={"port": port}) as server:
        expect(question).to_be_visible(timeout=BACK_MS)
        give(page, key_of(server))
        expect(question).to_be_hidden()
        expect(page.get_by_label("Priority", exact=True)).to_have_value("7")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("The settings are saved.")).to_be_visible()
