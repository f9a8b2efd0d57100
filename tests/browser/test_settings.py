"""The page of settings: where each value comes from, and that nothing typed is lost."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import axe, looks
from tests.browser.conftest import OpenContext, OpenPage
from tests.browser.pages import Theme
from tests.support.server import Server, first_start, running_server
from tests.unit.kinds.folders import write_model

PATH = "/admin/settings"
SECTIONS = (
    "Server",
    "Memory",
    "Generation",
    "Requests",
    "Storage",
    "Downloads",
    "Privacy",
    "Advanced",
)
MODELS = ("org/first", "org/second")
BLOCKED = """
for (const area of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, area, {get() { throw new DOMException("no", "SecurityError"); }});
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a file of settings, beside folders with and without models."""
    folder = tmp_path_factory.mktemp("settings")
    shutil.copytree(first_start(), folder / "data")
    (folder / "data/config.toml").write_text("max_queue = 128\n")
    (folder / "empty").mkdir()
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    folders = os.pathsep.join((str(folder / "models"), str(folder / "empty")))
    with running_server(
        folder, engine="mlx", settings={"model_dirs": folders}, flags=["--slots", "16"]
    ) as server:
        yield server


@pytest.fixture(autouse=True)
def as_begun(server: Server, folder: Path) -> None:
    """Nothing is set by the interface, the models are there, and the trash is empty."""
    with server.client() as client:
        settings = client.get("/v1/settings").json()["settings"]
        reset = {name: None for name, each in settings.items() if each["changeable"]}
        client.patch("/v1/settings", json={"settings": reset}).raise_for_status()
        for entry in client.get("/v1/trash").json()["data"]:
            client.delete(f"/v1/trash/{entry['id']}").raise_for_status()
        for name in MODELS:
            write_model(folder / "models" / name)
        client.post("/v1/models/rescan").raise_for_status()


def put(server: Server, **settings: object) -> None:
    with server.client() as client:
        client.patch("/v1/settings", json={"settings": settings}).raise_for_status()


def value(server: Server, name: str) -> object:
    with server.client() as client:
        return client.get("/v1/settings").json()["settings"][name]["value"]


def setting(page: Page, name: str) -> Locator:
    return page.locator(f"[data-setting='{name}']")


def field(page: Page, label: str) -> Locator:
    return page.get_by_label(label, exact=True)


def apply(page: Page) -> None:
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("region", name="Changes")).to_have_count(0)


def test_every_setting_of_the_server_stands_in_one_section(
    open_page: OpenPage, server: Server
) -> None:
    page = open_page(PATH)
    found: list[str] = []
    sections = page.get_by_role("navigation", name="Settings")
    for name in SECTIONS:
        sections.get_by_role("link", name=name).click()
        expect(sections.get_by_role("link", name=name)).to_have_attribute("aria-current", "page")
        expect(page.locator("[data-setting]").first).to_be_visible()
        found += page.locator("[data-setting]").evaluate_all(
            "all => all.map(e => e.dataset.setting)"
        )
    with server.client() as client:
        assert sorted(found) == sorted(client.get("/v1/settings").json()["settings"])
    assert page.url.endswith("/admin/settings/advanced")


def test_where_a_value_comes_from_is_shown_and_what_is_fixed_says_by_what(
    open_page: OpenPage, server: Server
) -> None:
    put(server, keep_alive_s=60)
    page = open_page(f"{PATH}?q=e")
    sources = {
        "max_body_bytes": "default",
        "max_queue": "file",
        "keep_alive_s": "you",
        "engine": "environment",
        "slots": "command line",
    }
    for name, source in sources.items():
        expect(setting(page, name).locator(".source")).to_have_text(f"Comes from {source}")
    expect(setting(page, "engine")).to_contain_text("Set by MLX_GUI_ENGINE, which wins")
    expect(setting(page, "slots")).to_contain_text("Set by --slots when the server was started")
    expect(field(page, "Answers at the same time")).to_be_disabled()
    expect(field(page, "Engine")).to_be_disabled()
    expect(page.get_by_role("button", name="Back to default: Queue of a model")).to_have_count(0)


def test_changes_are_collected_reviewed_and_applied_together(
    open_page: OpenPage, server: Server
) -> None:
    page = open_page(f"{PATH}/memory")
    field(page, "Keep-alive").fill("30")
    field(page, "Memory for models").fill("6.5")
    page.get_by_role("navigation", name="Settings").get_by_role("link", name="Advanced").click()
    field(page, "Matrix library").fill("off")
    changes = page.get_by_role("region", name="Changes")
    expect(changes).to_contain_text("3 changes, 1 from the next start on.")
    changes.get_by_role("button", name="Review").click()
    for text in ("15 min", "30 min", "6.5 GB", "auto"):
        expect(changes).to_contain_text(text)
    assert value(server, "keep_alive_s") == 900
    apply(page)
    expect(page.get_by_text("3 changes applied.")).to_be_visible()
    assert (value(server, "keep_alive_s"), value(server, "memory_limit_bytes")) == (
        1800,
        6_500_000_000,
    )
    expect(
        page.get_by_text("Restart the server to have what was changed hold: Matrix library.")
    ).to_be_visible()
    expect(setting(page, "blas")).to_contain_text("Now auto; this holds from the next start on.")


@pytest.mark.soak
def test_a_setting_goes_back_to_its_default(open_page: OpenPage, server: Server) -> None:
    put(server, keep_alive_s=60, hub_token="hf_one")
    page = open_page(f"{PATH}/memory")
    page.get_by_role("button", name="Back to default: Keep-alive").click()
    expect(setting(page, "keep_alive_s")).to_contain_text("Becomes 15 min")
    apply(page)
    expect(field(page, "Keep-alive")).to_have_value("15")
    expect(setting(page, "keep_alive_s").locator(".source")).to_have_text("Comes from default")
    assert value(server, "keep_alive_s") == 900


def test_what_cannot_be_is_said_beside_its_field_here_and_by_the_server(
    open_page: OpenPage, server: Server
) -> None:
    page = open_page(f"{PATH}/server")
    field(page, "Grace at the end").fill("soon")
    expect(setting(page, "shutdown_grace_s").get_by_role("status")).to_have_text("Write a number.")
    expect(page.get_by_role("button", name="Apply")).to_be_disabled()
    field(page, "Grace at the end").fill("2")
    field(page, "Unit of Grace at the end").select_option("h")
    expect(setting(page, "shutdown_grace_s")).to_contain_text("It must be from 0 s to 1 h.")
    page.get_by_role("button", name="Take back the change of Grace at the end").click()
    expect(field(page, "Grace at the end")).to_have_value("30")
    field(page, "Grace at the end").fill("2 min")
    expect(field(page, "Unit of Grace at the end")).to_have_value("min")
    field(page, "Grace at the end").press("Tab")
    expect(field(page, "Grace at the end")).to_have_value("2")
    page.get_by_role("button", name="Take back the change of Grace at the end").click()
    field(page, "Web pages that may ask").fill("https://fine.example\nno origin at all")
    page.get_by_role("button", name="Apply").click()
    wrong = setting(page, "allowed_origins").get_by_role("status")
    expect(wrong).to_contain_text("allowed_origins is")
    expect(field(page, "Web pages that may ask")).to_have_value(
        "https://fine.example\nno origin at all"
    )
    assert value(server, "allowed_origins") == []
    field(page, "Web pages that may ask").fill("https://fine.example")
    expect(wrong).to_have_text("")
    apply(page)
    assert value(server, "allowed_origins") == ["https://fine.example"]


def test_a_change_of_another_browser_is_shown_and_takes_nothing_that_was_typed(
    open_page: OpenPage, server: Server
) -> None:
    page, phone = open_page(f"{PATH}/memory"), open_page(f"{PATH}/memory", width=390, theme="dark")
    field(page, "Keep-alive").fill("30")
    field(phone, "Keep-alive").fill("45")
    field(phone, "Models in memory").fill("7")
    apply(phone)
    expect(field(page, "Models in memory")).to_have_value("7")
    row = setting(page, "keep_alive_s")
    expect(row).to_contain_text("Changed to 45 min elsewhere while you were at it.")
    expect(field(page, "Keep-alive")).to_have_value("30")
    row.get_by_role("button", name="Take that: the value that Keep-alive has now").click()
    expect(field(page, "Keep-alive")).to_have_value("45")
    field(page, "Keep-alive").fill("30")
    apply(page)
    expect(field(phone, "Keep-alive")).to_have_value("30")


def test_what_is_typed_outlives_a_look_elsewhere_and_a_reload_but_no_secret_is_kept(
    open_page: OpenPage,
) -> None:
    page = open_page(f"{PATH}/downloads")
    field(page, "At the same time").fill("4")
    field(page, "Token for the hub").fill("hf_secret")
    page.get_by_role("link", name="Installed", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Installed models")).to_be_visible()
    page.go_back()
    expect(field(page, "At the same time")).to_have_value("4")
    expect(field(page, "Token for the hub")).to_have_value("hf_secret")
    assert "hf_secret" not in page.evaluate("JSON.stringify({...sessionStorage, ...localStorage})")
    page.reload()
    expect(field(page, "At the same time")).to_have_value("4")
    page.get_by_role("button", name="Discard").click()
    expect(field(page, "At the same time")).to_have_value("2")
    page.get_by_role("button", name="Undo").click()
    expect(field(page, "At the same time")).to_have_value("4")


@pytest.mark.soak
def test_a_token_is_set_without_ever_being_shown(open_page: OpenPage, server: Server) -> None:
    page = open_page(f"{PATH}/downloads")
    field(page, "Token for the hub").fill("hf_secret")
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_role("region", name="Changes")).not_to_contain_text("hf_secret")
    apply(page)
    expect(setting(page, "hub_token").locator(".source")).to_have_text("Comes from you")
    expect(field(page, "Token for the hub")).to_have_value("")
    assert "hf_secret" not in page.content()


@pytest.mark.soak
def test_a_server_that_is_gone_while_somebody_types_takes_nothing_away(
    open_context: OpenContext, tmp_path: Path
) -> None:
    page = open_context().new_page()
    with running_server(tmp_path) as server:
        page.goto(server.address + PATH + "/memory")
        field(page, "Keep-alive").fill("3")
        server.process.kill()
        server.process.wait()
        expect(page.get_by_text("Not connected to the server.")).to_be_visible()
        field(page, "Keep-alive").press_sequentially("0")
        expect(page.get_by_role("button", name="Apply")).to_be_disabled()
    with running_server(tmp_path, settings={"port": urlsplit(server.address).port}) as server:
        expect(page.get_by_text("Not connected to the server.")).to_have_count(0)
        expect(field(page, "Keep-alive")).to_have_value("30")
        apply(page)
        assert value(server, "keep_alive_s") == 1800


def test_settings_are_found_by_search_palette_and_keys(open_page: OpenPage) -> None:
    page = open_page("/admin/models")
    expect(page.get_by_role("heading", level=1, name="Installed models")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page.get_by_role("heading", level=1, name="Settings")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("kv cache")
    expect(page.locator("[data-setting]")).to_have_count(1)
    expect(setting(page, "kv_bits")).to_be_visible()
    page.get_by_role("searchbox").fill("no such thing")
    page.get_by_role("button", name="Clear search").click()
    expect(page.get_by_role("heading", level=2, name="Interface")).to_be_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type("max_pictures")
    page.keyboard.press("Enter")
    expect(page.locator("[data-setting]")).to_have_count(1)
    page.keyboard.press("Control+k")
    page.keyboard.type("settings: storage")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Trash")).to_be_visible()


@pytest.mark.soak
def test_what_is_kept_by_the_browser_holds_at_once_also_where_it_keeps_nothing(
    open_context: OpenContext, server: Server
) -> None:
    page = open_context(theme="light").new_page()
    page.add_init_script(BLOCKED)
    page.goto(server.address + PATH)
    page.get_by_role("radio", name="Dark").check(force=True)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_role("group", name="Theme").get_by_role("radio", name="System").check(force=True)
    assert page.evaluate("document.documentElement.dataset.theme") is None
    page.get_by_role("switch", name="Single-letter shortcuts").uncheck()
    page.get_by_role("link", name="Privacy").click()
    field(page, "Request records").fill("5")
    page.get_by_role("link", name="About").click()
    expect(page.get_by_text("mlx-gui 0")).to_be_visible()
    expect(page.get_by_role("region", name="Changes")).to_contain_text("1 change.")


def test_what_was_set_is_exported_without_secrets_and_imported_as_changes(
    open_page: OpenPage, server: Server, tmp_path: Path
) -> None:
    put(server, keep_alive_s=60, hub_token="hf_secret")
    page = open_page(f"{PATH}/memory")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export").click()
    saved.value.save_as(tmp_path / "saved.json")
    assert json.loads((tmp_path / "saved.json").read_text()) == {"settings": {"keep_alive_s": 60}}
    file = tmp_path / "other.json"
    file.write_text(
        '{"settings": {"keep_alive_s": 120, "slots": 3, "no_such": 1, "max_queue": "many"}}'
    )
    field(page, "File of settings").set_input_files(file)
    expect(page.get_by_text("cannot be changed here: slots, no_such.")).to_be_visible()
    expect(page.get_by_role("region", name="Changes")).to_contain_text(
        "2 changes. 1 value is not right yet."
    )
    expect(field(page, "Keep-alive")).to_have_value("2")
    assert value(server, "keep_alive_s") == 60
    file.write_text("no JSON")
    field(page, "File of settings").set_input_files(file)
    expect(
        page.get_by_role("alert").filter(has_text="other.json is no file of settings.")
    ).to_be_visible()


def test_a_model_is_removed_brought_back_and_deleted_for_good(
    open_page: OpenPage, folder: Path
) -> None:
    page = open_page(f"{PATH}/storage")
    disk, trash = page.get_by_role("region", name="Disk"), page.get_by_role("region", name="Trash")
    expect(disk).to_contain_text(str(folder / "models"))
    expect(disk).to_contain_text("free of")
    expect(disk).to_contain_text("No model lies in it.")
    expect(trash).to_contain_text("The trash is empty.")
    disk.get_by_role("button", name="Remove org/first from the disk").click()
    expect(trash).to_contain_text("org/first")
    expect(disk.get_by_role("link", name="org/first")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(disk.get_by_role("link", name="org/first")).to_be_visible()
    expect(trash).to_contain_text("The trash is empty.")
    for name in MODELS:
        disk.get_by_role("button", name=f"Remove {name} from the disk").click()
        expect(trash.get_by_role("button", name=f"Restore {name}")).to_be_visible()
    trash.get_by_role("button", name="Restore org/second").click()
    expect(disk.get_by_role("link", name="org/second")).to_be_visible()
    trash.get_by_role("button", name="Delete org/first for good").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("Nothing can bring it back.")
    question.get_by_role("button", name="Cancel").click()
    expect(trash).to_contain_text("org/first")
    trash.get_by_role("button", name="Empty trash").click()
    expect(question).to_contain_text("1 model is deleted for good")
    question.get_by_role("button", name="Delete ").click()
    expect(trash).to_contain_text("The trash is empty.")
    assert not (folder / "models/org/first").exists()


@pytest.mark.soak
def test_without_a_trash_a_removal_is_asked_for(open_page: OpenPage, server: Server) -> None:
    put(server, trash_retention_days=0)
    page = open_page(f"{PATH}/storage")
    disk = page.get_by_role("region", name="Disk")
    disk.get_by_role("button", name="Remove org/first from the disk").click()
    question = page.get_by_role("dialog", name="Remove org/first from the disk")
    expect(question).to_contain_text("The trash keeps nothing")
    question.get_by_role("button", name="Delete ").click()
    expect(page.get_by_text("org/first is deleted")).to_be_visible()
    expect(disk.get_by_role("link", name="org/first")).to_have_count(0)


@looks(1440, "light")
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    open_page: OpenPage, server: Server, axe_source: str, width: int, theme: Theme
) -> None:
    put(server, keep_alive_s=60, blas="off")
    with server.client() as client:
        client.delete("/v1/models/org/first").raise_for_status()
    page = open_page(f"{PATH}?q=e", width=width, theme=theme)
    field(page, "Keep-alive").fill("x")
    put(server, keep_alive_s=90)
    expect(page.get_by_text("elsewhere while you were at it")).to_be_visible()
    page.get_by_role("button", name="Review").click()
    assert axe(page, axe_source) == []
    page.goto(server.address + PATH + "/storage")
    page.get_by_role("button", name="Empty trash").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert axe(page, axe_source) == []
    for address in (f"{PATH}?q=e", PATH, f"{PATH}/storage", f"{PATH}/about"):
        page.goto(server.address + address)
        expect(page.get_by_role("heading", level=2).first).to_be_visible()
        page.set_viewport_size({"width": 320, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == 320, address
