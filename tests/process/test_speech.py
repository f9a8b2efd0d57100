"""Speech beside other models: workers that die, clients that hang up, turns.

What is heard are tones, by a model of one layer: how well a large one hears is for other tests.
"""

import os
import signal
import threading
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from tests.engines.test_detector import music
from tests.process.visitor import chat
from tests.real.silero import silero_vad
from tests.real.speech import BECKETT, beckett, word_error_rate
from tests.real.whisper import whisper_tiny_en
from tests.support.server import Server, running_server
from tests.support.waiting import wait_until
from tests.tones.checkpoints import parakeet_tones
from tests.tones.signals import RATE_HZ, WORDS, spoken
from tests.zoo.cache import checkpoint

SPEECH, TEXT = "house/parakeet-tones", "house/SmolLM2-tiny-trained"
PATH = "/v1/audio/transcriptions"
DEADLINE_S = 300
SHORT = "one three five two four"
LONG = " ".join(np.random.default_rng(5).choice(list(WORDS), 600))
"""More than six minutes: sixteen turns of the model, where `SHORT` has one."""


@cache
def recording(words: str) -> bytes:
    """The sound of `words`, as a file."""
    file = BytesIO()
    soundfile.write(file, spoken(words.split()), RATE_HZ, format="FLAC")
    return file.getvalue()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("house")
    models = folder / "models" / "house"
    models.mkdir(parents=True)
    (models / "parakeet-tones").symlink_to(parakeet_tones())
    (models / "SmolLM2-tiny-trained").symlink_to(checkpoint("SmolLM2-tiny-trained"))
    settings = {"model_dirs": folder / "models"}
    with running_server(folder, engine="mlx", settings=settings) as server:
        yield server


@pytest.fixture
def client(house: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=house.address, timeout=DEADLINE_S, trust_env=False) as client:
        yield client


def heard(client: httpx.Client, words: str) -> httpx.Response:
    return client.post(PATH, data={"model": SPEECH}, files={"file": recording(words)})


def loaded(client: httpx.Client) -> dict[str, dict[str, Any]]:
    models = client.get("/v1/manager/status").json()["loaded_models"]
    return {each["id"]: each for each in models}


def is_heard(client: httpx.Client) -> bool:
    """Whether the speech model works on something."""
    return loaded(client).get(SPEECH, {}).get("active", 0) > 0


@pytest.mark.soak
def test_kill_9_of_its_worker_leaves_the_others_alone_and_the_sound_is_heard_again(
    client: httpx.Client,
) -> None:
    assert client.post("/v1/chat/completions", json=chat(TEXT, "Hello")).status_code == 200
    assert heard(client, SHORT).json()["text"] == SHORT
    others = loaded(client)[TEXT]["pid"]
    worker = loaded(client)[SPEECH]["pid"]
    # It stands still, so that it has nothing of the sound before it is killed.
    os.kill(worker, signal.SIGSTOP)
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(heard(client, LONG)))
    asking.start()
    wait_until(lambda: is_heard(client), what="the sound to be heard", deadline_s=DEADLINE_S)

    os.kill(worker, signal.SIGKILL)

    assert client.post("/v1/chat/completions", json=chat(TEXT, "Hello")).status_code == 200
    asking.join(DEADLINE_S)
    (answer,) = answers
    assert answer.status_code == 200, answer.text
    assert word_error_rate(LONG, answer.json()["text"]) < 0.1
    assert loaded(client)[TEXT]["pid"] == others


def test_a_client_that_hangs_up_frees_the_engine_and_the_disk(
    house: Server, client: httpx.Client
) -> None:
    fields = {"model": SPEECH, "stream": "true"}
    with client.stream("POST", PATH, data=fields, files={"file": recording(LONG)}) as answer:
        assert next(line for line in answer.iter_lines() if "delta" in line)

    wait_until(lambda: not is_heard(client), what="the engine to be free", deadline_s=DEADLINE_S)
    uploads = house.data_dir / "cache" / "uploads"
    wait_until(lambda: not [*uploads.glob("*")], what="the upload to be gone")
    assert heard(client, SHORT).json()["text"] == SHORT


@pytest.mark.soak
def test_a_short_recording_and_a_chat_are_not_behind_a_long_one(client: httpx.Client) -> None:
    ends: list[str] = []

    def hear(name: str, words: str) -> None:
        heard(client, words).raise_for_status()
        ends.append(name)

    long = threading.Thread(target=hear, args=("long", LONG))
    long.start()
    wait_until(lambda: is_heard(client), what="the sound to be heard", deadline_s=DEADLINE_S)
    short = threading.Thread(target=hear, args=("short", SHORT))
    short.start()
    assert client.post("/v1/chat/completions", json=chat(TEXT, "Hello")).status_code == 200
    ends.append("chat")
    for thread in (short, long):
        thread.join(DEADLINE_S)

    assert ends[-1] == "long"
    assert set(ends) == {"chat", "short", "long"}


@pytest.mark.soak
def test_an_installed_detector_keeps_a_model_from_hearing_words_in_music(tmp_path: Path) -> None:
    models = tmp_path / "models" / "house"
    models.mkdir(parents=True)
    (models / "whisper-tiny.en").symlink_to(whisper_tiny_en())
    (models / "silero-vad").symlink_to(silero_vad())
    file = BytesIO()
    soundfile.write(file, music(20), RATE_HZ, format="FLAC")
    settings = {"model_dirs": tmp_path / "models"}
    with (
        running_server(tmp_path, engine="mlx", settings=settings) as server,
        httpx.Client(base_url=server.address, timeout=DEADLINE_S, trust_env=False) as client,
    ):
        asked = {"model": "house/whisper-tiny.en"}
        of_music = client.post(PATH, data=asked, files={"file": file.getvalue()})
        of_speech = client.post(PATH, data=asked, files={"file": beckett().read_bytes()})
        by_itself = client.post(
            PATH, data={"model": "house/silero-vad"}, files={"file": beckett().read_bytes()}
        )

    assert (of_music.json()["text"], of_speech.json()["text"]) == ("", BECKETT)
    assert by_itself.status_code == 400
    assert "answers nothing by itself" in by_itself.json()["error"]["message"]
