"""Pictures that a request names by their addresses, from the route to what the model is asked."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from mlx_gui.api.media import Media
from mlx_gui.core.generation import ImagePart
from tests.support.media import PNG, MediaServer, media_server
from tests.support.pictures import BLUE, data_url, plain
from tests.support.waiting import wait_until
from tests.unit.api.parts import (
    MODEL,
    ScriptedDispatch,
    Shelf,
    application,
    config,
    services,
    serving,
)

SEES = msgspec.structs.replace(
    MODEL,
    facts=msgspec.structs.replace(MODEL.facts, capabilities=("chat", "vision")),  # type: ignore
)


async def resolve(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


@pytest.fixture(scope="module")
def media() -> Iterator[MediaServer]:
    with media_server() as server:
        yield server


@pytest.fixture(scope="module")
def place(
    media: MediaServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, ScriptedDispatch, Path]]:
    """A server that may reach this machine, what it is asked, and where it keeps files."""
    dispatch, folder = ScriptedDispatch(), tmp_path_factory.mktemp("data")
    settings = config(folder, media_urls="http", media_timeout_s=1.0, max_picture_bytes=100_000)
    parts = services(settings, dispatch=dispatch, shelf=Shelf(SEES))
    parts = replace(parts, media=Media(parts.uploads, resolve=resolve, permitted=lambda _: True))
    with serving(application(parts)) as address:
        yield address, dispatch, folder


def post(address: str, *urls: str) -> httpx.Response:
    content: list[Any] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    messages = [{"role": "user", "content": content}]
    body = {"model": SEES.id, "messages": messages}
    return httpx.post(f"{address}/v1/chat/completions", json=body, timeout=60, trust_env=False)


def test_what_is_fetched_keeps_its_place_among_the_others(
    place: tuple[str, ScriptedDispatch, Path], media: MediaServer
) -> None:
    address, dispatch, _ = place
    blue = plain(BLUE)
    base = f"http://pictures.test:{media.port}"
    answer = post(address, data_url(blue), f"{base}/a.png", data_url(blue), f"{base}/again.png")

    assert answer.status_code == 200, answer.text
    parts = dispatch.asked[-1].messages[0].parts
    assert [part.data for part in parts if isinstance(part, ImagePart)] == [blue, PNG, blue, PNG]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("slow.png", 400, "within 1 s"),
        ("silent.png", 400, "within 1 s"),
        ("endless.png", 413, "100000 bytes"),
        ("lying.png", 415, "an HTML page"),
        ("page.png", 415, "text/html"),
        ("missing.png", 400, "404"),
    ],
)
def test_what_brings_no_picture_is_refused_and_asks_no_model(
    place: tuple[str, ScriptedDispatch, Path],
    media: MediaServer,
    path: str,
    status: int,
    said: str,
) -> None:
    address, dispatch, folder = place
    dispatch.asked.clear()
    base = f"http://pictures.test:{media.port}"

    answer = post(address, f"{base}/a.png", f"{base}/{path}")

    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]
    assert answer.json()["error"]["param"].startswith("messages[0].content[")
    assert dispatch.asked == []
    uploads = folder / "cache" / "uploads"
    wait_until(lambda: not list(uploads.glob("*")), what="the end of the files")
