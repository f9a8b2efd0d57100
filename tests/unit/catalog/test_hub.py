"""Our client of the hub, against the local one: what it reads, and what it refuses."""

import asyncio
import contextlib
import json
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import certifi
import pytest

from mlx_gui.catalog.hub import Hub
from mlx_gui.catalog.hub_answers import Answer, HubAnswers, Key
from mlx_gui.catalog.hub_threads import HubThreads
from mlx_gui.config import resolve
from mlx_gui.core.errors import (
    GatedModel,
    HubAnswer,
    HubUnreachable,
    InvalidRequest,
    MlxGuiError,
    ModelNotOnHub,
    Offline,
    ShuttingDown,
)
from mlx_gui.core.hub import HubQuery
from tests.hub.client import hub_client
from tests.hub.faults import Fault
from tests.hub.server import HubServer

T = TypeVar("T")
TOKEN = "hf_abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    (made / "voices").mkdir(parents=True)
    (made / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 8}))
    (made / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    (made / "voices" / "one.txt").write_text("one\n")
    (made / "tokenizer.json").write_text("{}")
    return made


@pytest.fixture
def server(folder: Path) -> Iterator[HubServer]:
    with HubServer() as hub:
        hub.add(
            "tiny/llama", folder, tags=("mlx",), pipeline_tag="text-generation", license="mit",
            downloads=7, likes=2, base_model="meta/llama",
        )  # fmt: skip
        yield hub


def ask(
    server: HubServer | str,
    folder: Path,
    question: Callable[[Hub], Awaitable[T]],
    **settings: object,
) -> T:
    """What a client of its own finds, which is closed again."""
    endpoint = server if isinstance(server, str) else server.url

    async def asking() -> T:
        async with hub_client(folder / "data", endpoint, **settings) as hub:
            return await question(hub)

    return asyncio.run(asking())


def test_a_search_says_what_the_hub_says(server: HubServer, tmp_path: Path) -> None:
    page, told = ask(server, tmp_path, lambda hub: hub.search(HubQuery(search="LLAM")))
    (found,) = page.models
    assert (found.id, found.author, found.name) == ("tiny/llama", "tiny", "llama")
    assert (found.license, found.base_model, found.pipeline_tag) == (
        "mit", "meta/llama", "text-generation"
    )  # fmt: skip
    assert (found.downloads, found.likes, found.gated) == (7, 2, False)
    assert found.config == {"model_type": "llama"}
    assert found.updated_at == "2025-06-01T00:00:00.000Z"
    assert (page.cursor, told.age_s, told.stale_because) == (None, 0, None)


def test_pages_follow_by_their_cursor(server: HubServer, folder: Path, tmp_path: Path) -> None:
    for index in range(4):
        server.add(f"many/model-{index}", folder, downloads=index)

    async def all_pages(hub: Hub) -> list[str]:
        found: list[str] = []
        cursor: str | None = None
        while True:
            query = HubQuery(author="many", sort="downloads", limit=3)
            page, _ = await hub.search(query, cursor=cursor)
            found += [each.name for each in page.models]
            cursor = page.cursor
            if cursor is None:
                return found

    assert ask(server, tmp_path, all_pages) == [f"model-{index}" for index in (3, 2, 1, 0)]


def test_a_detail_has_files_with_sizes(server: HubServer, tmp_path: Path) -> None:
    found, _ = ask(server, tmp_path, lambda hub: hub.detail("tiny/llama"))
    assert found.revision == server.repos["tiny/llama"].head.sha
    assert {each.path: each.size_bytes for each in found.files or ()}["voices/one.txt"] == 4


def test_a_tree_has_every_file_with_its_digests(server: HubServer, tmp_path: Path) -> None:
    server.page = 2
    tree = ask(server, tmp_path, lambda hub: hub.tree("tiny/llama"))
    commit = server.repos["tiny/llama"].head
    assert (tree.model_id, tree.revision) == ("tiny/llama", commit.sha)
    assert {(each.path, each.size_bytes, each.blob_id, each.sha256) for each in tree.files} == {
        (each.path, each.size, each.oid, each.sha256) for each in commit.files
    }


def test_a_renamed_repo_is_called_by_its_new_name(server: HubServer, tmp_path: Path) -> None:
    server.rename("tiny/llama", "tiny/lama")
    assert ask(server, tmp_path, lambda hub: hub.tree("tiny/llama")).model_id == "tiny/lama"
    found, _ = ask(server, tmp_path, lambda hub: hub.detail("tiny/llama"))
    assert found.id == "tiny/lama"


def test_small_files_are_read_and_others_are_not_there(server: HubServer, tmp_path: Path) -> None:
    revision = server.repos["tiny/llama"].head.sha
    card = ask(server, tmp_path, lambda hub: hub.text("tiny/llama", revision, "README.md"))
    assert card is not None
    assert card.endswith("# A model\n")
    short = ask(
        server, tmp_path / "b",
        lambda hub: hub.text("tiny/llama", revision, "README.md", limit_bytes=3),
    )  # fmt: skip
    assert short == "---"
    assert ask(server, tmp_path, lambda hub: hub.text("tiny/llama", revision, "none")) is None


def test_addresses_of_files_are_quoted(server: HubServer, tmp_path: Path) -> None:
    async def url(hub: Hub) -> str:
        return hub.resolve_url("tiny/llama", "refs/pr/1", "a b/c?.txt")

    assert ask(server, tmp_path, url) == (
        f"{server.url}/tiny/llama/resolve/refs%2Fpr%2F1/a%20b/c%3F.txt"
    )


# --- what is not there, or not for everybody -----------------------------------------------------


@pytest.mark.parametrize("token", [None, TOKEN])
def test_a_model_that_is_not_there(server: HubServer, tmp_path: Path, token: str | None) -> None:
    server.tokens[TOKEN] = set()
    settings = {} if token is None else {"hub_token": token}
    with pytest.raises(ModelNotOnHub, match="has no model tiny/none"):
        ask(server, tmp_path, lambda hub: hub.detail("tiny/none"), **settings)
    with pytest.raises(ModelNotOnHub, match="no such revision"):
        ask(server, tmp_path, lambda hub: hub.tree("tiny/llama", revision="v9"), **settings)


def test_a_gated_model_says_what_to_open_and_where_the_token_goes(
    server: HubServer, tmp_path: Path
) -> None:
    server.change("tiny/llama", gated="manual")
    server.tokens[TOKEN] = set()
    with pytest.raises(GatedModel) as without:
        ask(server, tmp_path, lambda hub: hub.tree("tiny/llama"))
    assert f"{server.url}/tiny/llama" in without.value.hint
    assert "hub_token" in without.value.hint
    assert without.value.details["link"] == f"{server.url}/tiny/llama"
    with pytest.raises(GatedModel) as refused:
        ask(server, tmp_path, lambda hub: hub.tree("tiny/llama"), hub_token=TOKEN)
    assert "ask for access" in refused.value.hint
    assert TOKEN not in refused.value.message + refused.value.hint
    found, _ = ask(server, tmp_path, lambda hub: hub.detail("tiny/llama"))
    assert found.gated
    server.tokens[TOKEN].add("tiny/llama")
    assert ask(server, tmp_path, lambda hub: hub.tree("tiny/llama"), hub_token=TOKEN).files


def test_the_token_of_the_usual_places_is_taken(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    ask(server, tmp_path, lambda hub: hub.detail("tiny/llama"))
    assert server.seen[-1].token == f"Bearer {TOKEN}"
    ask(server, tmp_path / "b", lambda hub: hub.detail("tiny/llama"), hub_token="hf_other")
    assert server.seen[-1].token == "Bearer hf_other"


@pytest.mark.parametrize("model_id", ["../x", "a/b/c", "https://evil.test/x", "a b", "x" * 500])
def test_strange_ids_ask_nobody(server: HubServer, tmp_path: Path, model_id: str) -> None:
    for question in (
        lambda hub: hub.detail(model_id),
        lambda hub: hub.tree(model_id),
        lambda hub: hub.text(model_id, "main", "README.md"),
    ):
        with pytest.raises(InvalidRequest):
            ask(server, tmp_path, question)
    assert server.seen == []


def test_strange_revisions_ask_nobody(server: HubServer, tmp_path: Path) -> None:
    for revision in ("../../x", "main?x=1", "a b", ""):
        with pytest.raises(InvalidRequest):
            ask(server, tmp_path, lambda hub, at=revision: hub.tree("tiny/llama", revision=at))
    assert server.seen == []


# --- hubs that do wrong --------------------------------------------------------------------------


def strike(server: HubServer, **fault: Any) -> None:
    server.fault("*", Fault("status", where="api", times=None, **fault))


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<html>Sign in</html>", "a web page"),
        (200, b'[{"id": "tiny/llama", "tags": [', "no JSON"),
        (200, b"", "nothing"),
        (200, b"[" * 100_000, "no JSON"),
        (200, b'"text"', "no list"),
        (200, b"\xff\xfe", "no JSON"),
        (404, b"<html>Not here</html>", "status 404"),
        (418, b"", "status 418"),
        (401, b'{"error": "Invalid"}', "does not take the token"),
    ],
)
def test_answers_that_make_no_sense(
    server: HubServer, tmp_path: Path, status: int, body: bytes, said: str
) -> None:
    strike(server, status=status, body=body)
    with pytest.raises(HubAnswer) as refused:
        ask(server, tmp_path, lambda hub: hub.search(HubQuery(search="x")))
    assert said in refused.value.message
    assert not refused.value.retryable


