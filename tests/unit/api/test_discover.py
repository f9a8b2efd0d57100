"""`/v1/discover` over the local hub: lists, presets, one model, and what is refused."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from mlx_gui.api.services import Services
from mlx_gui.core.device import DeviceFacts
from tests.hub.faults import Fault
from tests.hub.folders import model_folder
from tests.hub.server import HubServer
from tests.unit.api.parts import MODEL, Shelf, application, config, services, serving

TOKEN = "hf_abcdefghijklmnop"


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    folder = tmp_path_factory.mktemp("folders")
    text: dict[str, Any] = {"pipeline_tag": "text-generation", "tags": ("mlx",)}
    with HubServer() as server:
        plain = model_folder(folder / "plain", files={"README.md": "# Card", "x.py": "pass"})
        server.add("org/one", plain, license="mit", downloads=9, trending=1, **text)
        four = model_folder(folder / "four", bits=4)
        server.add("org/one-4", four, base_model="org/one", downloads=8, trending=2, **text)
        server.add("org/bge", plain, pipeline_tag="feature-extraction")
        server.add("org/whisper", plain, pipeline_tag="automatic-speech-recognition")
        server.add("org/voice", plain, pipeline_tag="text-to-speech")
        pickles = folder / "pickles"
        pickles.mkdir()
        (pickles / "config.json").write_text('{"model_type": "llama"}')
        (pickles / "pytorch_model.bin").write_bytes(b"x")
        server.add("org/pickles", pickles, pipeline_tag="text-generation")
        yield server


@contextmanager
def asking(parts: Services) -> Iterator[httpx.Client]:
    """A client of a server with these parts, whose own connection to the hub is closed then."""
    with serving(application(parts)) as address, httpx.Client(base_url=address) as client:
        yield client
    asyncio.run(parts.models.hub.close())


@pytest.fixture
def client(hub: HubServer, tmp_path: Path) -> Iterator[httpx.Client]:
    settings = config(tmp_path, hub_endpoint=hub.url, hub_token=TOKEN)
    hub.tokens[TOKEN] = set()
    with asking(services(settings, shelf=Shelf(MODEL))) as client:
        yield client
    hub.heal()


def listed(client: httpx.Client, path: str, **params: Any) -> list[str]:
    answer = client.get(f"/v1/discover/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["data"]]


def test_a_list_says_where_it_comes_from(client: httpx.Client) -> None:
    body = client.get("/v1/discover/models", params={"query": "one"}).json()
    assert body["object"] == "list"
    assert (body["source"], body["age_s"], body["next_cursor"], body["total"]) == (
        "hub", 0, None, None
    )  # fmt: skip
    one, four = body["data"]
    assert (one["id"], one["author"], one["name"], one["license"]) == (
        "org/one", "org", "one", "mit"
    )  # fmt: skip
    assert one["installed"] == "not_loaded"
    assert four["installed"] is None
    assert four["supported"] == {"ok": True, "reason": None}
    assert four["quantization"] == "4-bit, group 64"
    assert four["fit"] == {"state": "unknown", "need_bytes": None, "context": None}
    assert client.get("/v1/discover/models", params={"query": "one"}).json()["source"] == "cache"


def test_presets_are_the_list_with_a_filter_or_an_order(client: httpx.Client) -> None:
    assert listed(client, "popular") == ["org/one", "org/one-4"]
    assert listed(client, "trending") == ["org/one-4", "org/one"]
    assert listed(client, "embeddings") == ["org/bge"]
    assert listed(client, "stt") == ["org/whisper"]
    assert listed(client, "tts") == ["org/voice"]
    assert listed(client, "rerankers") == []
    assert listed(client, "vision") == []
    assert listed(client, "embeddings", supported=True) == ["org/bge"]
    assert listed(client, "stt", supported=True) == ["org/whisper"]
    assert listed(client, "models", kind="speech", supported=False) == ["org/voice"]
    assert listed(client, "models", kind="speech", supported=True) == ["org/voice"]
    assert listed(client, "popular", quantization="4bit") == ["org/one-4"]
    assert listed(client, "popular", license="permissive") == ["org/one"]


def test_what_cannot_be_served_is_shown_where_it_is_asked_for(client: httpx.Client) -> None:
    params = {"query": "pickles", "supported": False}
    (found,) = client.get("/v1/discover/models", params=params).json()["data"]
    assert not found["supported"]["ok"]
    assert "safetensors" in found["supported"]["reason"]


def test_pages_follow_by_next_cursor(client: httpx.Client) -> None:
    first = client.get("/v1/discover/models", params={"query": "one", "limit": 1}).json()
    cursor = first["next_cursor"]
    assert listed(client, "models", query="one", limit=1, cursor=cursor) == ["org/one-4"]
    other = client.get("/v1/discover/models", params={"query": "two", "cursor": cursor})
    assert other.status_code == 400
    assert other.json()["error"]["param"] == "cursor"


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": -5}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": 10**9}, "limit"),
        ({"limit": 10**30}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"max_bytes": -1}, "max_bytes"),
        ({"kind": "magic"}, "kind"),
        ({"sort": "beauty"}, "sort"),
        ({"quantization": "9-bit"}, "quantization"),
        ({"quantization": "x" * 5000}, "quantization"),
        ({"license": "mit"}, "license"),
        ({"fits": "perhaps"}, "fits"),
        ({"author": "../x"}, "author"),
        ({"author": "a/b"}, "author"),
        ({"author": "a b"}, "author"),
        ({"query": "a\x00b"}, "query"),
        ({"query": "a\nb"}, "query"),
        ({"query": "x" * 201}, "query"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "x" * 5000}, "cursor"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_its_name(
    client: httpx.Client, hub: HubServer, params: dict[str, Any], param: str
) -> None:
    asked = len(hub.seen)
    answer = client.get("/v1/discover/models", params=params)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] in (param, f"query.{param}")
    assert len(answer.text) < 2000
    assert len(hub.seen) == asked


def test_a_preset_of_one_kind_is_not_asked_for_another(client: httpx.Client) -> None:
    answer = client.get("/v1/discover/stt", params={"kind": "text"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "kind")


def test_one_model_in_detail(client: httpx.Client, hub: HubServer) -> None:
    body = client.get("/v1/discover/models/org/one").json()
    assert body["revision"] == hub.repos["org/one"].head.sha
    needed = {each["path"]: each["needed"] for each in body["files"]}
    assert needed == {
        "README.md": True, "config.json": True, "model.safetensors": True,
        "tokenizer.json": True, "x.py": False,
    }  # fmt: skip
    sizes = {each["path"]: each["size_bytes"] for each in body["files"]}
    assert body["download_bytes"] == sum(
        sizes[path] for path, is_needed in needed.items() if is_needed
    )
    assert body["size_bytes"] == sum(sizes.values())
    assert body["config"] == {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "context_length": 131_072,
        "vocabulary_size": 256, "hidden_size": 64, "layers": 2, "quantization": None,
    }  # fmt: skip
    assert body["card"] == "# Card"
    assert body["link"] == f"{hub.url}/org/one"
    assert [each["id"] for each in body["variants"]] == ["org/one-4"]
    assert any("code of its own" in each for each in body["warnings"])
    assert body["installed"] == "not_loaded"


def test_a_model_of_pickles_says_that_nothing_can_be_fetched(client: httpx.Client) -> None:
    body = client.get("/v1/discover/models/org/pickles").json()
    assert body["download_bytes"] is None
    assert not any(each["needed"] for each in body["files"])
    assert any("pickles only" in each for each in body["warnings"])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("org/none", 404, "model_not_on_hub"),
        ("org/one?revision=v9", 404, "model_not_on_hub"),
        ("a/b/c", 400, "invalid_request"),
        ("..%2F..%2Fetc", 400, "invalid_request"),
        ("https:%2F%2Fevil.test%2Fx", 400, "invalid_request"),
        ("a%20b", 400, "invalid_request"),
        ("a%00b", 400, "invalid_request"),
        ("x" * 500, 400, "invalid_request"),
        ("org/one?revision=../main", 400, "invalid_request"),
    ],
)
def test_a_model_that_is_none(client: httpx.Client, path: str, status: int, code: str) -> None:
    answer = client.get(f"/v1/discover/models/{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["hint"]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"status": 200, "body": b"<html>Sign in</html>"}, 502, "hub_answer"),
        ({"status": 200, "body": b'[{"id": '}, 502, "hub_answer"),
        ({"status": 302, "headers": {"Location": "http://169.254.169.254/"}}, 502, "hub_answer"),
        ({"status": 302, "headers": {"Location": "file:/etc/passwd"}}, 502, "hub_answer"),
        ({"status": 307, "headers": {"Location": "/api/models"}}, 502, "hub_answer"),
        ({"status": 429, "headers": {"Retry-After": "12"}}, 502, "hub_unreachable"),
        ({"status": 500, "body": b"x"}, 502, "hub_unreachable"),
    ],
)
def test_a_hub_that_does_wrong_is_told_without_the_token(
    client: httpx.Client, hub: HubServer, fault: dict[str, Any], status: int, code: str
) -> None:
    hub.fault("*", Fault("status", where="api", times=None, **fault))
    answer = client.get("/v1/discover/models", params={"query": "fresh"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert TOKEN not in answer.text
    if fault["status"] == 429:
        assert answer.headers["retry-after"] == "12"


def test_kinds_are_counted(client: httpx.Client) -> None:
    body = client.get("/v1/discover/categories").json()
    counts = {each["kind"]: (each["count"], each["served"]) for each in body["data"]}
    assert counts["text"] == (2, True)
    assert counts["embedding"] == (0, True)
    assert body["families"] == [{"model_type": "llama", "count": 2, "supported": True}]
    assert (body["counted"], body["complete"]) == (2, True)


def test_only_what_fits_is_compatible(hub: HubServer, tmp_path: Path) -> None:
    parts = services(config(tmp_path, hub_endpoint=hub.url))
    facts = DeviceFacts(
        backend="cpu", name="test", memory_bytes=2**33, working_set_bytes=None, versions={},
        model_types={"text": ("llama",)},
    )  # fmt: skip
    parts.machine.device.facts = facts
    with asking(parts) as client:
        found = client.get("/v1/discover/compatible").json()["data"]
        assert {each["fit"]["state"] for each in found} <= {"yes", "tight", "after_eviction"}
        others = msgspec.structs.replace(facts, model_types={"text": ("other",)})
        parts.machine.device.facts = others
        assert client.get("/v1/discover/compatible").json()["data"] == []


def test_starters_need_no_hub(tmp_path: Path) -> None:
    parts = services(config(tmp_path, offline=True))
    with asking(parts) as client:
        unknown = client.get("/v1/discover/starters").json()
        assert (unknown["usable_bytes"], unknown["memory_gb"]) == (None, None)
        assert not any(each["chosen"] for each in unknown["data"])
        parts.machine.device.facts = DeviceFacts(
            backend="cpu", name="test", memory_bytes=2**33, working_set_bytes=None, versions={},
            model_types={"text": ("llama", "qwen3"), "embedding": ("qwen3",)},
        )  # fmt: skip
        body = client.get("/v1/discover/starters").json()
    assert body["usable_bytes"] > 0
    chosen = [each["kind"] for each in body["data"] if each["chosen"]]
    assert len(set(chosen)) == len(chosen) > 0
    by_id = {each["id"]: each for each in body["data"]}
    embedding = by_id["mlx-community/Qwen3-Embedding-4B-4bit-DWQ"]
    assert embedding["dimensions"] == 2560
    assert embedding["supported"]["ok"]
    speech = next(each for each in body["data"] if each["kind"] == "transcription")
    assert speech["supported"]["ok"]
    seeing = next(each for each in body["data"] if each["kind"] == "vision")
    assert seeing["supported"]["reason"].startswith("The architecture 'qwen2_vl' is not supported")
    assert by_id["mlx-community/Qwen3-0.6B-4bit"]["supported"]["ok"]
    assert by_id["mlx-community/SmolLM3-3B-4bit"]["supported"]["ok"] is False
    assert {each["tried"] for each in body["data"] if not each["embedded"]} == {False}
