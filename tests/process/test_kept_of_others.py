"""What models that write no text keep of requests: nothing. By `make soak`."""

import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import httpx
import numpy as np
import psutil
import pytest
import soundfile

from tests.encoders.cache import encoder
from tests.support.server import PROGRAM, Server, running_server
from tests.tones.checkpoints import parakeet_tones
from tests.tones.signals import RATE_HZ, WORDS, spoken

pytestmark = pytest.mark.soak

HEARING, READING = "house/parakeet-tones", "house/minilm"
ROUNDS = 20
AT_ONCE = 4
DEADLINE_S = 120
WORDS_READ = ("red", "fox", "blue", "sea", "stone", "and", "the", "of", "a")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("house")
    models = folder / "models" / "house"
    models.mkdir(parents=True)
    (models / "parakeet-tones").symlink_to(parakeet_tones())
    (models / "minilm").symlink_to(encoder("MiniLM-tiny"))
    settings = {"model_dirs": folder / "models"}
    with running_server(folder, engine="mlx", settings=settings, program=PROGRAM) as server:
        yield server


def held_bytes(house: Server, model: str, client: httpx.Client) -> tuple[int, int]:
    """What the server and the worker of a model hold."""
    models = client.get("/v1/manager/status").json()["loaded_models"]
    (worker,) = [each["pid"] for each in models if each["id"] == model]
    pids = (house.process.pid, worker)
    server_bytes, worker_bytes = (psutil.Process(pid).memory_info().rss for pid in pids)
    return server_bytes, worker_bytes


def asked_again_and_again(
    house: Server, model: str, ask: Callable[[httpx.Client, int], None], *, requests: int
) -> tuple[float, float]:
    """By how many bytes server and worker grow with each request, when they have warmed up."""
    a_round = requests // ROUNDS
    held: list[tuple[int, int]] = []
    with (
        httpx.Client(base_url=house.address, timeout=DEADLINE_S, trust_env=False) as client,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        for number in range(ROUNDS):
            numbers = range(number * a_round, (number + 1) * a_round)
            list(pool.map(lambda at: ask(client, at), numbers))
            held.append(held_bytes(house, model, client))
    late = held[ROUNDS // 2 :]
    server, worker = (
        statistics.linear_regression(range(len(late)), each).slope / a_round
        for each in zip(*late, strict=True)
    )
    megabytes = [tuple(round(each / 1e6, 1) for each in pair) for pair in held]
    print(f"{model}: {server:.0f} and {worker:.0f} bytes a request, of MB {megabytes}")
    return server, worker


def recording(words: list[str]) -> bytes:
    file = BytesIO()
    soundfile.write(file, spoken(words), RATE_HZ, format="FLAC")
    return file.getvalue()


def test_200_transcriptions_leave_no_memory_behind(house: Server) -> None:
    dice = np.random.default_rng(2)
    said = [[str(word) for word in dice.choice(list(WORDS), 1 + at)] for at in range(10)]
    sounds = [(" ".join(words), recording(words)) for words in said]

    def hear(client: httpx.Client, at: int) -> None:
        words, sound = sounds[at % len(sounds)]
        answer = client.post(
            "/v1/audio/transcriptions", data={"model": HEARING}, files={"file": sound}
        )
        assert answer.json()["text"] == words

    server, worker = asked_again_and_again(house, HEARING, hear, requests=200)

    assert server < 10_000
    assert worker < 10_000


def test_10_000_embeddings_leave_no_memory_behind(house: Server) -> None:
    def read(client: httpx.Client, at: int) -> None:
        dice = np.random.default_rng(at)
        text = " ".join(dice.choice(WORDS_READ, 1 + at % 60))
        body = {"model": READING, "input": text, "encoding_format": "base64"}
        assert client.post("/v1/embeddings", json=body).status_code == 200

    server, worker = asked_again_and_again(house, READING, read, requests=10_000)

    assert server < 200
    assert worker < 200
