"""The acceptance tour: one real server, real models, and everything a user does with them.

Each capability of mlx-gui adds its part here. What a part leaves open is tested in the folder of
its layer.
"""

from collections.abc import Iterator

import openai
import psutil
import pytest

from tests.process.visitor import Visitor, visited_server
from tests.zoo.cache import checkpoint

TRAINED = ("Qwen3-tiny-trained", "SmolLM2-tiny-trained")
FRANCE = "What is the capital of France?"


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A server with two trained models, of which it may keep one in memory."""
    folder = tmp_path_factory.mktemp("tour")
    models = folder / "models" / "tiny"
    models.mkdir(parents=True)
    for name in TRAINED:
        (models / name).symlink_to(checkpoint(name))
    settings = {"model_dirs": folder / "models", "max_loaded_models": 1}
    with visited_server(folder, engine="mlx", settings=settings) as visitor:
        yield visitor


@pytest.fixture
def client(tour: Visitor) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{tour.server.address}/v1", api_key="none") as client:
        yield client


def test_models_in_the_folders_are_found_and_described(tour: Visitor) -> None:
    tour.client.post("/v1/models/unload-all", params={"when": "idle"}).raise_for_status()
    models = {row["id"]: row for row in tour.client.get("/v1/models").json()["data"]}
    assert set(models) == {f"tiny/{name}" for name in TRAINED}
    row = models["tiny/Qwen3-tiny-trained"]
    assert row["kind"] == "text"
    assert row["model_type"] == "qwen3"
    assert "chat" in row["capabilities"]
    assert row["supported"] is True
    assert row["state"] == "not_loaded"


def test_a_question_loads_the_model_and_is_answered(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="tiny/SmolLM2-tiny-trained",
        messages=[{"role": "user", "content": FRANCE}],
        temperature=0,
    )
    assert answer.choices[0].message.content == "The capital of France is Paris."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.completion_tokens > 1


def test_the_same_answer_streams_and_the_short_name_is_enough(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="SmolLM2-tiny-trained",
            messages=[{"role": "user", "content": FRANCE}],
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "The capital of France is Paris."
    assert chunks[-1].usage


def test_a_long_answer_comes_in_pieces(client: openai.OpenAI) -> None:
    story = client.chat.completions.create(
        model="SmolLM2-tiny-trained",
        messages=[{"role": "user", "content": "Write a long story."}],
        temperature=0,
        stream=True,
    )
    pieces = [chunk.choices[0].delta.content for chunk in story if chunk.choices]
    # What a busy client has not taken yet is merged, so that there may be fewer than tokens.
    assert len([piece for piece in pieces if piece]) > 1
    assert "".join(piece or "" for piece in pieces).startswith("Once upon a time")


def test_text_of_many_bytes_streams_in_whole_characters(client: openai.OpenAI) -> None:
    chunks = client.chat.completions.create(
        model="SmolLM2-tiny-trained",
        messages=[{"role": "user", "content": "Say hello in Japanese."}],
        temperature=0,
        stream=True,
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert "".join(pieces) == "こんにちは 🌸"
    assert not any("\ufffd" in piece for piece in pieces)


def test_the_conversation_so_far_counts(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="SmolLM2-tiny-trained",
        messages=[
            {"role": "user", "content": "My name is Ada."},
            {"role": "assistant", "content": "Nice to meet you, Ada."},
            {"role": "user", "content": "What is my name?"},
        ],
        temperature=0,
    )
    assert answer.choices[0].message.content == "Your name is Ada."


def test_stop_strings_end_the_answer_and_never_leak(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="SmolLM2-tiny-trained",
        messages=[{"role": "user", "content": "Say stop."}],
        temperature=0,
        stop=["STOP"],
    )
    assert (answer.choices[0].message.content or "").strip() == "one two"
    assert answer.choices[0].finish_reason == "stop"


def test_a_second_model_takes_the_place_of_the_idle_first_and_memory_comes_back(
    tour: Visitor, client: openai.OpenAI
) -> None:
    tour.client.post("/v1/models/SmolLM2-tiny-trained/load").raise_for_status()
    first: psutil.Process = tour.worker("tiny/SmolLM2-tiny-trained")
    answer = client.chat.completions.create(
        model="Qwen3-tiny-trained", messages=[{"role": "user", "content": FRANCE}], temperature=0
    )
    assert "Paris" in (answer.choices[0].message.content or "")
    assert not first.is_running()
    loaded = [row["id"] for row in tour.status()["loaded_models"] if row["pid"]]
    assert loaded == ["tiny/Qwen3-tiny-trained"]


def test_a_model_is_unloaded_by_hand_and_its_health_says_so(tour: Visitor) -> None:
    tour.client.post("/v1/models/Qwen3-tiny-trained/load").raise_for_status()
    health = "/v1/models/Qwen3-tiny-trained/health"
    assert tour.client.get(health).json()["healthy"] is True
    result = tour.client.post("/v1/models/Qwen3-tiny-trained/unload").json()
    assert result["was_loaded"] is True
    assert result["freed_bytes"] > 10_000_000
    assert tour.client.get(health).json()["healthy"] is False


def test_a_folder_that_appears_later_is_found_by_a_rescan_and_a_broken_one_says_why(
    tour: Visitor,
) -> None:
    models = tour.server.data_dir.parent / "models"
    broken = models / "tiny" / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "llama"}')
    (broken / "model.safetensors").write_bytes(b"not a tensor")
    rows = tour.client.post("/v1/models/rescan").json()["data"]
    row = next(row for row in rows if row["id"] == "tiny/broken")
    assert row["supported"] is False
    assert "model.safetensors" in row["problem"]
    answer = tour.ask("tiny/broken", FRANCE)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "model_unsupported"


def test_system_status_tells_machine_memory_and_versions(tour: Visitor) -> None:
    status = tour.client.get("/v1/system/status").json()
    assert status["device"]["backend"] in ("cpu", "metal", "cuda")
    memory = status["memory"]
    assert 0 < memory["budget_bytes"] < memory["total_bytes"]
    assert {"mlx", "mlx-lm", "mlx-gui"} <= set(status["versions"])


def test_the_interface_and_the_documentation_are_served_offline(tour: Visitor) -> None:
    page = tour.client.get("/admin/")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert tour.client.get("/docs", follow_redirects=True).status_code == 200