def test_a_model_of_the_list_that_makes_no_sense_is_left_out(
    server: HubServer, tmp_path: Path
) -> None:
    listed = [
        {"id": "../etc"}, 5, None, [], {"tags": []}, {"id": 7},
        {"id": "good/one", "tags": "x", "likes": -5, "downloads": 10**30, "safetensors": [],
         "cardData": 7, "config": [], "gated": "auto", "lastModified": "a\nb", "siblings": 5,
         "baseModels": {"models": [7]}, "library_name": {}, "sha": "x"},
    ]  # fmt: skip
    strike(server, status=200, body=json.dumps(listed).encode())
    page, _ = ask(server, tmp_path, lambda hub: hub.search(HubQuery()))
    (found,) = page.models
    assert found.id == "good/one"
    assert (found.likes, found.downloads, found.updated_at, found.revision) == (None,) * 4
    assert found.gated is True


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:9/api/models", "http://10.0.0.1/x", "http://169.254.169.254/latest",
        "https://evil.test/steal", "file://localhost/etc/passwd", "//evil.test/x", "ftp://evil.test/",
        "http://[::1/", "http://user@evil.test/",
    ],
)  # fmt: skip
def test_a_redirect_to_another_address_is_not_followed(
    server: HubServer, tmp_path: Path, target: str
) -> None:
    strike(server, status=302, headers={"Location": target})
    with pytest.raises(HubAnswer, match="another address") as refused:
        ask(server, tmp_path, lambda hub: hub.tree("tiny/llama"), hub_token=TOKEN)
    assert TOKEN not in str(refused.value)


