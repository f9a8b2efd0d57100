"""A real server speaks: equal to the library, workers that die, hang-ups, turns."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from tests.engines import speaking
from tests.engines.remote import child
from tests.process.visitor import chat
from tests.support.server import Server, running_server
from tests.support.waiting import wait_until
from tests.voices.checkpoints import pocket_tts, qwen3_tts
from tests.zoo.cache import checkpoint

SPEECH, TEXT = "house/pocket-tts", "house/SmolLM2-tiny-trained"
DOCILE = "house/qwen3-tts"
PATH = "/v1/audio/speech"
DEADLINE_S = 300
SHORT = "Good morning."
LONG = "word " * 40
LONG_BYTES = 2 * 24_000 * 42
"""A second for each word and two more, in 16 bits."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("house")
    models = folder / "models" / "house"
    models.mkdir(parents=True)
    (models / "pocket-tts").symlink_to(pocket_tts())
    (models / "qwen3-tts").symlink_to(qwen3_tts())
    (models / "SmolLM2-tiny-trained").symlink_to(checkpoint("SmolLM2-tiny-trained"))
    settings = {"model_dirs": folder / "models"}
    with running_server(folder, engine="mlx", settings=settings) as server:
        yield server


@pytest.fixture
def client(house: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=house.address, timeout=DEADLINE_S, trust_env=False) as client:
        yield client


def body(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": SPEECH, "input": text, "response_format": "pcm", **fields}


def spoken(client: httpx.Client, text: str, **fields: Any) -> bytes:
    answer = client.post(PATH, json=body(text, **fields))
    assert answer.status_code == 200, answer.text
    return answer.content


def loaded(client: httpx.Client) -> dict[str, dict[str, Any]]:
    models = client.get("/v1/manager/status").json()["loaded_models"]
    return {each["id"]: each for each in models}


def is_spoken(client: httpx.Client) -> bool:
    """Whether the model works on something."""
    return loaded(client).get(SPEECH, {}).get("active", 0) > 0


def test_through_http_every_sample_is_the_librarys(client: httpx.Client) -> None:
    with child() as process:
        plain = process.call(speaking.plain, pocket_tts(), SHORT, "bert", 11)

    got = spoken(client, SHORT, voice="bert", seed=11)

    assert got == np.rint(np.clip(plain, -1, 1) * 32_767).astype("<i2").tobytes()


def test_so_it_is_of_one_that_is_told_how_to_speak(client: httpx.Client) -> None:
    how = "Very happy."
    with child() as process:
        plain = process.call(speaking.plain_qwen, qwen3_tts(), SHORT, "bert", 11, how)

    answer = client.post(
        PATH, json=body(SHORT, model=DOCILE, voice="bert", seed=11, instructions=how)
    )

    assert answer.content == np.rint(np.clip(plain, -1, 1) * 32_767).astype("<i2").tobytes()
    assert "x-mlx-gui-left-out" not in answer.headers
    assert loaded(client)[DOCILE]["active"] == 0


def test_kill_9_of_its_worker_breaks_the_sound_off_and_the_next_is_whole(
    client: httpx.Client,
) -> None:
    assert client.post("/v1/chat/completions", json=chat(TEXT, "Hello")).status_code == 200
    others = loaded(client)[TEXT]["pid"]
    with client.stream("POST", PATH, json=body(LONG)) as answer:
        pieces = answer.iter_bytes()
        assert next(pieces)
        os.kill(loaded(client)[SPEECH]["pid"], signal.SIGKILL)
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)

    assert spoken(client, SHORT)
    assert loaded(client)[TEXT]["pid"] == others


def test_kill_9_before_any_sound_is_an_error_with_its_status(client: httpx.Client) -> None:
    # All of a FLAC comes at the end.
    answers: list[httpx.Response] = []
    asked = body(LONG, response_format="flac")
    asking = threading.Thread(target=lambda: answers.append(client.post(PATH, json=asked)))
    asking.start()
    wait_until(lambda: is_spoken(client), what="the text to be spoken", deadline_s=DEADLINE_S)

    os.kill(loaded(client)[SPEECH]["pid"], signal.SIGKILL)

    asking.join(DEADLINE_S)
    (answer,) = answers
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "worker_failed")


def test_a_client_that_hangs_up_frees_the_engine_and_leaves_nothing(
    house: Server, client: httpx.Client
) -> None:
    with client.stream("POST", PATH, json=body(LONG, response_format="wav")) as answer:
        assert next(answer.iter_bytes())

    wait_until(lambda: not is_spoken(client), what="the engine to be free", deadline_s=DEADLINE_S)
    uploads = house.data_dir / "cache" / "uploads"
    assert not [*uploads.glob("*")]
    assert spoken(client, SHORT)


@pytest.mark.soak
def test_a_short_text_and_a_chat_are_not_behind_a_long_one(client: httpx.Client) -> None:
    ends: list[str] = []

    def speak(name: str, text: str) -> None:
        assert spoken(client, text)
        ends.append(name)

    long = threading.Thread(target=speak, args=("long", LONG))
    long.start()
    wait_until(lambda: is_spoken(client), what="the text to be spoken", deadline_s=DEADLINE_S)
    short = threading.Thread(target=speak, args=("short", SHORT))
    short.start()
    assert client.post("/v1/chat/completions", json=chat(TEXT, "Hello")).status_code == 200
    ends.append("chat")
    for thread in (short, long):
        thread.join(DEADLINE_S)

    assert ends[-1] == "long"
    assert set(ends) == {"chat", "short", "long"}


def test_it_counts_in_plans_pins_and_keep_alive_like_other_models(client: httpx.Client) -> None:
    client.post(f"/v1/models/{SPEECH}/unload").raise_for_status()
    wait_until(lambda: SPEECH not in loaded(client), what="it to leave", deadline_s=DEADLINE_S)
    plan = client.post(f"/v1/models/{SPEECH}/plan").json()
    assert plan["fits"] == "yes"
    assert plan["needs"]["total_bytes"] > plan["needs"]["weights_bytes"] > 0

    pins = f"/v1/models/{SPEECH}/settings"
    client.patch(pins, json={"settings": {"pinned": True, "keep_alive_s": 0}}).raise_for_status()
    assert spoken(client, SHORT)
    assert loaded(client)[SPEECH]["pinned"]
    client.patch(pins, json={"settings": {"pinned": False}}).raise_for_status()
    assert spoken(client, SHORT)
    wait_until(lambda: SPEECH not in loaded(client), what="it to leave", deadline_s=DEADLINE_S)
    client.patch(pins, json={"settings": {"keep_alive_s": None}}).raise_for_status()


def test_its_voices_are_told_without_loading_it(client: httpx.Client) -> None:
    client.post(f"/v1/models/{SPEECH}/unload")
    wait_until(lambda: SPEECH not in loaded(client), what="it to leave", deadline_s=DEADLINE_S)

    voices = client.get("/v1/audio/voices", params={"model": SPEECH}).json()["voices"]

    assert [(each["id"], each["default"]) for each in voices] == [("anna", True), ("bert", False)]
    assert SPEECH not in loaded(client)
