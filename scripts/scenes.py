"""The pages of the interface as pictures show them, and a server at work that they are of."""

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import httpx
from playwright.sync_api import Page, expect

from scripts.showroom import ARRIVING, HERE, TERMS, WAITING
from tests.browser.pages import Theme
from tests.support.server import Server
from tests.support.waiting import wait_until

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
THEMES: tuple[Theme, ...] = ("light", "dark")

CHAT, LARGE, SMALL = (shown.id for shown in HERE[:3])
HEARS, VECTORS = HERE[5].id, HERE[6].id
LOADED = (CHAT, SMALL, HEARS, VECTORS)
SLOW_BYTES = 8_000_000
STREAMS = 3
WARM_S = 30.0
DEADLINE_S = 300.0


@dataclass(frozen=True, slots=True)
class Scene:
    """An address, and what is done there before the picture is taken."""

    path: str
    arrange: Callable[[Page], None] = lambda page: None


def by_name(name: str) -> str:
    return f"/admin/models/{quote(name)}"


def plan(page: Page) -> None:
    name = LARGE.rpartition("/")[2]
    page.get_by_role("button", name=f"Load {name}", exact=True).click()
    expect(page.get_by_role("region", name=f"Load plan of {name}")).to_be_visible()


def select(page: Page) -> None:
    page.get_by_role("button", name="Select", exact=True).click()
    for box in page.locator("[data-row] [type=checkbox]").all()[:3]:
        box.check()


def importing(page: Page) -> None:
    page.get_by_role("button", name="Import folder").click()
    page.get_by_role("textbox", name="Folder or file").fill("/Volumes/Models/Qwen3-8B-4bit")


def row_details(page: Page) -> None:
    page.get_by_role("button", name=f"Details of {CHAT.rpartition('/')[2]}").click()
    expect(page.get_by_text("Everything about it")).to_be_visible()


def notices(page: Page) -> None:
    page.locator("[data-bell]").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def palette(page: Page) -> None:
    page.keyboard.press("Control+k")
    page.keyboard.type("qwen")
    expect(page.get_by_role("option", name="Qwen3-8B-4bit").first).to_be_visible()


def shortcuts(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("checkbox").first).to_be_visible()


def licence(page: Page) -> None:
    page.get_by_role("searchbox").fill("llama-3.3")
    page.get_by_role("button", name=f"Install {TERMS.rpartition('/')[2]}").click()
    expect(page.get_by_role("button", name="Accept and install")).to_be_visible()


def writing(page: Page) -> None:
    page.get_by_role("button", name="Edit", exact=True).click()
    editor = page.get_by_role("textbox", name="Chat template")
    editor.fill(f"{{# With the date. #}}\n{editor.input_value()}")
    expect(page.locator("ins").first).to_be_visible()


def found(page: Page) -> None:
    expect(page.locator("[data-row]").first).to_be_visible()


SCENES: dict[str, Scene] = {
    "installed": Scene("/admin/models", found),
    "plan": Scene("/admin/models", plan),
    "select": Scene("/admin/models", select),
    "import": Scene("/admin/models", importing),
    "details": Scene("/admin/models", row_details),
    "notices": Scene("/admin/models", notices),
    "palette": Scene("/admin/models", palette),
    "shortcuts": Scene("/admin/models", shortcuts),
    "model": Scene(by_name(CHAT)),
    "model-settings": Scene(f"{by_name(CHAT)}?tab=settings"),
    "model-memory": Scene(f"{by_name(CHAT)}?tab=memory"),
    "model-template": Scene(f"{by_name(CHAT)}?tab=template"),
    "model-template-edit": Scene(f"{by_name(CHAT)}?tab=template", writing),
    "model-snippets": Scene(f"{by_name(CHAT)}?tab=snippets"),
    "model-card": Scene(f"{by_name(CHAT)}?tab=card"),
    "discover": Scene("/admin/discover", found),
    "licence": Scene("/admin/discover", licence),
    "found": Scene(f"/admin/discover/{ARRIVING}"),
    "downloads": Scene("/admin/downloads"),
    "monitor": Scene("/admin/monitor?range=5m"),
    "api": Scene("/admin/api"),
    "settings": Scene("/admin/settings"),
    "settings-memory": Scene("/admin/settings/memory"),
    "storage": Scene("/admin/settings/storage"),
    "about": Scene("/admin/settings/about"),
    "nothing": Scene("/admin/nothing"),
}
FIRST: dict[str, Scene] = {
    "welcome": Scene("/admin/welcome"),
    "empty": Scene("/admin/models"),
}


def opened(page: Page, address: str, scene: Scene) -> None:
    """Shows the scene: all that it has is there."""
    page.goto(f"{address}{scene.path}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("status", name="Reading")).to_have_count(0)
    page.evaluate("document.fonts.ready")
    scene.arrange(page)


@contextmanager
def at_work(server: Server) -> Generator[None]:
    """Models are loaded and answer, and one is on its way here."""
    with server.client() as client:
        for model in LOADED:
            client.post(f"/v1/models/{model}/load").raise_for_status()
        pinned = {"settings": {"pinned": True}}
        client.patch(f"/v1/models/{VECTORS}/settings", json=pinned).raise_for_status()
        limit = {"settings": {"download_limit_bytes": SLOW_BYTES}}
        client.patch("/v1/settings", json=limit).raise_for_status()
        for model in (ARRIVING, *WAITING):
            client.post("/v1/models/install", json={"model_id": model}).raise_for_status()
        ended = threading.Event()
        streams = [
            threading.Thread(target=converse, args=(server, model, ended))
            for model in (CHAT, CHAT, SMALL)[:STREAMS]
        ]
        for stream in streams:
            stream.start()
        try:
            wait_until(lambda: answered(client), what="answers", deadline_s=DEADLINE_S)
            ended.wait(WARM_S)
            yield
        finally:
            ended.set()
            for stream in streams:
                stream.join()


def answered(client: httpx.Client) -> bool:
    """Whether some requests have ended, so that there are figures of them."""
    return len(client.get("/v1/requests", params={"limit": 20}).json()["data"]) > 2 * STREAMS


def converse(server: Server, model: str, ended: threading.Event) -> None:
    """Has the model answer again and again."""
    script = json.dumps(
        {"fake": {"text": "The capital of France is Paris. ", "repeat": 40, "delay_ms": 25}}
    )
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": script}]}
    with server.client() as client:
        while not ended.is_set():
            with client.stream("POST", "/v1/chat/completions", json=body) as answer:
                if answer.is_error:
                    # A machine that has too much to do has no room for the model just now.
                    ended.wait(1)
                for _ in answer.iter_lines():
                    if ended.is_set():
                        break
