"""The page that finds models on the hub: it shows what the hub says, and runs none of it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import axe, looks
from tests.browser.conftest import OpenPage
from tests.browser.hub_visiting import MB, House, download_row, house
from tests.browser.pages import Theme
from tests.hub.faults import Fault
from tests.hub.folders import model_folder
from tests.process.pulling import repo_folder
from tests.support.server import Server

PATH = "/admin/discover"
SLOW = 400_000
LONG = "x" * 90
TERMS = "https://publisher.test/terms"
HOSTILE = (
    "<script>window.ran = 1</script>",
    '<img src="https://evil.test/a.png" onerror="window.ran = 1">',
    "![picture](https://evil.test/b.png)",
    "<svg onload=window.ran=1><a href='javascript:window.ran=1'>x</a></svg>",
    "[words](javascript:window.ran=1) and [these](https://evil.test/page)",
    '<iframe src="https://evil.test"></iframe><style>body{display:none}</style>',
    "\u202etxet desrever\u202c and \u200bhidden\u2066",
    "\"><b>bold</b> & 'quotes' {{7*7}} ${7*7}",
)
HIDDEN = re.compile("[\u200b\u202a-\u202e\u2066-\u2069]")
CARD = """---
license: mit
---
# Small

A model.

- first
- second

```sh
run it
```
"""
LARGE = {
    "hidden_size": 16_384,
    "intermediate_size": 65_536,
    "num_hidden_layers": 160,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("home")
    text: dict[str, Any] = {"tags": ("mlx",), "pipeline_tag": "text-generation"}
    with house(folder) as opened:
        hub = opened.hub
        small = model_folder(folder / "small", files={"README.md": CARD, "x.py": "pass"})
        hub.add("org/small", small, license="mit", downloads=1200, likes=7, trending=9, **text)
        for bits in (4, 8):
            quantized = model_folder(folder / f"bits{bits}", bits=bits)
            hub.add(f"org/base-{bits}bit", quantized, base_model="org/base", trending=bits, **text)
        hub.add("org/gated", small, gated="manual", **text)
        terms = {"license_name": "own-terms", "license_link": TERMS}
        hub.add("org/terms", repo_folder(folder / "terms"), license="other", card=terms, **text)
        hub.add("org/far", model_folder(folder / "far", config=LARGE), **text)
        odd = model_folder(folder / "odd", config={"model_type": "no_such_architecture"})
        hub.add("org/odd", odd, **text)
        vectors = model_folder(folder / "vectors", config={"model_type": "bert"})
        hub.add("other/vectors", vectors, tags=("mlx",), pipeline_tag="feature-extraction")
        hub.add("org/arriving", repo_folder(folder / "arriving", shard_bytes=2 * MB), **text)
        cards = "\n\n".join(f"{mark}{each}" for mark in ("", "# ", "- ") for each in HOSTILE)
        files = {"README.md": cards, "LICENSE": "\n".join(HOSTILE), "<b onclick=x>&.txt": "x"}
        worst = model_folder(folder / "worst", files=files)
        hub.add(f"org/worst-{LONG}", worst, license=HOSTILE[1], base_model=HOSTILE[0], **text)
        yield opened


@pytest.fixture(scope="module")
def server(home: House) -> Server:
    return home.server


@pytest.fixture(autouse=True)
def at_rest(home: House) -> None:
    home.clear()


def row(page: Page, name: str) -> Locator:
    """The row whose name is that."""
    return page.locator("[data-row]").filter(has=page.get_by_role("link", name=name, exact=True))


def test_whoever_asks_for_nothing_is_shown_where_to_begin_and_what_there_is(
    open_page: OpenPage,
) -> None:
    page = open_page(PATH)
    expect(page.get_by_role("heading", level=1, name="Discover")).to_be_visible()
    starters = page.get_by_role("region", name="Start here")
    expect(starters.get_by_role("listitem").first).to_contain_text("Chat")
    expect(starters.get_by_role("button", name=re.compile("Install ")).first).to_be_enabled()
    small = row(page, "small")
    expect(small).to_contain_text("org · Chat")
    expect(small).to_contain_text("mit")
    expect(small).to_contain_text("1.2K")
    expect(small).to_contain_text("Fits")
    expect(page.get_by_text("tagged mlx")).to_be_visible()


def test_filters_are_in_the_address_and_outlive_reload_and_a_look_at_a_model(
    open_page: OpenPage,
) -> None:
    page = open_page(PATH)
    expect(row(page, "small")).to_be_visible()
    page.get_by_role("searchbox").fill("small")
    page.get_by_role("combobox", name="Quantisation", exact=True).select_option("none")
    expect(page.locator("[data-row]")).to_have_count(1)
    assert page.url.endswith("/admin/discover?q=small&quantization=none")
    expect(page.get_by_role("region", name="Start here")).to_have_count(0)
    page.reload()
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.get_by_role("searchbox")).to_have_value("small")
    row(page, "small").get_by_role("link", name="small", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="small")).to_be_focused()
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("small")
    expect(page.locator("[data-row]")).to_have_count(1)


@pytest.mark.soak
def test_presets_narrow_the_list_and_nothing_found_can_be_cleared(open_page: OpenPage) -> None:
    page = open_page(PATH)
    page.get_by_role("link", name="Embeddings", exact=True).click()
    expect(row(page, "vectors")).to_be_visible()
    expect(row(page, "small")).to_have_count(0)
    expect(page.get_by_role("link", name="Embeddings", exact=True)).to_have_attribute(
        "aria-current", "true"
    )
    page.get_by_role("searchbox").fill("nothing like it")
    expect(page.get_by_text("No model is like that.")).to_be_visible()
    page.get_by_role("link", name="Clear filters").click()
    expect(row(page, "small")).to_be_visible()


def test_what_cannot_be_served_is_shown_on_demand_and_says_why(open_page: OpenPage) -> None:
    page = open_page(PATH)
    expect(row(page, "small")).to_be_visible()
    expect(row(page, "odd")).to_have_count(0)
    page.get_by_role("checkbox", name="Only what can be served").uncheck()
    row(page, "odd").get_by_role("button", name="Why odd is not supported").click()
    expect(page.get_by_role("dialog")).to_contain_text("no_such_architecture")


def test_an_id_or_an_address_leads_to_its_model(open_page: OpenPage, home: House) -> None:
    page = open_page(PATH)
    for written in ("org/small", f"{home.hub.url}/org/small/tree/main"):
        page.get_by_role("searchbox").fill(written)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1, name="small")).to_be_visible()
        page.get_by_role("link", name="All models").click()
        expect(page.get_by_role("heading", level=1, name="Discover")).to_be_visible()


def test_how_a_model_fits_is_explained_in_words(open_page: OpenPage) -> None:
    page = open_page(PATH)
    row(page, "small").get_by_role("button", name="How small fits").click()
    why = page.get_by_role("dialog", name="How small fits")
    expect(why).to_contain_text(re.compile(r"Needs .+ at least, for its weights\."))
    expect(why).to_contain_text("usable for models here")


@pytest.mark.soak
def test_quantizations_of_one_model_are_one_row_with_a_choice(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}?q=base")
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.get_by_role("combobox", name=re.compile("Quantisation of base"))).to_be_visible()
    choice = page.get_by_role("combobox", name=re.compile("Quantisation of base"))
    offered = [text.split(" ")[0] for text in choice.locator("option").all_inner_texts()]
    assert sorted(offered) == ["4-bit", "8-bit"]
    choice.select_option("org/base-4bit")
    expect(page.get_by_role("button", name="Install base-4bit")).to_be_visible()


def test_a_model_is_installed_watched_and_found_among_the_installed(
    open_page: OpenPage, home: House
) -> None:
    home.limit(SLOW)
    page = open_page(f"{PATH}?q=arriving")
    page.get_by_role("button", name="Install arriving").click()
    expect(row(page, "arriving")).to_contain_text(re.compile(r"\d+ %"))
    strip = page.get_by_role("main").get_by_role("region", name="Downloads")
    expect(strip).to_contain_text(re.compile(r"[1-9][\d.]* of 2\.1 MB"))
    strip.get_by_role("link", name="org/arriving").click()
    expect(page.get_by_role("heading", level=1, name="Downloads")).to_be_visible()
    expect(download_row(page, "org/arriving")).to_contain_text(re.compile(r"left"))
    home.limit(0)
    expect(download_row(page, "org/arriving")).to_contain_text("Installed")
    page.get_by_role("link", name="Installed", exact=True).first.click()
    expect(page.locator("[data-row='org/arriving']")).to_be_visible()
    page.go_back()
    page.go_back()
    installed = row(page, "arriving").get_by_role("link", name=re.compile("Show arriving"))
    expect(installed).to_be_visible()


def test_the_page_of_a_model_has_its_plan_files_fits_and_card(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}/org/small")
    plan = page.get_by_role("region", name="Installation")
    expect(plan).to_contain_text(re.compile(r"Download\s*.+ in \d files"))
    expect(plan).to_contain_text("Free afterwards")
    expect(plan.get_by_role("button", name="Install small")).to_be_enabled()
    expect(page.get_by_text("code of its own, which is neither fetched nor run")).to_be_visible()
    fits = page.get_by_role("region", name="Memory with contexts")
    expect(fits.get_by_role("row")).to_have_count(4)
    page.get_by_role("region", name="Files").get_by_text("are fetched").click()
    expect(page.get_by_role("cell", name=re.compile("x.py left there"))).to_be_visible()
    card = page.get_by_role("region", name="Model card")
    expect(card.get_by_role("heading", name="Small")).to_be_visible()
    expect(card.get_by_role("listitem")).to_have_text(["first", "second"])
    expect(card).to_contain_text("run it")
    expect(card).not_to_contain_text("license: mit")


def test_a_gated_model_says_what_to_do(open_page: OpenPage, home: House) -> None:
    page = open_page(f"{PATH}/org/gated")
    plan = page.get_by_role("region", name="Installation")
    link = plan.get_by_role("link", name="Ask at the hub")
    expect(link).to_have_attribute("href", f"{home.hub.url}/org/gated")
    plan.get_by_role("button", name="Why gated is gated").click()
    question = page.get_by_role("dialog", name="Install gated")
    expect(question).to_contain_text("hub_token")
    expect(question).to_contain_text("Nothing names its licence.")
    question.get_by_role("button", name="Accept and install").click()
    expect(page.get_by_role("alert").filter(has_text="org/gated is not installed")).to_be_visible()


def test_a_licence_with_terms_of_its_own_is_named_before_anything_is_fetched(
    open_page: OpenPage, home: House
) -> None:
    page = open_page(f"{PATH}?q=terms")
    install = page.get_by_role("button", name="Install terms")
    install.click()
    question = page.get_by_role("dialog", name="Install terms")
    expect(question).to_contain_text("Its licence is own-terms, on terms of its own.")
    expect(question).to_contain_text("is for the hub to check")
    link = question.get_by_role("link", name="Read the licence")
    expect(link).to_have_attribute("href", TERMS)
    expect(link).to_have_attribute("rel", "noreferrer")
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_be_hidden()
    with home.server.client() as client:
        assert client.get("/v1/downloads").json()["data"] == []
    install.click()
    question.get_by_role("link", name="Its card and licence").click()
    facts = page.get_by_role("region", name="Facts")
    expect(facts.get_by_role("link", name="own-terms")).to_have_attribute("href", TERMS)
    page.get_by_role("button", name="Install terms").click()
    question.get_by_role("button", name="Accept and install").click()
    shown = page.get_by_role("region", name="Installation").get_by_role("link")
    expect(shown).to_have_text("Installed")


def test_a_model_that_the_hub_does_not_have_is_said_so(open_page: OpenPage, server: Server) -> None:
    page = open_page(f"{PATH}/org/nothing-there")
    expect(page.get_by_text(re.compile("has no model org/nothing-there"))).to_be_visible()
    page.goto(f"{server.address}{PATH}/%E0%A4%A/..%2f")
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_a_hub_with_a_fault_is_told_and_asked_again(open_page: OpenPage, home: House) -> None:
    elsewhere = {"Location": f"{home.hub.cdn_url}/x"}
    away = Fault("status", where="api", times=None, status=302, headers=elsewhere)
    home.hub.fault("*", away)
    page = open_page(f"{PATH}?q=sma")
    failure = page.get_by_role("alert").filter(has_text="The hub could not be asked.")
    expect(failure).to_be_visible()
    expect(failure.get_by_role("button", name="Copy details")).to_be_visible()
    home.hub.heal()
    failure.get_by_role("button", name="Try again").click()
    expect(row(page, "small")).to_be_visible()
    expect(failure).to_have_count(0)


@pytest.mark.soak
def test_while_the_hub_is_away_what_is_known_is_shown_with_its_age(
    open_page: OpenPage, home: House
) -> None:
    page = open_page(PATH)
    expect(row(page, "small")).to_be_visible()
    home.hub.fault("*", Fault("status", where="api", times=None, status=500))
    page.get_by_role("searchbox").fill("smal")
    expect(page.get_by_text("This is what is known of earlier answers.")).to_be_visible()
    expect(row(page, "small")).to_be_visible()


@pytest.mark.soak
def test_the_keyboard_finds_opens_and_installs(open_page: OpenPage, home: House) -> None:
    home.limit(SLOW)
    page = open_page(PATH)
    expect(row(page, "small")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("arriving")
    expect(page.locator("[data-row]")).to_have_count(1)
    page.get_by_role("heading", level=1).focus()
    page.keyboard.press("j")
    expect(row(page, "arriving")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="arriving")).to_be_visible()
    page.go_back()
    expect(row(page, "arriving")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("w")
    expect(page.get_by_role("heading", level=1, name="Downloads")).to_be_visible()


def test_what_strangers_wrote_is_text_and_runs_nothing(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}?q=worst")
    worst = page.locator("[data-row]")
    expect(worst).to_contain_text(LONG)
    expect(worst).to_contain_text("<img src=")
    worst.get_by_role("link", name=re.compile("worst")).click()
    card = page.get_by_role("region", name="Model card")
    expect(card).to_contain_text("desrever")
    expect(card).to_contain_text("picture not loaded")
    expect(card).to_contain_text("https://evil.test/page")
    assert page.evaluate("window.ran") is None
    for tag in ("img", "iframe", "a[href^='javascript']", "b", "style"):
        assert page.locator(f"main {tag}").count() == 0, tag
    assert HIDDEN.search(page.get_by_role("main").inner_text()) is None
    page.set_viewport_size({"width": 320, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 320


@looks(390, "dark")
def test_axe_finds_nothing_in_any_state(
    open_page: OpenPage, home: House, axe_source: str, width: int, theme: Theme
) -> None:
    page = open_page(PATH, width=width, theme=theme)
    expect(row(page, "small")).to_be_visible()
    expect(page.get_by_role("region", name="Start here")).to_be_visible()
    assert axe(page, axe_source) == []
    row(page, "small").get_by_role("button", name="How small fits").click()
    assert axe(page, axe_source) == []
    page.keyboard.press("Escape")
    page.get_by_role("searchbox").fill("nothing like it")
    expect(page.get_by_text("No model is like that.")).to_be_visible()
    assert axe(page, axe_source) == []
    page.goto(home.server.address + PATH + "/org/small")
    expect(page.get_by_role("region", name="Model card")).to_be_visible()
    page.get_by_text("are fetched").click()
    assert axe(page, axe_source) == []


@pytest.mark.parametrize(
    "width",
    [320, 860, *(pytest.param(each, marks=pytest.mark.soak) for each in (390, 859, 1100, 1280))],
)
def test_the_page_never_scrolls_sideways(open_page: OpenPage, width: int) -> None:
    page = open_page(PATH, width=width)
    expect(row(page, "small")).to_be_visible()
    expect(page.get_by_role("region", name="Start here")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