def test_redirects_in_a_circle_end(server: HubServer, tmp_path: Path) -> None:
    strike(server, status=307, headers={"Location": "/api/models/tiny/llama/revision/main"})
    with pytest.raises(HubAnswer, match="in a circle"):
        ask(server, tmp_path, lambda hub: hub.tree("tiny/llama"))
    assert len(server.seen) < 10


def test_a_tree_without_end_ends(server: HubServer, tmp_path: Path) -> None:
    commit = server.repos["tiny/llama"].head.sha
    fault = Fault(
        "status", where="api", times=None, skip=1, status=200, body=b"[]",
        headers={"Link": f'<{server.url}/x?cursor=again>; rel="next"'},
    )  # fmt: skip
    server.fault("tiny/llama", fault)
    with pytest.raises(HubAnswer, match="does not end"):
        ask(server, tmp_path, lambda hub: hub.tree("tiny/llama", revision=commit))


def tree_entry(**said: object) -> dict[str, object]:
    return {"type": "file", "path": "a", "size": 1, "oid": "0" * 40, **said}


@pytest.mark.parametrize(
    "entries",
    [
        [tree_entry(path="../../.ssh/authorized_keys")],
        [tree_entry(path="/etc/passwd")],
        [tree_entry(path="a\\..\\b")],
        [tree_entry(path="a\nb")],
        [tree_entry(path=5)],
        [tree_entry(size=-1)],
        [tree_entry(size=2**60)],
        [tree_entry(size=True)],
        [tree_entry(oid="../x")],
        [tree_entry(lfs={"oid": "short", "size": 1})],
        [tree_entry(lfs={"oid": "0" * 64, "size": "1"})],
        [tree_entry(), tree_entry()],
        [tree_entry(), tree_entry(path="a/b")],
        {"not": "a list"},
    ],
)
def test_a_tree_that_cannot_be_trusted_is_refused(
    server: HubServer, tmp_path: Path, entries: object
) -> None:
    body = json.dumps(entries).encode()
    server.fault(
        "tiny/llama", Fault("status", where="api", times=None, skip=1, status=200, body=body)
    )
    with pytest.raises(HubAnswer):
        ask(server, tmp_path, lambda hub: hub.tree("tiny/llama"))


