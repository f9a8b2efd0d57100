"""The page of one model: what it is, needs and does, its settings, and what lies in its folder."""

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import axe, looks
from tests.browser.conftest import OpenPage
from tests.browser.pages import Theme
from tests.browser.visiting import NOT_LOADED, row, unload_all
from tests.support.server import Server, running_server
from tests.unit.kinds.folders import write_model

MODEL = "fake/echo"
PATH = f"/admin/models/{MODEL}"
SHELF = "org/shelf"
SHELF_PATH = f"/admin/models/{SHELF}"
CARD = """---
license: apache-2.0
---
# Shelf

<script>window.ran = 1</script>
<img src="https://evil.test/a.png" onerror="window.ran = 1">
[words](javascript:window.ran=1) \u202edesrever

- first
- second
"""
TEMPLATE = "{% for message in messages %}<script>{{ message.content }}</script>{% endfor %}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One with a model whose folder has texts of strangers, beside those of the fake engine."""
    folder = tmp_path_factory.mktemp("server")
    shelf = write_model(folder / "models" / SHELF)
    (shelf / "README.md").write_text(CARD, encoding="utf-8")
    (shelf / "LICENSE").write_text("Free <b>for</b> all.", encoding="utf-8")
    (shelf / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    with running_server(folder, settings={"model_dirs": folder / "models"}) as started:
        yield started


@pytest.fixture(autouse=True)
def as_it_was(server: Server) -> None:
    unload_all(server)
    with server.client() as client:
        for path in (f"/v1/models/{MODEL}/settings", f"/v1/models/{SHELF}/settings"):
            told = client.get(path).json()["settings"]
            own = {name: None for name, each in told.items() if each["source"] == "model"}
            if own:
                client.patch(path, json={"settings": own}).raise_for_status()


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
    field(page, "Priority").fill("3")
    field(page, "Pin").check()
    expect(page.get_by_text("2 changes.")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The settings are saved.")).to_be_visible()
    told = setting(server, "priority")
    assert (told["value"], told["source"]) == (3, "model")
    assert setting(server, "pinned")["value"] is True
    field(page, "Temperature").fill("0.5")
    expect(page.get_by_text("1 change, 1 from the next load on.")).to_be_visible()
    page.get_by_role("button", name="Discard").click()
    expect(field(page, "Temperature")).to_have_value("")
    page.get_by_role("button", name="Reset Priority").click()
    expect(field(page, "Priority")).to_have_value("0")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Reset Priority")).to_have_count(0)
    assert setting(server, "priority")["source"] == "default"


def test_bytes_are_written_with_their_unit_and_shown_so(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{PATH}?tab=settings")
    limit = page.locator("[data-setting=memory_limit_bytes]").get_by_role("textbox")
    limit.fill("600")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Write a unit behind it: GB, GiB,")).to_be_visible()
    limit.fill("1024 mib")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The settings are saved.")).to_be_visible()
    assert setting(server, "memory_limit_bytes")["value"] == 2**30
    expect(limit).to_have_value("1 GiB")


def test_what_does_not_fit_is_said_and_nothing_that_was_typed_is_lost(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{PATH}?tab=settings")
    field(page, "Answers at the same time").fill("many")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("This is no number.")).to_be_visible()
    field(page, "Answers at the same time").fill("99999")
    field(page, "Template arguments").fill('{"name": "<img src=x onerror=alert(1)>"}')
    page.get_by_role("button", name="Save").click()
    expect(
        page.get_by_role("alert").filter(has_text="The settings were not saved")
    ).to_contain_text("slots")
    expect(field(page, "Answers at the same time")).to_have_value("99999")
    expect(field(page, "Template arguments")).to_have_value(re.compile("onerror"))
    assert setting(server, "slots")["source"] != "model"
    field(page, "Answers at the same time").fill("2")
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
    [
        '"><script>alert(1)</script>',
        "%E0%A4%A",
        pytest.param("org/none", marks=pytest.mark.soak),
        pytest.param("Qwen2.5-0.5B.gguf", marks=pytest.mark.soak),
    ],
)
def test_a_model_that_is_not_there_is_told_whatever_its_name(
    server: Server, open_page: OpenPage, name: str
) -> None:
    page = open_page(f"/admin/models/{quote(name)}")
    expect(page.get_by_text("is installed.")).to_be_visible()
    page.get_by_role("link", name="Installed models").click()
    expect(page.get_by_role("heading", level=1, name="Installed models")).to_be_visible()


@looks(1440, "light")
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    server: Server, open_page: OpenPage, axe_source: str, width: int, theme: Theme
) -> None:
    ask_once(server)
    page = open_page(f"{PATH}?tab=settings", width=width, theme=theme)
    field(page, "Priority").fill("3")
    expect(page.get_by_text("1 change.")).to_be_visible()
    assert axe(page, axe_source) == []
    page.set_viewport_size({"width": 320, "height": 900})
    parts = ("Overview", "Memory", "Settings", "Template", "Snippets", "Requests")
    for part in parts:
        page.get_by_role("radio", name=part).check(force=True)
        expect(page.get_by_role("main").get_by_role("region").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        assert axe(page, axe_source, within="main") == [], part


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


def test_a_model_that_writes_nothing_has_no_speed_and_no_template(open_page: OpenPage) -> None:
    page = open_page("/admin/models/fake/embedding?tab=template")
    expect(page.get_by_role("radio", name="Overview")).to_be_checked()
    for part in ("Speed", "Template"):
        expect(page.get_by_role("radio", name=part)).to_have_count(0)


def test_the_card_is_what_lies_in_the_folder_and_runs_nothing(
    open_page: OpenPage, axe_source: str
) -> None:
    page = open_page(f"{SHELF_PATH}?tab=card")
    card = page.get_by_role("region", name="Model card")
    expect(card.get_by_role("heading", name="Shelf")).to_be_visible()
    expect(card.get_by_role("listitem")).to_have_text(["first", "second"])
    expect(card).to_contain_text("picture not loaded")
    expect(card).not_to_contain_text("license:")
    expect(card).not_to_contain_text("\u202e")
    licence = page.get_by_role("region", name="Licence text")
    expect(licence).to_contain_text("Free <b>for</b> all.")
    assert page.evaluate("window.ran") is None
    for tag in ("img", "a[href^='javascript']", "b"):
        assert page.locator(f"main {tag}").count() == 0, tag
    assert axe(page, axe_source) == []
    page.set_viewport_size({"width": 320, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.reload()
    # Of the parts, which are one line there, the chosen one is in view.
    expect(
        page.get_by_role("group", name="Part of the page").get_by_text("Card")
    ).to_be_in_viewport()


def test_the_template_is_shown_as_it_is_written_and_what_a_loaded_model_makes_of_it(
    open_page: OpenPage, axe_source: str
) -> None:
    page = open_page(f"{SHELF_PATH}?tab=template")
    expect(page.get_by_role("region", name="Source of the chat template")).to_have_text(TEMPLATE)
    expect(page.get_by_text("It stands in chat_template.jinja")).to_be_visible()
    preview = page.get_by_role("region", name="A conversation as the model reads it")
    preview.get_by_role("button", name="Show").click()
    prompt = preview.get_by_role("region", name="The prompt")
    expect(prompt).to_contain_text("<script>And of Italy?</script>")
    expect(prompt.locator("mark").first).to_have_text("<script>")
    page.get_by_role("button", name="Load shelf").click()
    expect(page.get_by_role("main")).to_contain_text("Loaded")
    preview.get_by_role("button", name="Show").click()
    expect(prompt).to_contain_text("word-")
    expect(preview).to_contain_text(re.compile(r"\d+ tokens"))
    assert axe(page, axe_source) == []


def test_a_template_of_ones_own_is_tried_compared_saved_and_taken_back(
    server: Server, open_page: OpenPage, axe_source: str
) -> None:
    page = open_page(f"{SHELF_PATH}?tab=settings")
    page.get_by_role("link", name="Open Template").click()
    page.get_by_role("button", name="Edit").click()
    editor = page.get_by_role("textbox", name="Chat template")
    expect(editor).to_have_value(TEMPLATE)
    editor.fill("{# mine #}\n{% for message in messages %}")
    page.get_by_role("button", name="Save").click()
    refusal = page.get_by_role("alert").filter(has_text="Not saved")
    expect(refusal).to_contain_text("for its line 2: Unexpected end of template")
    expect(refusal.locator("code").first).to_have_text("messages")
    expect(refusal).not_to_contain_text("`")
    assert shelf_setting(server)["source"] == "default"
    # What was written is there again, whatever was looked at meanwhile.
    page.get_by_role("radio", name="Overview").check(force=True)
    page.get_by_role("radio", name="Template").check(force=True)
    expect(editor).to_have_value(re.compile("mine"))

    mine = TEMPLATE.replace("script", "turn") + "\n<end>"
    editor.fill(mine)
    difference = page.get_by_role("region", name="Difference from the model's own")
    expect(difference.locator("del")).to_have_text(f"Removed: {TEMPLATE}")
    expect(difference.locator("ins").last).to_have_text("Added: <end>")
    preview = page.get_by_role("region", name="A conversation as the model reads it")
    preview.get_by_role("button", name="Show").click()
    prompt = preview.get_by_role("region", name="The prompt")
    expect(prompt).to_contain_text("<turn>And of Italy?</turn>")
    assert axe(page, axe_source) == []
    page.set_viewport_size({"width": 320, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The chat template is saved.").first).to_be_visible()
    assert shelf_setting(server)["value"] == mine

    expect(difference.locator("ins").last).to_have_text("Added: <end>")
    page.get_by_role("radio", name="Source").check(force=True)
    expect(page.get_by_role("region", name="Source of the chat template")).to_have_text(mine)
    page.get_by_role("button", name="Back to the model's own").click()
    expect(page.get_by_role("region", name="Source of the chat template")).to_have_text(TEMPLATE)
    assert shelf_setting(server)["source"] == "default"
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("region", name="Source of the chat template")).to_have_text(mine)
    assert shelf_setting(server)["value"] == mine


def shelf_setting(server: Server) -> dict[str, object]:
    with server.client() as client:
        told = client.get(f"/v1/models/{SHELF}/settings").json()
    return told["settings"]["chat_template"]


def test_every_setting_has_a_name_and_a_sentence_of_its_own(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(f"{PATH}?tab=settings")
    with server.client() as client:
        names = list(client.get(f"/v1/models/{MODEL}/settings").json()["settings"])
    for name in names:
        row = page.locator(f"[data-setting='{name}']")
        expect(row.locator("code").first).to_have_text(name)
        expect(row.locator("label, strong").first).not_to_have_text(name)


def test_snippets_and_programs_are_those_of_the_model(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}?tab=snippets&language=python")
    snippet = page.get_by_role("region", name="Chat in Python")
    expect(snippet).to_contain_text(f'model="{MODEL}"')
    expect(page.get_by_role("combobox", name="Model")).to_have_count(0)
    page.get_by_role("combobox", name="Task").select_option(label="Chat, streamed")
    page.reload()
    expect(page.get_by_role("region", name="Chat, streamed in Python")).to_be_visible()
    expect(page.get_by_role("region", name="Settings for Claude Code")).to_contain_text(MODEL)


def test_what_does_not_lie_in_the_folder_or_cannot_be_read_is_said(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}?tab=card")
    expect(page.get_by_text("No model card lies in its folder.")).to_be_visible()
    page.get_by_role("radio", name="Template").check(force=True)
    expect(page.get_by_text("It has no chat template.")).to_be_visible()
    page.route("**/v1/models/fake/echo/card", lambda route: route.abort())
    page.get_by_role("radio", name="Card").check(force=True)
    failure = page.get_by_role("alert").filter(has_text="Not read")
    expect(failure).to_be_visible()
    page.unroute("**/v1/models/fake/echo/card")
    failure.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("No model card lies in its folder.")).to_be_visible()
