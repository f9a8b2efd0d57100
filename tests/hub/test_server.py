"""The local hub speaks the real one's API: the real client and plain requests agree with it."""

import hashlib
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import close_session

from tests.hub.faults import Fault
from tests.hub.server import HubServer

WEIGHTS = 200_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder, of which the hub keeps two files in LFS."""
    made = tmp_path / "model"
    (made / "voices").mkdir(parents=True)
    (made / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 8}))
    (made / "README.md").write_text("# A model\n")
    (made / "voices" / "one.txt").write_text("one\n")
    (made / "tokenizer.json").write_text("{}")
    header = json.dumps(
        {"w": {"dtype": "F32", "shape": [WEIGHTS // 4], "data_offsets": [0, WEIGHTS]}}
    )
    data = bytes(index % 251 for index in range(WEIGHTS))
    (made / "model.safetensors").write_bytes(
        struct.pack("<Q", len(header)) + header.encode() + data
    )
    return made


@pytest.fixture
def hub(folder: Path) -> Iterator[HubServer]:
    with HubServer() as server:
        server.add(
            "tiny/llama", folder, tags=("mlx",), pipeline_tag="text-generation",
            library_name="mlx", license="mit", downloads=5,
        )  # fmt: skip
        yield server
    close_session()


@pytest.fixture
def api(hub: HubServer) -> HfApi:
    return HfApi(endpoint=hub.url, token=False)


def link(hub: HubServer, path: str = "model.safetensors") -> str:
    """Where the bytes of a file are, as the hub says it."""
    answer = httpx.get(f"{hub.url}/tiny/llama/resolve/main/{path}")
    assert answer.status_code in (302, 307)
    return str(httpx.URL(hub.url).join(answer.headers["Location"]))


def test_the_client_lists_by_filters_and_follows_pages(folder: Path) -> None:
    with HubServer(page=2) as hub:
        for index in range(5):
            hub.add(f"org{index % 2}/model-{index}", folder, tags=("mlx",), downloads=index)
        hub.add("org0/other", folder)
        api = HfApi(endpoint=hub.url, token=False)
        found = [each.id for each in api.list_models(filter="mlx", sort="downloads")]
        assert found == [f"org{index % 2}/model-{index}" for index in (4, 3, 2, 1, 0)]
        assert [each.id for each in api.list_models(author="org0", search="oth")] == ["org0/other"]
        expanded = next(iter(api.list_models(filter="mlx", expand=["safetensors", "downloads"])))
        assert expanded.safetensors is not None
        assert expanded.safetensors.total == WEIGHTS // 4
        assert len(hub.asked(containing="cursor=")) > 0
    close_session()


def test_the_client_reads_what_the_hub_says_of_a_model(hub: HubServer, api: HfApi) -> None:
    info = api.model_info("tiny/llama", files_metadata=True)
    assert info.sha == hub.repos["tiny/llama"].head.sha
    assert info.card_data is not None
    assert info.card_data.license == "mit"
    assert info.tags == ["mlx", "license:mit", "text-generation", "llama", "safetensors"]
    sizes = {each.rfilename: each.size for each in info.siblings or ()}
    assert sizes["tokenizer.json"] == 2
    some = api.model_info("tiny/llama", expand=["usedStorage", "config"])
    assert some.used_storage == sum(size or 0 for size in sizes.values())
    assert some.config == {"model_type": "llama"}
    assert some.downloads is None


def test_the_client_lists_a_tree_over_several_pages(hub: HubServer, api: HfApi) -> None:
    hub.page = 2
    files = {
        each.path: each
        for each in api.list_repo_tree("tiny/llama", recursive=True)
        if hasattr(each, "blob_id")
    }
    assert set(files) == {
        "config.json", "README.md", "voices/one.txt", "tokenizer.json", "model.safetensors"
    }  # fmt: skip
    assert files["README.md"].blob_id == hashlib.sha1(b"blob 10\0# A model\n").hexdigest()


def test_the_client_downloads_a_snapshot_byte_for_byte(
    hub: HubServer, folder: Path, tmp_path: Path
) -> None:
    got = Path(
        snapshot_download("tiny/llama", endpoint=hub.url, cache_dir=tmp_path / "cache", token=False)
    )
    assert got.name == hub.repos["tiny/llama"].head.sha
    for path in folder.rglob("*"):
        if path.is_file():
            assert (got / path.relative_to(folder)).read_bytes() == path.read_bytes()
    assert HfApi(endpoint=hub.url, token=False).verify_repo_checksums(
        "tiny/llama", cache_dir=tmp_path / "cache"
    )


def test_a_new_commit_leaves_the_old_one_where_it_was(
    hub: HubServer, api: HfApi, folder: Path
) -> None:
    before = hub.repos["tiny/llama"].head.sha
    (folder / "extra.json").write_text("{}")
    hub.repos["tiny/llama"].commit(folder)
    assert api.model_info("tiny/llama").sha != before
    assert "extra.json" not in api.list_repo_files("tiny/llama", revision=before)


def test_a_renamed_repo_is_found_by_its_old_name(
    hub: HubServer, api: HfApi, tmp_path: Path
) -> None:
    hub.rename("tiny/llama", "tiny/lama")
    assert api.model_info("tiny/llama").id == "tiny/lama"
    assert "config.json" in api.list_repo_files("tiny/llama")
    got = hf_hub_download(
        "tiny/llama", "tokenizer.json", endpoint=hub.url, cache_dir=tmp_path, token=False
    )
    assert Path(got).read_text() == "{}"


def test_what_is_not_there_is_refused_as_the_client_knows_it(hub: HubServer, api: HfApi) -> None:
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("tiny/none")
    with pytest.raises(RevisionNotFoundError):
        api.model_info("tiny/llama", revision="none")
    with pytest.raises(EntryNotFoundError):
        hf_hub_download("tiny/llama", "none.json", endpoint=hub.url, token=False)


def test_a_gated_repo_shows_its_files_and_gives_them_to_whoever_may(
    hub: HubServer, api: HfApi, tmp_path: Path
) -> None:
    hub.change("tiny/llama", gated="manual")
    hub.tokens["hf_stranger"] = set()
    hub.tokens["hf_friend"] = {"tiny/llama"}
    assert api.model_info("tiny/llama").gated == "manual"
    for token in (False, "hf_stranger"):
        with pytest.raises(GatedRepoError):
            api.auth_check("tiny/llama", token=token)
        with pytest.raises(GatedRepoError):
            hf_hub_download(
                "tiny/llama", "config.json", endpoint=hub.url, token=token, cache_dir=tmp_path
            )
    api.auth_check("tiny/llama", token="hf_friend")
    got = hf_hub_download(
        "tiny/llama", "model.safetensors", endpoint=hub.url, token="hf_friend", cache_dir=tmp_path
    )
    assert Path(got).stat().st_size > WEIGHTS
    cdn = [each for each in hub.asked(containing="Signature=")]
    assert cdn
    assert all(each.token is None for each in cdn)


def test_a_link_says_digest_size_and_commit(hub: HubServer, folder: Path) -> None:
    answer = httpx.head(f"{hub.url}/tiny/llama/resolve/main/model.safetensors")
    content = (folder / "model.safetensors").read_bytes()
    assert answer.status_code == 302
    assert answer.headers["X-Linked-Etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    assert answer.headers["X-Linked-Size"] == str(len(content))
    assert answer.headers["X-Repo-Commit"] == hub.repos["tiny/llama"].head.sha
    assert answer.headers["Location"].startswith(hub.cdn_url)


def test_ranges_are_given_as_asked_for(hub: HubServer, folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    url = link(hub)
    some = httpx.get(url, headers={"Range": "bytes=10-19"})
    assert (some.status_code, some.content) == (206, content[10:20])
    assert some.headers["Content-Range"] == f"bytes 10-19/{len(content)}"
    rest = httpx.get(url, headers={"Range": f"bytes={len(content) - 3}-"})
    assert rest.content == content[-3:]
    past = httpx.get(url, headers={"Range": f"bytes={len(content)}-"})
    assert past.status_code == 416
    assert past.headers["Content-Range"] == f"bytes */{len(content)}"
    other = httpx.get(url, headers={"Range": "bytes=10-19", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, content)


def test_faults_strike_as_often_as_they_should(hub: HubServer, folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    url = link(hub)
    asked = {"Range": "bytes=10-19"}
    hub.fault("tiny/llama", Fault("whole"), path="model.safetensors")
    assert httpx.get(url, headers=asked).content == content
    assert httpx.get(url, headers=asked).status_code == 206
    hub.fault("tiny/llama", Fault("flip", at_bytes=15))
    assert httpx.get(url, headers=asked).content != content[10:20]
    hub.fault("tiny/llama", Fault("gzip"))
    packed = httpx.get(url, headers=asked)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Length" not in packed.headers
    assert packed.content == content
    hub.fault("tiny/llama", Fault("etag", times=2))
    assert len({httpx.get(url).headers["ETag"] for _ in range(3)}) == 3
    hub.fault("tiny/llama", Fault("unsized"))
    unsized = httpx.get(url)
    assert unsized.content == content
    assert "Content-Length" not in unsized.headers


def test_a_link_expires_after_its_uses(hub: HubServer) -> None:
    hub.fault("tiny/llama", Fault("expire", uses=2, times=None))
    url = link(hub)
    assert [httpx.get(url).status_code for _ in range(3)] == [200, 200, 403]
    assert httpx.get(link(hub)).status_code == 200


def test_a_connection_is_cut_and_another_falls_silent(hub: HubServer) -> None:
    url = link(hub)
    hub.fault("tiny/llama", Fault("cut", after_bytes=100_000))
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(url)
    hub.fault("tiny/llama", Fault("stall", after_bytes=100_000))
    got = 0
    with httpx.stream("GET", url, timeout=httpx.Timeout(5, read=0.3)) as answer:
        pieces = answer.iter_raw(chunk_size=1000)
        for _ in range(100):
            got += len(next(pieces))
        with pytest.raises(httpx.ReadTimeout):
            next(pieces)
    assert got == 100_000
    hub.fault("tiny/llama", Fault("drip", piece_bytes=50_000, pause_s=0.01))
    assert httpx.get(url).status_code == 200


def test_the_api_answers_what_a_test_says(hub: HubServer) -> None:
    hub.fault("tiny/llama", Fault("status", where="api", status=429, headers={"Retry-After": "7"}))
    limited = httpx.get(f"{hub.url}/api/models/tiny/llama")
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")
    hub.fault("*", Fault("status", where="api", status=200, body=b"<html>Sign in</html>"))
    assert httpx.get(f"{hub.url}/api/models?search=llama").text == "<html>Sign in</html>"
    assert httpx.get(f"{hub.url}/api/models?search=llama").json()[0]["id"] == "tiny/llama"


def test_the_real_client_downloads_by_xet(hub: HubServer, folder: Path, tmp_path: Path) -> None:
    hub.add("tiny/xet", folder, xet=True)
    command = (
        "import sys; from huggingface_hub import hf_hub_download as get;"
        "print(get('tiny/xet', 'model.safetensors', endpoint=sys.argv[1], token=False))"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home")}
    got = subprocess.run(
        [sys.executable, "-c", command, hub.url], env=environment, capture_output=True, text=True
    )
    assert got.returncode == 0, got.stderr
    content = Path(got.stdout.strip()).read_bytes()
    assert content == (folder / "model.safetensors").read_bytes()
    assert hub.asked(containing="/v1/reconstructions/")
    assert not hub.asked(containing="/blobs/")