@pytest.mark.parametrize(
    "info",
    [{"sha": "main"}, {"sha": None}, {"id": "../x", "sha": "0" * 40}, {"sha": "0" * 40}, []],
)
def test_a_model_without_commit_or_name_is_refused(
    server: HubServer, tmp_path: Path, info: object
) -> None:
    strike(server, status=200, body=json.dumps(info).encode())
    with pytest.raises(HubAnswer):
        ask(server, tmp_path, lambda hub: hub.tree("tiny/llama"))


def test_a_hub_that_asks_to_wait_says_for_how_long(server: HubServer, tmp_path: Path) -> None:
    strike(server, status=429, headers={"Retry-After": "30"})
    with pytest.raises(HubUnreachable, match="wait for 30 s") as refused:
        ask(server, tmp_path, lambda hub: hub.tree("tiny/llama"))
    assert (refused.value.retry_after_s, refused.value.retryable) == (30, True)
    assert len(server.seen) == 1


def test_a_fault_of_the_hub_is_told_as_its_own(server: HubServer, tmp_path: Path) -> None:
    strike(server, status=503, body=b"<html>down</html>")
    with pytest.raises(HubUnreachable, match="status 503"):
        ask(server, tmp_path, lambda hub: hub.tree("tiny/llama"))


def test_nobody_at_the_address(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(HubUnreachable, match="cannot be reached"):
        ask(endpoint, tmp_path, lambda hub: hub.tree("tiny/llama"))


def test_a_server_that_speaks_no_http(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for _ in range(2):  # it is asked once more
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"220 mail.test ESMTP\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(HubUnreachable):
            ask(
                f"http://127.0.0.1:{listener.getsockname()[1]}", tmp_path,
                lambda hub: hub.tree("tiny/llama"),
            )  # fmt: skip
        thread.join()


# --- what is remembered --------------------------------------------------------------------------


def test_what_was_answered_not_long_ago_is_not_asked_again(
    server: HubServer, tmp_path: Path
) -> None:
    async def twice(hub: Hub) -> tuple[float, float]:
        _, first = await hub.search(HubQuery(search="llama"))
        _, second = await hub.search(HubQuery(search="llama"))
        await hub.search(HubQuery(search="other"))
        return first.age_s, second.age_s

    first, second = ask(server, tmp_path, twice)
    assert first == 0 < second
    assert len(server.seen) == 2


def test_what_the_hub_said_last_does_when_it_is_away(server: HubServer, tmp_path: Path) -> None:
    ask(server, tmp_path, lambda hub: hub.detail("tiny/llama"))
    forget_the_time(tmp_path)
    strike(server, status=503)
    found, told = ask(server, tmp_path, lambda hub: hub.detail("tiny/llama"))
    assert found.id == "tiny/llama"
    assert told.age_s > 1000
    assert told.stale_because is not None
    assert "status 503" in told.stale_because
    for reason in ({"offline": True},):
        _, told = ask(server, tmp_path, lambda hub: hub.detail("tiny/llama"), **reason)
        assert told.stale_because is not None
        assert "offline" in told.stale_because


def forget_the_time(folder: Path) -> None:
    """As if what is remembered was remembered long ago."""
    import msgspec

    kept = list((folder / "data" / "cache" / "hub").glob("*.answer"))
    assert kept
    for path in kept:
        answer = msgspec.msgpack.decode(path.read_bytes(), type=Answer)
        old = msgspec.structs.replace(answer, at_s=answer.at_s - 5000)
        path.write_bytes(msgspec.msgpack.encode(old))


def test_offline_asks_nobody(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Offline, match="the setting `offline` is on"):
        ask(server, tmp_path, lambda hub: hub.detail("tiny/llama"), offline=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for question in (lambda hub: hub.tree("tiny/llama"), lambda hub: hub.search(HubQuery())):
        with pytest.raises(Offline, match="HF_HUB_OFFLINE is set"):
            ask(server, tmp_path, question)
    assert server.seen == []


def test_what_one_token_may_see_is_not_shown_to_another(server: HubServer, tmp_path: Path) -> None:
    ask(server, tmp_path, lambda hub: hub.detail("tiny/llama"), hub_token=TOKEN)
    ask(server, tmp_path, lambda hub: hub.detail("tiny/llama"))
    assert len(server.seen) == 2
    kept = b"".join(
        path.name.encode() + path.read_bytes() for path in (tmp_path / "data").rglob("*.answer")
    )
    assert kept
    assert TOKEN.encode() not in kept


def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    keys = [Key.of("https://hub.test", None, index) for index in range(450)]
    answers = HubAnswers(tmp_path)
    for key in keys:
        answers.keep(key, Answer(b"x" * 1000, None, 1.0))
    assert len(list(tmp_path.iterdir())) == 400
    assert answers.find(keys[-1]) is not None
    assert answers.find(keys[0]) is None
    next(tmp_path.iterdir()).write_bytes(b"damaged")
    again = HubAnswers(tmp_path)
    assert sum(again.find(key) is not None for key in keys) == 399
    assert len(again.all(keys[0])) == 399
    assert again.all(Key.of("https://hub.test", "hf_other", 0)) == []


def test_an_answer_that_drips_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(10_000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                while not given_up.wait(0.02):
                    connection.sendall(b"[")

        given_up = threading.Event()
        thread = threading.Thread(target=drip)
        thread.start()
        config = resolve(
            flags={
                "data_dir": str(tmp_path),
                "hub_endpoint": f"http://127.0.0.1:{listener.getsockname()[1]}",
            },
            environment={},
        )

        async def asking() -> None:
            hub = Hub(config=lambda: config, folder=tmp_path, patience_s=0.3)
            try:
                await hub.search(HubQuery())
            finally:
                await hub.close()

        with pytest.raises(HubUnreachable, match=r"within 0\.3 s"):
            asyncio.run(asking())
        given_up.set()
        thread.join()


def test_the_token_is_in_no_log(
    server: HubServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.tokens[TOKEN] = set()
    with caplog.at_level(logging.DEBUG):
        ask(server, tmp_path, lambda hub: hub.detail("tiny/llama"), hub_token=TOKEN)
        for fault in ({"status": 503}, {"status": 302, "headers": {"Location": "http://x.test/"}}):
            server.heal()
            strike(server, **fault)
            with pytest.raises(MlxGuiError) as refused:
                ask(server, tmp_path, lambda hub: hub.tree("tiny/llama"), hub_token=TOKEN)
            assert TOKEN not in repr(refused.value.info())
    assert TOKEN not in caplog.text


def test_an_address_that_is_none_is_not_repeated(tmp_path: Path) -> None:
    variables = {"HF_ENDPOINT": "https://me:secret@hub.test"}
    config = resolve(flags={"data_dir": str(tmp_path)}, environment=variables)

    async def asking() -> None:
        hub = Hub(config=lambda: config, folder=tmp_path)
        try:
            await hub.search(HubQuery())
        finally:
            await hub.close()

    with pytest.raises(HubUnreachable, match="HF_ENDPOINT") as refused:
        asyncio.run(asking())
    assert "secret" not in refused.value.message


def test_whoever_waits_for_the_hub_hears_that_the_server_stops(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"

        async def asking() -> None:
            async with hub_client(tmp_path, endpoint) as hub:
                queries = [HubQuery(search=str(number)) for number in range(9)]
                waiting = [asyncio.ensure_future(hub.search(query)) for query in queries]
                connection, _ = await asyncio.to_thread(silent.accept)
                hub.stop()
                for each in waiting:
                    with pytest.raises(ShuttingDown):
                        await each
                connection.close()

        asyncio.run(asking())


def test_a_proxy_of_the_usual_variable_is_used(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)
    page, _ = ask("http://hub.test", tmp_path, lambda hub: hub.search(HubQuery(search="llama")))
    assert [each.id for each in page.models] == ["tiny/llama"]
    assert server.seen[-1].target.startswith("http://hub.test/api/models?")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    asked = len(server.seen)
    with pytest.raises(HubUnreachable, match="cannot be reached"):
        ask("http://127.0.0.1:1", tmp_path, lambda hub: hub.tree("tiny/llama"))
    assert len(server.seen) == asked


def test_certificates_are_those_of_the_usual_variables(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    ask(server, tmp_path, lambda hub: hub.search(HubQuery()))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with pytest.raises(HubUnreachable, match=r"certificates of .*none\.pem cannot be read"):
        ask(server, tmp_path, lambda hub: hub.tree("tiny/llama"))
    damaged = tmp_path / "damaged.pem"
    damaged.write_text("-----BEGIN CERTIFICATE-----\nnone\n")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(damaged))
    with pytest.raises(HubUnreachable, match=r"certificates of .*damaged\.pem cannot be read"):
        ask(server, tmp_path, lambda hub: hub.tree("tiny/llama"))


def test_what_never_ends_is_left_alone() -> None:
    never = threading.Event()

    async def asking() -> None:
        with pytest.raises(HubUnreachable, match=r"within 0\.1 s"):
            await HubThreads(1).run(never.wait, within_s=0.1)

    asyncio.run(asking())
    never.set()
