"""Real models that see, through the official clients of every family, beside requests of text."""

import base64
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import httpx
import numpy as np
import ollama
import openai
import pytest

from tests.colours.checkpoints import seeing
from tests.colours.families import FAMILIES, SMALL_TOWERS
from tests.colours.swatches import swatch
from tests.support.pictures import data_url, encoded
from tests.support.server import Server, running_server
from tests.support.soak import mostly_in_soak
from tests.support.waiting import wait_until

QUESTION = "What colour is this?"
HELLO = "Hello! How can I help you today?"
DEADLINE_S = 300
_WHOLE = [name for name in FAMILIES if name not in SMALL_TOWERS]


@dataclass(frozen=True, slots=True)
class Clients:
    """One of each family, for one server."""

    gpt: openai.OpenAI
    claude: anthropic.Anthropic
    llama: ollama.Client
    plain: httpx.Client


Asked = Callable[[Clients, str, bytes, bool], str]
"""What a model says of a picture, asked with or without a stream."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("house")
    models = folder / "models" / "house"
    models.mkdir(parents=True)
    for name in FAMILIES:
        (models / name).symlink_to(seeing(name))
    settings = {"model_dirs": folder / "models"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", _with_small_towers(os.environ.get("PYTHONPATH")))
        with running_server(folder, engine="mlx", settings=settings) as server:
            yield server


def _with_small_towers(path: str | None) -> str:
    """Where workers find modules: those of tests besides, and what makes their towers small."""
    root = Path(__file__).parents[2]
    small = root / "tests" / "support" / "small_towers"
    return os.pathsep.join([str(small), str(root), *([path] if path else [])])


@pytest.fixture(scope="module")
def clients(house: Server) -> Iterator[Clients]:
    with (
        openai.OpenAI(base_url=f"{house.address}/v1", api_key="none", max_retries=0) as gpt,
        anthropic.Anthropic(base_url=house.address, api_key="none", max_retries=0) as claude,
        ollama.Client(host=house.address) as llama,
        httpx.Client(base_url=house.address, timeout=DEADLINE_S, trust_env=False) as plain,
    ):
        yield Clients(gpt, claude, llama, plain)


def by_chat(clients: Clients, model: str, picture: bytes, stream: bool) -> str:
    content: Any = [
        {"type": "image_url", "image_url": {"url": data_url(picture)}},
        {"type": "text", "text": QUESTION},
    ]
    asked: Any = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "temperature": 0,
        "max_tokens": 24,
    }
    if stream:
        chunks = clients.gpt.chat.completions.create(**asked, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    return clients.gpt.chat.completions.create(**asked).choices[0].message.content or ""


def by_responses(clients: Clients, model: str, picture: bytes, stream: bool) -> str:
    content: Any = [
        {"type": "input_image", "image_url": data_url(picture)},
        {"type": "input_text", "text": QUESTION},
    ]
    asked: Any = {
        "model": model,
        "input": [{"role": "user", "content": content}],
        "temperature": 0,
        "max_output_tokens": 24,
    }
    if stream:
        events = clients.gpt.responses.create(**asked, stream=True)
        return "".join(
            event.delta for event in events if event.type == "response.output_text.delta"
        )
    return clients.gpt.responses.create(**asked).output_text


def by_messages(clients: Clients, model: str, picture: bytes, stream: bool) -> str:
    data = base64.b64encode(picture).decode()
    content: Any = [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": data},
        },
        {"type": "text", "text": QUESTION},
    ]
    asked: Any = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "extra_body": {"temperature": 0},
        "max_tokens": 24,
    }
    if stream:
        with clients.claude.messages.stream(**asked) as told:
            return "".join(told.text_stream)
    (block,) = clients.claude.messages.create(**asked).content
    assert block.type == "text"
    return block.text


def by_ollama(clients: Clients, model: str, picture: bytes, stream: bool) -> str:
    message = {"role": "user", "content": QUESTION, "images": [picture]}
    options = {"temperature": 0, "num_predict": 24}
    told: Any = clients.llama.chat(model, [message], stream=stream, options=options)
    return "".join(each.message.content for each in told) if stream else told.message.content


WAYS: tuple[Asked, ...] = (by_chat, by_responses, by_messages, by_ollama)


@pytest.mark.parametrize("name", mostly_in_soak(_WHOLE, but=("Qwen2-VL-tiny",)))
@pytest.mark.parametrize("way", WAYS)
def test_the_colour_is_named_in_every_dialect(name: str, way: Asked, clients: Clients) -> None:
    model = f"house/{name}"
    for stream in (False, True):
        for colour in ("red", "blue"):
            picture = encoded(swatch(colour))
            assert way(clients, model, picture, stream) == f"The picture is {colour}."


# What each tower sees is for the engine's tests.
@pytest.mark.soak
def test_gemma_3n_says_the_same_of_a_picture_in_every_dialect(clients: Clients) -> None:
    """It has not learnt to tell colours, so what it says is known by its sameness alone."""
    (red,), (blue,) = (
        {way(clients, "house/gemma-3n-tiny", encoded(swatch(colour)), stream) for way in WAYS}
        for colour, stream in (("red", False), ("blue", True))
    )

    assert red != blue


def test_six_at_once_with_text_between_say_what_they_say_alone(clients: Clients) -> None:
    model = "house/gemma-3-tiny"
    colours = ("red", "white", "yellow", "black")

    def hello(_: int) -> str:
        messages: Any = [{"role": "user", "content": "Hello"}]
        told = clients.gpt.chat.completions.create(
            model=model, messages=messages, temperature=0, max_tokens=24
        )
        return told.choices[0].message.content or ""

    def colour(name: str) -> str:
        return by_chat(clients, model, encoded(swatch(name, (90, 70))), True)

    with ThreadPoolExecutor(6) as together:
        texts = [together.submit(hello, n) for n in range(2)]
        seen = [together.submit(colour, name) for name in colours]
        assert [each.result() for each in texts] == [HELLO] * 2
        assert [each.result() for each in seen] == [f"The picture is {each}." for each in colours]


def test_a_picture_too_large_to_travel_inside_a_request_is_seen_and_counted(
    clients: Clients,
) -> None:
    picture = encoded(swatch("green", (900, 900), np.random.default_rng(1)))
    assert len(picture) > 1 << 20
    content = [
        {"type": "image_url", "image_url": {"url": data_url(picture)}},
        {"type": "text", "text": QUESTION},
    ]
    body = {
        "model": "house/Qwen2-VL-tiny",
        "messages": [{"role": "user", "content": content}],
        "temperature": 0,
    }
    answer = clients.plain.post("/v1/chat/completions", json=body).json()
    assert answer["choices"][0]["message"]["content"] == "The picture is green."
    assert answer["usage"]["prompt_tokens_details"]["image_tokens"] == 16


def test_a_model_says_that_it_sees_and_its_worker_that_it_serves_several(
    clients: Clients,
) -> None:
    model = "house/Qwen2-VL-tiny"
    listed = clients.plain.get("/v1/models").json()["data"]
    (found,) = [each for each in listed if each["id"] == model]
    assert "vision" in found["capabilities"]
    assert found["library"] == "mlx-vlm"
    by_chat(clients, model, encoded(swatch("red")), False)
    loaded = clients.plain.get("/v1/manager/status").json()["loaded_models"]
    (worker,) = [each for each in loaded if each["id"] == model]
    assert worker["serial_because"] is None


@pytest.mark.soak
def test_a_model_that_sees_is_converted_and_still_names_the_colour(clients: Clients) -> None:
    path = "/v1/models/house/Qwen2-VL-tiny/convert"
    begun = clients.plain.post(path, json={"bits": 8, "group_size": 32})
    assert begun.status_code == 202, begun.text

    def ended() -> bool:
        state = clients.plain.get(f"/v1/jobs/{begun.json()['id']}").json()["state"]
        return state in ("done", "failed")

    wait_until(ended, what="the conversion to end")
    model = "house/Qwen2-VL-tiny-8bit"
    found = clients.plain.get(f"/v1/models/{model}").json()
    assert "vision" in found["capabilities"]
    assert found["quantization"]
    assert by_chat(clients, model, encoded(swatch("blue")), False) == "The picture is blue."


def test_a_picture_is_named_again_after_its_worker_was_killed(clients: Clients) -> None:
    model = "house/Qwen2-VL-tiny"
    picture = encoded(swatch("black"))
    assert by_chat(clients, model, picture, False) == "The picture is black."
    loaded = clients.plain.get("/v1/manager/status").json()["loaded_models"]
    (pid,) = [each["pid"] for each in loaded if each["id"] == model]
    os.kill(pid, signal.SIGKILL)
    assert by_chat(clients, model, picture, False) == "The picture is black."


def test_switched_off_it_is_a_text_model(clients: Clients) -> None:
    model = "house/gemma-3-tiny"
    path = f"/v1/models/{model}/settings"
    assert clients.plain.patch(path, json={"settings": {"vision": "off"}}).status_code == 200
    try:
        with pytest.raises(openai.BadRequestError, match="reads text only"):
            by_chat(clients, model, encoded(swatch("red")), False)
    finally:
        assert clients.plain.patch(path, json={"settings": {"vision": None}}).status_code == 200
