"""The page of installed models: what is shown of the list, several at once, and imports."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import axe, looks
from tests.browser.conftest import OpenPage
from tests.browser.pages import Theme
from tests.browser.visiting import LOADED, NOT_LOADED, endless_answer, load, pin, row, unload_all
from tests.hub.folders import model_folder
from tests.support.server import Server, running_server
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies on the server's machine: two models, one of which is among the installed ones."""
    folder = tmp_path_factory.mktemp("machine")
    for place in ("models/org/first", "models/org/other", "elsewhere/third"):
        model_folder(folder / place)
    (folder / "elsewhere" / "broken.gguf").write_text("no such thing")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with running_server(folder, settings={"model_dirs": folder / "models"}) as server:
        yield server


@pytest.fixture(autouse=True)
def as_it_was(server: Server) -> None:
    for name in ("echo", "slow"):
        pin(server, name, pinned=False)
    unload_all(server)


def bar(page: Page) -> Locator:
    return page.get_by_role("toolbar", name="Selected models")


def told(page: Page, text: str) -> Locator:
    return page.get_by_role("status").filter(has_text=text)


def mark(page: Page, *names: str) -> None:
    """Selects them by the keyboard alone."""
    for name in names:
        row(page, name).focus()
        page.keyboard.press("x")
        expect(row(page, name).get_by_role("checkbox")).to_be_checked()


def test_a_segment_shows_what_is_loaded_and_another_one_kind(page: Page) -> None:
    load(page, "echo")
    page.get_by_role("radio", name="Loaded").check(force=True)
    expect(page.locator("[data-row]")).to_have_count(1)
    assert page.url.endswith("/admin/models?type=loaded")
    page.get_by_role("radio", name="Embeddings").check(force=True)
    expect(row(page, "echo")).to_have_count(0)
    expect(page.locator("[data-row]").first).to_contain_text("embeddings")
    page.get_by_role("searchbox", name="Filter by name").fill("none of them")
    page.get_by_role("button", name="Clear filter").click()
    expect(row(page, "echo")).to_be_visible()


def test_the_order_is_in_the_address_and_outlives_a_reload(page: Page, server: Server) -> None:
    with server.client() as client:
        models = client.get("/v1/models").json()["data"]
    largest = max(models, key=lambda model: model["disk_bytes"])["disk_bytes"]
    sizes = {model["id"]: model["disk_bytes"] for model in models}
    page.get_by_role("combobox", name="Order").select_option("Largest first")
    page.reload()
    expect(page.get_by_role("combobox", name="Order")).to_have_value("size")
    first = page.locator("[data-row]").first
    expect(first).to_be_visible()
    assert sizes[first.get_attribute("data-row") or ""] == largest


def test_a_row_tells_how_long_its_model_stays_and_that_it_is_pinned(
    page: Page, server: Server
) -> None:
    expect(row(page, "echo")).to_contain_text("15 min")
    pin(server, "echo", pinned=True)
    expect(row(page, "echo")).to_contain_text("Pinned")
    expect(row(page, "echo").get_by_role("img", name="pinned")).to_be_visible()


def test_several_are_loaded_pinned_and_unloaded_by_the_keyboard_alone(page: Page) -> None:
    expect(row(page, "echo")).to_be_visible()
    mark(page, "echo", "slow")
    expect(bar(page)).to_contain_text("2 selected")
    page.keyboard.press("l")
    for name in ("echo", "slow"):
        expect(row(page, name)).to_contain_text(LOADED)
    page.keyboard.press("p")
    expect(told(page, "2 models stay in memory once loaded.")).to_be_visible()
    for name in ("echo", "slow"):
        expect(row(page, name).get_by_role("img", name="pinned")).to_be_visible()
    told(page, "2 models stay").get_by_role("button", name="Undo").click()
    expect(row(page, "slow").get_by_role("img", name="pinned")).to_have_count(0)
    row(page, "echo").focus()
    page.keyboard.press("u")
    for name in ("echo", "slow"):
        expect(row(page, name)).to_contain_text(NOT_LOADED)
    toast = told(page, "2 models unloaded")
    toast.get_by_role("button", name="Load again").click()
    for name in ("echo", "slow"):
        expect(row(page, name)).to_contain_text(LOADED)
    page.keyboard.press("Escape")
    expect(bar(page)).to_have_count(0)
    expect(page.get_by_role("checkbox")).to_have_count(0)


@pytest.mark.soak
def test_unloading_several_of_which_one_answers_asks_first(page: Page, server: Server) -> None:
    load(page, "slow")
    with endless_answer(server, "fake/echo"):
        expect(row(page, "echo")).to_contain_text("Answering 1")
        mark(page, "echo", "slow")
        bar(page).get_by_role("button", name="Unload").click()
        question = page.get_by_role("dialog", name="Unload 2 models")
        expect(question).to_contain_text("1 of them is answering.")
        question.get_by_role("button", name="Stop and unload").click()
        for name in ("echo", "slow"):
            expect(row(page, name)).to_contain_text(NOT_LOADED)


