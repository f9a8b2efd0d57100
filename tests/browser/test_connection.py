"""The page and the server's life: lost links, restarts, one stream for all tabs."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Request, expect

from mlx_gui.web.static_files import STATIC_FOLDER
from tests.browser.conftest import OpenContext
from tests.browser.visiting import LOADED, NOT_LOADED, load, row, unload_all
from tests.support.server import Server, running_server

# A closed socket is noticed at once and shown after two seconds; the rest is for a busy machine.
NOTICED_MS = 15_000
BACK_MS = 30_000


def test_a_killed_server_is_noticed_and_its_return_too(
    open_context: OpenContext, tmp_path: Path
) -> None:
    page = open_context().new_page()
    banner = page.get_by_text("Not connected to the server.")
    with running_server(tmp_path) as server:
        page.goto(server.address)
        load(page, "echo")
        page.get_by_role("searchbox", name="Filter by name").fill("o")
        expect(banner).to_be_hidden()
        server.process.kill()
        server.process.wait()
        expect(banner).to_be_visible(timeout=NOTICED_MS)
        expect(row(page, "echo")).to_contain_text(LOADED)
        expect(page.get_by_role("button", name="Unload echo")).to_be_disabled()
        expect(page.get_by_role("button", name="Rescan")).to_be_disabled()
        expect(page.get_by_text("not connected", exact=True)).to_be_visible()
        with page.expect_request("**/v1/events?*"):
            page.get_by_role("button", name="Try now").click()
        expect(banner).to_be_visible()
    port = urlsplit(server.address).port
    with running_server(tmp_path, settings={"port": port}):
        expect(banner).to_be_hidden(timeout=BACK_MS)
        expect(row(page, "echo")).to_contain_text(NOT_LOADED)
        expect(page.get_by_role("searchbox", name="Filter by name")).to_have_value("o")
        load(page, "echo")


# A browser has six connections to one server, fewer than the most tabs here.
@pytest.mark.parametrize("count", [3, pytest.param(7, marks=pytest.mark.soak)])
def test_tabs_share_one_stream_and_hand_it_on(
    open_context: OpenContext, server: Server, count: int
) -> None:
    unload_all(server)
    context = open_context()
    streams: list[Request] = []
    context.on("request", lambda r: streams.append(r) if "/v1/events" in r.url else None)
    tabs = [opened(context.new_page(), server) for _ in range(count)]
    assert len(streams) == 1
    load(tabs[-1], "echo")
    for tab in tabs:
        expect(row(tab, "echo")).to_contain_text(LOADED)

    tabs.pop(0).close()
    tabs[0].get_by_role("button", name="Unload echo").click()
    for tab in tabs:
        expect(row(tab, "echo")).to_contain_text(NOT_LOADED)
    assert len(streams) == 2


def test_a_page_that_is_older_than_the_server_asks_to_be_reloaded(
    open_context: OpenContext, server: Server
) -> None:
    build = (STATIC_FOLDER / "build.txt").read_text()
    (script,) = [each for each in STATIC_FOLDER.glob("assets/*.js") if build in each.read_text()]
    older = script.read_text().replace(build, "another build")
    page = open_context().new_page()
    # Without the header that lets the browser keep it.
    page.route(f"**/{script.name}", lambda r: r.fulfill(body=older, content_type="text/javascript"))
    page.goto(server.address)
    expect(page.get_by_text("mlx-gui was updated.")).to_be_visible()
    page.unroute(f"**/{script.name}")
    page.get_by_role("button", name="Reload").click()
    expect(row(page, "echo")).to_be_visible()
    expect(page.get_by_text("mlx-gui was updated.")).to_be_hidden()


def opened(page: Page, server: Server) -> Page:
    page.goto(server.address)
    expect(row(page, "echo")).to_be_visible()
    return page
