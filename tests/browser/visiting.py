"""What a person finds on the page of installed models."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from playwright.sync_api import Locator, Page, expect

from tests.support.server import Server

LOADED = "Loaded"
NOT_LOADED = "Not loaded"


def row(page: Page, name: str) -> Locator:
    """The row of `fake/{name}`, in the table or in the phone's list."""
    return page.locator("[data-row]").filter(has=page.get_by_text(name, exact=True))


def load_button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=f"Load {name}", exact=True)


def load(page: Page, name: str) -> None:
    """Clicks Load; returns when the model is loaded."""
    load_button(page, name).click()
    expect(row(page, name)).to_contain_text(LOADED)


def have_loaded(server: Server, *names: str) -> None:
    """Has those models of the fake engine in memory, in that order, without any page."""
    with server.client() as client:
        for name in names:
            client.post(f"/v1/models/fake/{name}/load").raise_for_status()


def unload_all(server: Server) -> None:
    """Nothing in memory, and no failure remembered."""
    with server.client() as client:
        for model in client.get("/v1/models").json()["data"]:
            if model["state"] != "not_loaded":
                client.post(f"/v1/models/{model['id']}/unload?force=true").raise_for_status()


def pin(server: Server, name: str, *, pinned: bool) -> None:
    """Sets or takes the pin of `fake/{name}`."""
    change = {"settings": {"pinned": pinned}}
    with server.client() as client:
        client.patch(f"/v1/models/fake/{name}/settings", json=change).raise_for_status()


@contextmanager
def endless_answer(server: Server, model: str) -> Iterator[httpx.Response]:
    """A stream that goes on until the block ends or the server breaks it off."""
    script = '{"fake": {"text": "tick", "repeat": 2000, "delay_ms": 20}}'
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": script}]}
    with server.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as it:
        it.raise_for_status()
        yield it
