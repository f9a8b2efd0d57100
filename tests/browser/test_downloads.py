"""The page of downloads: what it shows is what is on the disk, and what it offers is done."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import axe, looks
from tests.browser.conftest import OpenContext, OpenPage
from tests.browser.hub_visiting import MB, House, download_row, house
from tests.browser.pages import Theme
from tests.hub.faults import Fault
from tests.hub.server import HubServer
from tests.process.pulling import left_behind, repo_folder, settings_of
from tests.support.server import Server, running_server

SLOW = 400_000
PATH = "/admin/downloads"
BACK_MS = 60_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("home")
    with house(folder, {"downloads_at_once": 1}) as opened:
        for name in ("first", "second", "third"):
            source = repo_folder(folder / "sources" / name, shards=2, shard_bytes=2 * MB)
            opened.hub.add(f"org/{name}", source)
        yield opened


@pytest.fixture(scope="module")
def server(home: House) -> Server:
    return home.server


@pytest.fixture(autouse=True)
def nothing_downloads(home: House) -> None:
    home.clear()


def test_without_downloads_the_page_says_where_to_begin(open_page: OpenPage) -> None:
    page = open_page(PATH)
    expect(page.get_by_role("heading", level=1, name="Downloads")).to_be_visible()
    expect(page.get_by_text("Nothing has been downloaded yet.")).to_be_visible()
    expect(page.get_by_text(re.compile(r"free on disk"))).to_be_visible()
    expect(page.get_by_role("link", name="Find a model")).to_be_visible()


def test_a_download_shows_bytes_that_are_there_and_ends_installed(
    home: House, open_page: OpenPage
) -> None:
    page, phone = open_page(PATH), open_page(PATH, width=390, theme="dark")
    home.limit(SLOW)
    home.install("org/first")
    row = download_row(page, "org/first")
    expect(row).to_contain_text(re.compile(r"[1-9][\d.]* of 4\.2 MB"))
    expect(row.get_by_role("progressbar")).to_be_visible()
    expect(row).to_contain_text(re.compile(r"[kM]B/s"))
    expect(download_row(phone, "org/first")).to_contain_text(re.compile(r"of 4\.2 MB"))
    expect(page.get_by_role("link", name=re.compile("Downloads.*1 on their way"))).to_be_visible()
    home.limit(0)
    expect(row).to_contain_text("Installed")
    expect(row.get_by_role("progressbar")).to_have_count(0)
    row.get_by_role("link", name="Show org/first among the installed models").click()
    expect(page.get_by_role("heading", level=1, name="Installed models")).to_be_visible()
    expect(page.locator("[data-row='org/first']")).to_be_visible()


def test_a_download_rests_goes_on_and_its_cancelling_can_be_taken_back(
    home: House, open_page: OpenPage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home.limit(SLOW)
    page = open_page(PATH)
    home.install("org/second")
    row = download_row(page, "org/second")
    expect(row).to_contain_text(re.compile(r"[1-9][\d.]* of 4\.2 MB"))
    row.get_by_role("button", name="Pause the download of org/second").click()
    expect(row).to_contain_text("Paused")
    row.get_by_role("button", name="Cancel the download of org/second").click()
    expect(row).to_have_count(0)
    toast = page.get_by_role("status").filter(has_text="org/second is cancelled")
    toast.get_by_role("button", name="Undo").click()
    expect(row).to_contain_text("Paused")
    row.get_by_role("button", name="Resume the download of org/second").click()
    expect(row).to_contain_text(re.compile(r"left"))
    row.get_by_role("button", name="Cancel the download of org/second").click()
    toast.get_by_role("button", name="Dismiss").click()
    expect(download_row(page, "org/second")).to_contain_text("Cancelled")
    row.get_by_role("button", name="Remove org/second from the history").click()
    expect(row).to_have_count(0)
    page.get_by_role("status").get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("Nothing has been downloaded yet.")).to_be_visible()


@pytest.mark.soak
def test_leaving_the_page_ends_what_was_cancelled(home: House, open_page: OpenPage) -> None:
    home.limit(SLOW)
    page, other = open_page(PATH), open_page(PATH)
    home.install("org/third")
    name = "Cancel the download of org/third"
    download_row(page, "org/third").get_by_role("button", name=name).click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page.goto("about:blank")
    expect(download_row(other, "org/third")).to_contain_text("Cancelled")


def test_what_waits_is_put_into_another_order(home: House, open_page: OpenPage) -> None:
    home.limit(SLOW)
    page = open_page(PATH)
    for name in ("first", "second", "third"):
        home.install(f"org/{name}")
    waiting = page.get_by_role("region", name="Waiting").get_by_role("listitem")
    expect(waiting).to_have_text([re.compile("org/second"), re.compile("org/third")])
    page.get_by_role("button", name="Move org/third up").click()
    expect(waiting).to_have_text([re.compile("org/third"), re.compile("org/second")])
    waiting.nth(1).locator("[draggable]").drag_to(waiting.nth(0))
    expect(waiting).to_have_text([re.compile("org/second"), re.compile("org/third")])
    page.set_viewport_size({"width": 390, "height": 900})
    handle = waiting.nth(1).locator("[draggable]").bounding_box()
    name = waiting.nth(1).get_by_role("link").bounding_box()
    assert handle is not None
    assert name is not None
    assert handle["y"] < name["y"] + name["height"], "the handle stands on a line of its own"
    page.get_by_role("button", name="Pause all").click()
    resting = page.get_by_role("region", name="Paused and failed").get_by_role("listitem")
    expect(resting).to_have_count(3)
    page.get_by_role("button", name="Resume all").click()
    expect(page.get_by_role("region", name="Running").get_by_role("listitem")).to_have_count(1)


def test_a_file_that_comes_damaged_fails_with_the_reason_and_is_tried_again(
    home: House, open_page: OpenPage
) -> None:
    fault = Fault("flip", times=None, at_bytes=1000)
    home.hub.fault("org/second", fault, path="model-00001-of-00002.safetensors")
    page = open_page(PATH)
    home.install("org/second")
    row = download_row(page, "org/second")
    expect(row).to_contain_text("Failed", timeout=BACK_MS)
    expect(row.get_by_role("button", name="Copy details")).to_be_visible()
    share = row.get_by_role("progressbar").evaluate("bar => bar.value / bar.max")
    assert share < 1
    home.hub.heal()
    row.get_by_role("button", name="Try again: download of org/second").click()
    expect(row).to_contain_text("Installed", timeout=BACK_MS)


@pytest.mark.soak
def test_a_hub_that_is_away_is_told_with_the_time_of_the_next_try(
    home: House, open_page: OpenPage
) -> None:
    home.limit(SLOW)
    page = open_page(PATH)
    home.install("org/third")
    row = download_row(page, "org/third")
    row.get_by_role("button", name="Pause the download of org/third").click()
    home.hub.fault("*", Fault("status", where="api", status=503, times=None))
    home.hub.fault("*", Fault("status", where="resolve", status=503, times=None))
    home.hub.fault("*", Fault("status", where="cdn", status=503, times=None))
    row.get_by_role("button", name="Resume the download of org/third").click()
    expect(row).to_contain_text(re.compile(r"Next try in \d+"), timeout=BACK_MS)
    home.hub.heal()
    home.limit(0)
    row.get_by_role("button", name="Try now: download of org/third").click()
    expect(row).to_contain_text("Installed", timeout=BACK_MS)


def test_limits_are_set_in_place_and_hold_at_once(home: House, open_page: OpenPage) -> None:
    page = open_page(PATH)
    page.get_by_role("button", name="Limits").click()
    form = page.get_by_role("dialog", name="Limits")
    expect(form).to_contain_text("set by the environment or the command line")
    form.get_by_role("spinbutton", name="Speed (MB/s)").fill("0.5")
    form.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("The limits hold from now on.")).to_be_visible()
    with home.server.client() as client:
        settings = client.get("/v1/settings").json()["settings"]
    assert settings["download_limit_bytes"]["value"] == 500_000


@pytest.mark.soak
def test_a_killed_server_loses_little_and_the_page_goes_on_by_itself(
    open_context: OpenContext, tmp_path: Path
) -> None:
    page = open_context().new_page()
    with HubServer() as hub:
        hub.add("org/whole", repo_folder(tmp_path / "whole", shard_bytes=4 * MB))
        settings = settings_of(tmp_path, hub, download_limit_bytes=SLOW)
        with running_server(tmp_path, engine="mlx", settings=settings) as server:
            page.goto(server.address + PATH)
            House(server, hub).install("org/whole")
            row = download_row(page, "org/whole")
            expect(row).to_contain_text(re.compile(r"[1-9][\d.]* of 4\.2 MB"))
            before = bytes_shown(page)
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            expect(page.get_by_text("Not connected to the server.")).to_be_visible(timeout=BACK_MS)
            expect(row.get_by_role("button", name=re.compile("Cancel"))).to_be_disabled()
        port = urlsplit(server.address).port
        settings |= {"port": port, "download_limit_bytes": 0}
        with running_server(tmp_path, engine="mlx", settings=settings):
            expect(row).to_contain_text("Installed", timeout=BACK_MS)
    assert before > 0
    assert not any(name.endswith(".incomplete") for name in left_behind(tmp_path / "hub"))


def bytes_shown(page: Page) -> int:
    return int(page.get_by_role("progressbar").evaluate("bar => bar.value"))


@looks(1440, "light")
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    home: House, open_page: OpenPage, axe_source: str, width: int, theme: Theme
) -> None:
    page = open_page(PATH, width=width, theme=theme)
    expect(page.get_by_text("Nothing has been downloaded yet.")).to_be_visible()
    assert axe(page, axe_source) == []
    home.hub.fault("org/first", Fault("flip", times=None, at_bytes=1000))
    home.install("org/first")
    expect(download_row(page, "org/first")).to_contain_text("Failed", timeout=BACK_MS)
    home.limit(SLOW)
    for name in ("second", "third"):
        home.install(f"org/{name}")
    expect(download_row(page, "org/second")).to_contain_text(re.compile(r"left"))
    assert axe(page, axe_source) == []
    page.get_by_role("button", name="Limits").click()
    expect(page.get_by_role("dialog", name="Limits")).to_be_visible()
    assert axe(page, axe_source) == []
    page.set_viewport_size({"width": 320, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 320
