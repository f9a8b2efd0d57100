"""Searches of the hub: what is found, what it would be here, and what is left out."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mlx_gui.catalog.discovery import Discovery
from mlx_gui.catalog.hub_found import FoundPage, Room, Wanted
from mlx_gui.core.errors import HubUnreachable, InvalidRequest
from tests.hub.client import hub_client
from tests.hub.faults import Fault
from tests.hub.folders import model_folder
from tests.hub.server import HubServer

T = TypeVar("T")
ROOM = Room("metal", budget_bytes=8_000_000_000, free_bytes=8_000_000_000)
SUPPORTED = {"text": ("llama", "qwen3", "gemma3")}


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HubServer]:
    folders = tmp_path / "folders"
    text: dict[str, Any] = {"tags": ("mlx",), "pipeline_tag": "text-generation"}
    with HubServer() as hub:
        plain = model_folder(folders / "plain")
        four = model_folder(folders / "four", bits=4)
        eight = model_folder(folders / "eight", bits=8)
        hub.add("meta/llama", plain, license="llama3", downloads=90, pipeline_tag="text-generation")
        hub.add("mlx/llama-4", four, base_model="meta/llama", downloads=50, trending=9, **text)
        hub.add("mlx/llama-8", eight, base_model="meta/llama", downloads=40, likes=3, **text)
        strange = model_folder(folders / "strange", config={"model_type": "never_heard_of"})
        hub.add("odd/strange", strange, downloads=30, **text)
        embedding = model_folder(
            folders / "embedding", config={"model_type": "bert", "architectures": ["BertModel"]}
        )
        hub.add("baai/bge", embedding, pipeline_tag="feature-extraction", downloads=20)
        hub.add("openai/whisper", plain, pipeline_tag="automatic-speech-recognition")
        yield hub


def find(
    server: HubServer,
    folder: Path,
    question: Callable[[Discovery], Awaitable[T]],
    *,
    room: Room | None = ROOM,
    **settings: object,
) -> T:
    async def asking() -> T:
        async with hub_client(folder / "data", server.url, **settings) as hub:
            return await question(Discovery(hub, supported=SUPPORTED, room=room))

    return asyncio.run(asking())


def search(server: HubServer, folder: Path, wanted: Wanted, **asked: Any) -> FoundPage:
    return find(server, folder, lambda discovery: discovery.search(wanted), **asked)


def ids(page: FoundPage) -> list[str]:
    return [each.hub.id for each in page.models]


def test_without_a_query_models_for_mlx_come_in_the_order_of_these_days(
    server: HubServer, tmp_path: Path
) -> None:
    page = search(server, tmp_path, Wanted())
    assert ids(page) == ["mlx/llama-4", "mlx/llama-8"]
    assert (page.next_cursor, page.asked_hub, page.age_s) == (None, True, 0)
    assert page.notes == ("Without a query or an author these are models that are tagged `mlx`.",)


def test_a_query_finds_what_can_be_served_wherever_it_comes_from(
    server: HubServer, tmp_path: Path
) -> None:
    page = search(server, tmp_path, Wanted(query="llama"))
    assert ids(page) == ["meta/llama", "mlx/llama-4", "mlx/llama-8"]
    assert page.notes == ()


def test_an_item_says_what_the_hub_knows(server: HubServer, tmp_path: Path) -> None:
    plain, four, eight = search(server, tmp_path, Wanted(query="llama")).models
    assert (plain.kind, plain.model_type, plain.unsupported) == ("text", "llama", None)
    assert (plain.quantization, four.quantization, eight.quantization) == (
        None, "4-bit, group 64", "8-bit, group 64"
    )  # fmt: skip
    assert plain.size_bytes == (256 * 64 + 64) * 2
    assert four.size_bytes == 256 * 64 // 2 + (2 * 256 + 64) * 2
    assert plain.parameter_count == four.parameter_count == eight.parameter_count == 256 * 64 + 64
    assert [other.hub.id for other in four.variants] == ["mlx/llama-8"]
    assert plain.hub.license == "llama3"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(query="llama", quantization="4-bit"), ["mlx/llama-4"]),
        (Wanted(query="llama", quantization="none"), ["meta/llama"]),
        (Wanted(query="llama", licence="terms"), ["meta/llama"]),
        (Wanted(query="llama", licence="copyleft"), []),
        (Wanted(query="llama", max_bytes=20_000), ["mlx/llama-4", "mlx/llama-8"]),
        (Wanted(query="llama", sort="likes", limit=1), ["mlx/llama-8"]),
        (Wanted(query="llama", sort="size"), ["mlx/llama-4", "mlx/llama-8", "meta/llama"]),
        (Wanted(author="META"), ["meta/llama"]),
        (Wanted(kind="embedding"), ["baai/bge"]),
        (Wanted(kind="embedding", supported=True), ["baai/bge"]),
        (Wanted(kind="transcription"), ["openai/whisper"]),
        (Wanted(kind="text", query="a"), ["meta/llama", "mlx/llama-4", "mlx/llama-8"]),
        (Wanted(query="strange"), []),
        (Wanted(query="strange", supported=False), ["odd/strange"]),
        (Wanted(query="nothing-like-it"), []),
    ],
)
def test_filters_leave_out_the_rest(
    server: HubServer, tmp_path: Path, wanted: Wanted, found: list[str]
) -> None:
    assert ids(search(server, tmp_path, wanted)) == found


def test_a_model_that_speaks_is_served_or_says_what_it_needs(
    server: HubServer, tmp_path: Path
) -> None:
    for name in ("pocket_tts", "kokoro"):
        folder = model_folder(tmp_path / name, config={"model_type": name})
        server.add(f"talk/{name}", folder, pipeline_tag="text-to-speech")

    everything = search(server, tmp_path, Wanted(author="talk", kind="speech", supported=False))

    reasons = {each.hub.id: each.unsupported for each in everything.models}
    assert reasons["talk/pocket_tts"] is None
    assert "misaki" in (reasons["talk/kokoro"] or "")
    assert ids(search(server, tmp_path, Wanted(kind="speech"))) == ["talk/pocket_tts"]


def test_a_kind_of_several_tasks_is_found_in_all_of_them(server: HubServer, tmp_path: Path) -> None:
    folder = tmp_path / "folders" / "embedding"
    server.add("sbert/minilm", folder, pipeline_tag="sentence-similarity", downloads=99, likes=1)
    server.add("bare/bert", folder, downloads=1)
    wanted = Wanted(kind="embedding", sort="downloads")
    assert ids(search(server, tmp_path, wanted)) == ["sbert/minilm", "baai/bge"]
    wanted = Wanted(kind="embedding", query="b")
    found = ["sbert/minilm", "baai/bge", "bare/bert"]
    assert ids(search(server, tmp_path, wanted)) == found
    first = search(server, tmp_path, replace(wanted, limit=2))
    rest = search(server, tmp_path, replace(wanted, limit=2, cursor=first.next_cursor))
    assert ids(first) + ids(rest) == found


@pytest.mark.parametrize("sort", ["trending", "downloads", "likes", "newest", "size"])
def test_several_lists_can_be_put_in_any_order(
    server: HubServer, tmp_path: Path, sort: Any
) -> None:
    page = search(server, tmp_path, Wanted(kind="text", query="llama", sort=sort))
    assert sorted(ids(page)) == ["meta/llama", "mlx/llama-4", "mlx/llama-8"]


def test_what_cannot_be_served_says_why(server: HubServer, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.json").write_text('{"model_type": "llama"}')
    (bare / "pytorch_model.bin").write_bytes(b"pickle")
    server.add("old/pickle", bare, pipeline_tag="text-generation")
    page = search(server, tmp_path, Wanted(supported=False))
    reasons = {each.hub.id: each.unsupported for each in page.models}
    assert reasons["meta/llama"] is None
    assert "never_heard_of" in (reasons["odd/strange"] or "")
    assert reasons["baai/bge"] is None
    assert reasons["old/pickle"] == "It has no weights in safetensors, as far as the hub tells."


def test_nothing_is_read_out_of_a_name(server: HubServer, tmp_path: Path) -> None:
    folder = tmp_path / "nameless"
    folder.mkdir()
    (folder / "README.md").write_text("# Nothing")
    server.add("who/Qwen3-8B-Instruct-4bit-mlx-embedding", folder)
    (found,) = search(server, tmp_path, Wanted(author="who", supported=False)).models
    assert (found.kind, found.quantization, found.parameter_count, found.size_bytes) == (None,) * 4
    assert (found.model_type, found.capabilities, found.fit.state) == (None, (), "unknown")


TEMPLATE = "{% if tools %}{{ tools }}{% endif %}{% if enable_thinking %}<think>{% endif %}"
NAMED = [{"name": "default", "template": "{{ x }}"}, {"name": "tool_use", "template": TEMPLATE}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer_config.json", json.dumps({"bos_token": "<s>", "chat_template": TEMPLATE})),
        ("tokenizer_config.json", json.dumps({"chat_template": NAMED})),
        ("chat_template.jinja", TEMPLATE),
        ("chat_template.json", json.dumps({"chat_template": TEMPLATE})),
    ],
)
@pytest.mark.parametrize("repeats_config", [True, False])
def test_the_chat_template_tells_what_a_model_can_do(
    server: HubServer, tmp_path: Path, name: str, content: str, *, repeats_config: bool
) -> None:
    folder = model_folder(tmp_path / "talks", files={name: content})
    server.add("talk/er", folder, pipeline_tag="text-generation", repeats_templates=repeats_config)
    (found,) = search(server, tmp_path, Wanted(author="talk")).models
    whole = ("chat", "completion", "tools", "thinking")
    assert found.capabilities == (whole if repeats_config else ("completion",))
    assert "tokenizer_config" not in found.hub.config
    detail = find(server, tmp_path, lambda discovery: discovery.detail("talk/er", "main"))
    assert detail.found.capabilities == whole


def test_a_file_without_a_template_tells_nothing(server: HubServer, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mute", files={"tokenizer_config.json": "[1, 2"})
    server.add("mute/one", folder, pipeline_tag="text-generation")
    detail = find(server, tmp_path, lambda discovery: discovery.detail("mute/one", "main"))
    assert detail.found.capabilities == ("completion",)


@pytest.mark.parametrize(
    ("budget", "free", "state"),
    [(8 * 10**9, 8 * 10**9, "yes"), (8 * 10**9, 10**6, "after_eviction"), (10**6, 10**6, "no"),
     (120_000_000, 120_000_000, "tight")],
)  # fmt: skip
def test_the_fit_follows_from_the_weights_and_the_room(
    server: HubServer, tmp_path: Path, budget: int, free: int, state: str
) -> None:
    room = Room("metal", budget, free)
    found = search(server, tmp_path, Wanted(query="meta"), room=room).models[0]
    assert found.fit.state == state
    assert found.fit.need_bytes is not None
    assert found.fit.need_bytes > (found.size_bytes or 0)
    assert found.fit.context is None


def test_only_what_fits(server: HubServer, tmp_path: Path) -> None:
    small = replace(ROOM, budget_bytes=10**6, free_bytes=10**6)
    assert ids(search(server, tmp_path, Wanted(query="llama", fits=True), room=small)) == []
    assert len(ids(search(server, tmp_path, Wanted(query="llama", fits=True)))) == 3
    unknown = search(server, tmp_path, Wanted(query="llama"), room=None)
    assert {each.fit.state for each in unknown.models} == {"unknown"}


# --- pages ---------------------------------------------------------------------------------------


def test_pages_have_everything_once(server: HubServer, tmp_path: Path) -> None:
    server.page = 3
    folder = model_folder(tmp_path / "many")
    other = model_folder(tmp_path / "other", config={"model_type": "kokoro"})
    for index in range(10):
        server.add(f"many/model-{index}", folder, downloads=index, pipeline_tag="text-generation")
        server.add(f"many/other-{index}", other, downloads=index, pipeline_tag="text-to-speech")

    async def all_pages(discovery: Discovery) -> list[str]:
        found: list[str] = []
        wanted = Wanted(author="many", sort="downloads", limit=3)
        while True:
            page = await discovery.search(wanted)
            found += ids(page)
            if page.next_cursor is None:
                return found
            wanted = replace(wanted, cursor=page.next_cursor)

    assert find(server, tmp_path, all_pages) == [
        f"many/model-{index}" for index in range(9, -1, -1)
    ]


def test_sorted_by_size_there_are_pages_too(server: HubServer, tmp_path: Path) -> None:
    wanted = Wanted(query="llama", sort="size", limit=2)
    first = search(server, tmp_path, wanted)
    second = search(server, tmp_path, replace(wanted, cursor=first.next_cursor))
    assert ids(first) + ids(second) == ["mlx/llama-4", "mlx/llama-8", "meta/llama"]
    assert second.next_cursor is None


def test_a_search_that_finds_little_says_how_far_it_looked(
    server: HubServer, tmp_path: Path
) -> None:
    server.page = 1
    folder = model_folder(tmp_path / "speech", config={"model_type": "kokoro"})
    for index in range(9):
        server.add(f"talk/model-{index}", folder, pipeline_tag="text-to-speech")
    page = search(server, tmp_path, Wanted(author="talk"))
    assert page.models == ()
    assert page.next_cursor is not None
    assert any("were looked at" in note for note in page.notes)


def test_a_cursor_of_another_search_is_refused(server: HubServer, tmp_path: Path) -> None:
    cursor = search(server, tmp_path, Wanted(query="llama", limit=1)).next_cursor
    assert cursor is not None
    search(server, tmp_path, Wanted(query="llama", limit=2, cursor=cursor))
    for other in (Wanted(query="lama"), Wanted(query="llama", sort="likes"), Wanted()):
        with pytest.raises(InvalidRequest, match="another search") as refused:
            search(server, tmp_path, replace(other, cursor=cursor))
        assert refused.value.details["param"] == "cursor"


@pytest.mark.parametrize(
    "cursor", ["x", "%%%", "AAAA", "é", "bnVsbA", "W10", "WyJhIiwgbnVsbCwgLTVd"]
)
def test_a_cursor_that_is_none_is_refused(server: HubServer, tmp_path: Path, cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="not one that a list has"):
        search(server, tmp_path, Wanted(cursor=cursor))


# --- without the hub -----------------------------------------------------------------------------


def test_offline_shows_what_is_known(server: HubServer, tmp_path: Path) -> None:
    search(server, tmp_path, Wanted(query="llama"))
    asked = len(server.seen)
    page = search(server, tmp_path, Wanted(query="LLAMA-4"), offline=True)
    assert ids(page) == ["mlx/llama-4"]
    assert not page.asked_hub
    assert "offline" in page.notes[0]
    assert len(server.seen) == asked
    nothing = search(server, tmp_path / "other", Wanted(query="x"), offline=True)
    assert nothing.models == ()
    assert "offline" in nothing.notes[0]


def test_a_hub_that_is_away_is_told_where_nothing_is_known(
    server: HubServer, tmp_path: Path
) -> None:
    server.fault("*", Fault("status", where="api", times=None, status=500))
    with pytest.raises(HubUnreachable):
        search(server, tmp_path, Wanted(query="llama"))
    server.heal()
    search(server, tmp_path, Wanted(query="llama"))
    server.fault("*", Fault("status", where="api", times=None, status=500))
    page = search(server, tmp_path, Wanted(query="llama-8"))
    assert ids(page) == ["mlx/llama-8"]
    assert "status 500" in page.notes[0]


def test_a_search_from_memory_says_so(server: HubServer, tmp_path: Path) -> None:
    async def twice(discovery: Discovery) -> FoundPage:
        await discovery.search(Wanted(query="llama"))
        return await discovery.search(Wanted(query="llama"))

    page = find(server, tmp_path, twice)
    assert not page.asked_hub
    assert page.age_s > 0
    assert len(server.seen) == 1


# --- one model -----------------------------------------------------------------------------------


def test_a_detail_has_all_there_is(server: HubServer, tmp_path: Path) -> None:
    folder = model_folder(
        tmp_path / "full", bits=4,
        files={"README.md": "# Card", "LICENSE": "Free.", "modeling_x.py": "import os"},
    )  # fmt: skip
    server.add(
        "mlx/full", folder, base_model="meta/llama", pipeline_tag="text-generation", tags=("mlx",)
    )
    detail = find(server, tmp_path, lambda discovery: discovery.detail("mlx/full", "main"))
    assert detail.card == "# Card"
    assert detail.license_text == "Free."
    assert detail.config is not None
    assert detail.config["hidden_size"] == 64
    assert [each.hub.id for each in detail.found.variants] == ["mlx/llama-4", "mlx/llama-8"]
    assert detail.found.size_bytes == sum(
        each.stat().st_size for each in folder.rglob("*") if each.is_file()
    )
    planned = detail.planned
    assert planned is not None
    assert planned.facts is not None
    assert planned.facts.text is not None
    assert planned.facts.text.context_length == 131_072
    assert planned.facts.text.kv.bytes_per_token == 2 * 2 * 16 * 2 * 2
    assert planned.facts.parameter_count == 256 * 64 + 64


def test_a_detail_of_what_cannot_be_served_plans_nothing(server: HubServer, tmp_path: Path) -> None:
    detail = find(server, tmp_path, lambda discovery: discovery.detail("odd/strange", "main"))
    assert detail.planned is None
    assert detail.found.unsupported is not None


def test_kinds_and_families_are_counted(server: HubServer, tmp_path: Path) -> None:
    counted = find(server, tmp_path, lambda discovery: discovery.count())
    assert counted.kinds["text"] == 3
    assert counted.kinds["embedding"] == 0
    assert counted.families == {"llama": 2, "never_heard_of": 1}
    assert (counted.looked_at, counted.complete) == (3, True)