def test_several_are_removed_and_brought_back(page: Page, folder: Path) -> None:
    expect(row(page, "first")).to_be_visible()
    mark(page, "first", "other")
    page.keyboard.press("Delete")
    for name in ("first", "other"):
        expect(row(page, name)).to_have_count(0)
    assert not (folder / "models/org/first").exists()
    told(page, "2 models are in the trash.").get_by_role("button", name="Undo").click()
    for name in ("first", "other"):
        expect(row(page, name)).to_be_visible()
    expect(told(page, "2 models are back.")).to_be_visible()
    assert (folder / "models/org/first/config.json").exists()


def test_what_is_refused_for_one_of_several_is_told_with_its_name(
    page: Page, server: Server, folder: Path
) -> None:
    with endless_answer(server, "fake/echo"):
        expect(row(page, "echo")).to_contain_text("Answering 1")
        mark(page, "echo", "other")
        bar(page).get_by_role("button", name="Remove 2 models").click()
        alert = page.get_by_role("alert").filter(has_text="Not done for 1 model (echo)")
        expect(alert).to_be_visible()
    told(page, "other is in the trash.").get_by_role("button", name="Undo").click()
    expect(row(page, "other")).to_be_visible()


def test_a_folder_is_linked_and_its_model_can_be_loaded(page: Page, folder: Path) -> None:
    page.get_by_role("button", name="Import folder").click()
    dialog = page.get_by_role("dialog", name="Import a model")
    path = dialog.get_by_role("textbox", name="Folder or file")
    expect(path).to_be_focused()
    path.fill(str(folder / "no" / "such"))
    dialog.get_by_role("button", name="Import").click()
    expect(dialog.get_by_role("alert")).to_contain_text("cannot be read")
    expect(path).to_have_attribute("aria-invalid", "true")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Import folder").click()
    expect(path).to_have_value(str(folder / "no" / "such"))
    path.fill(str(folder / "elsewhere" / "third"))
    dialog.get_by_role("radio", name=re.compile("Link")).check()
    dialog.get_by_role("textbox", name="Name").fill("mine/../third")
    dialog.get_by_role("button", name="Import").click()
    name = dialog.get_by_role("textbox", name="Name")
    expect(name).to_have_attribute("aria-invalid", "true")
    name.fill("mine/third")
    page.keyboard.press("Enter")
    news = told(page, "mine/third is imported.")
    # While somebody points at it, it stays.
    news.hover()
    expect(dialog).to_be_hidden()
    expect(row(page, "third")).to_contain_text(NOT_LOADED)
    assert (folder / "models/mine/third").is_symlink()
    news.get_by_role("button", name="Load").click()
    expect(row(page, "third")).to_contain_text(LOADED)


def ended(server: Server) -> tuple[str, str | None]:
    """The state of the newest job, and when it came to that."""
    with server.client() as client:
        newest = client.get("/v1/jobs").json()["data"][0]
    return newest["state"], newest["ended_at"]


@pytest.mark.parametrize("again", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_an_import_that_fails_tells_why_and_is_tried_again_or_dismissed(
    page: Page, folder: Path, server: Server, again: bool
) -> None:
    begin_broken(page, folder)
    imports = page.get_by_role("region", name="Imports")
    expect(imports.get_by_role("button", name="Copy details")).to_be_visible()
    expect(imports).to_contain_text("GGUF")
    if again:
        fails_again(page, server)
    imports.get_by_role("button", name="Dismiss the import of broken").click()
    expect(imports).to_have_count(0)


def fails_again(page: Page, server: Server) -> None:
    imports = page.get_by_role("region", name="Imports")
    before = ended(server)
    imports.get_by_role("button", name="Try again: import of broken").click()
    wait_until(
        lambda: (now := ended(server)) != before and now[0] == "failed",
        what="the import to fail again",
        deadline_s=60,
    )
    expect(imports.get_by_role("button", name="Try again: import of broken")).to_be_visible()


@pytest.mark.soak
@looks(1440, "light")
def test_axe_finds_nothing_on_imports(
    open_page: OpenPage, axe_source: str, folder: Path, width: int, theme: Theme
) -> None:
    page = open_page("/admin/models", width=width, theme=theme)
    begin_broken(page, folder)
    dismiss = page.get_by_role("button", name="Dismiss the import of broken")
    expect(dismiss).to_be_visible()
    page.get_by_role("button", name="Import folder").click()
    assert axe(page, axe_source) == []
    page.keyboard.press("Escape")
    assert axe(page, axe_source) == []
    dismiss.click()
    expect(dismiss).to_have_count(0)


def begin_broken(page: Page, folder: Path) -> None:
    page.get_by_role("button", name="Import folder").click()
    path = page.get_by_role("textbox", name="Folder or file")
    path.fill(str(folder / "elsewhere" / "broken.gguf"))
    path.press("Enter")
    expect(page.get_by_role("region", name="Imports")).to_contain_text("Failed")
