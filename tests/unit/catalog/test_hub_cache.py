"""The Hugging Face cache as we write it is what the hub's own library reads, and the other way."""

import hashlib
import os
from pathlib import Path

import pytest
from huggingface_hub import scan_cache_dir, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import LocalEntryNotFoundError
from huggingface_hub.utils._shared_blobs import publish_blob_to_shared_store, shared_blob_target

from mlx_gui.catalog.hub_cache import CachedRepo, digest_of
from mlx_gui.catalog.scan import scan
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.hub import RepoFile

COMMIT = "a" * 40
NEWER = "b" * 40
CONFIG = b'{"model_type": "llama"}'
WEIGHTS = bytes(1000)
CONTENTS = {"config.json": CONFIG, "model.safetensors": WEIGHTS, "voices/one.safetensors": b"x"}


def file_of(path: str, content: bytes) -> RepoFile:
    blob_id = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    large = path.endswith(".safetensors")
    sha256 = hashlib.sha256(content).hexdigest() if large else None
    return RepoFile(path, len(content), blob_id, sha256)


FILES = tuple(file_of(path, content) for path, content in CONTENTS.items())


@pytest.fixture
def repo(tmp_path: Path) -> CachedRepo:
    return CachedRepo(tmp_path / "hub", "org/name")


def test_a_cache_whose_disk_is_away_is_not_made_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        CachedRepo(tmp_path / "away" / "hub", "org/name").prepare()
    assert not (tmp_path / "away").exists()


def bring(repo: CachedRepo, commit: str = COMMIT, *, revision: str = "main") -> None:
    repo.prepare()
    repo.claim(commit, [digest_of(file) for file in FILES])
    for file in FILES:
        repo.blob(digest_of(file)).write_bytes(CONTENTS[file.path])
    repo.publish(commit, FILES, revision=revision)


def test_the_hubs_library_sees_what_we_have_written(repo: CachedRepo) -> None:
    bring(repo)
    found = scan_cache_dir(repo.cache)
    assert found.warnings == []
    assert found.incomplete_files == frozenset()
    (cached,) = found.repos
    assert (cached.repo_id, cached.repo_type, cached.nb_files) == ("org/name", "model", 3)
    (revision,) = cached.revisions
    assert (revision.commit_hash, revision.refs) == (COMMIT, frozenset({"main"}))
    assert found.size_on_disk == sum(map(len, CONTENTS.values()))
    folder = Path(snapshot_download("org/name", cache_dir=repo.cache, local_files_only=True))
    assert folder == repo.snapshot(COMMIT)
    for path, content in CONTENTS.items():
        assert (folder / path).read_bytes() == content
        assert (folder / path).is_symlink()
        assert not Path(os.readlink(folder / path)).is_absolute()
    there = try_to_load_from_cache("org/name", "config.json", cache_dir=repo.cache)
    assert there == str(folder / "config.json")
    assert (repo.cache / "CACHEDIR.TAG").exists()
    assert not (repo.folder / ".mlx-gui").exists()


def test_we_see_what_is_there_and_what_is_not(repo: CachedRepo) -> None:
    assert not repo.complete(COMMIT, FILES)
    bring(repo)
    assert repo.complete(COMMIT, FILES)
    assert not repo.complete(NEWER, FILES)
    assert repo.has(digest_of(FILES[0]), len(CONFIG))
    assert not repo.has(digest_of(FILES[0]), len(CONFIG) + 1)
    assert not repo.complete(COMMIT, (*FILES, file_of("more.json", b"{}")))


def test_a_blob_of_the_shared_store_is_there_too(repo: CachedRepo) -> None:
    bring(repo)
    digest = digest_of(FILES[1])
    xet_hash = "c" * 64
    assert publish_blob_to_shared_store(
        blob_path=str(repo.blob(digest)),
        xet_hash=xet_hash,
        cache_dir=repo.cache,
        expected_size=len(WEIGHTS),
    )
    assert repo.blob(digest).is_symlink()
    assert shared_blob_target(repo.blob(digest), repo.cache) is not None
    assert repo.has(digest, len(WEIGHTS))
    assert repo.complete(COMMIT, FILES)
    repo.publish(NEWER, FILES, revision="main")
    assert repo.complete(NEWER, FILES)
    (repo.cache / "blobs" / "cc" / xet_hash).unlink()
    assert not repo.has(digest, len(WEIGHTS))


def test_until_it_is_whole_nobody_sees_a_model(repo: CachedRepo) -> None:
    repo.prepare()
    repo.claim(COMMIT, [digest_of(file) for file in FILES])
    repo.blob(digest_of(FILES[0])).write_bytes(CONFIG)
    repo.part(digest_of(FILES[1])).write_bytes(b"half")
    assert scan([repo.cache]).models == ()
    with pytest.raises(LocalEntryNotFoundError):
        snapshot_download("org/name", cache_dir=repo.cache, local_files_only=True)
    found = scan_cache_dir(repo.cache)
    assert found.warnings == []
    assert {each.file_path.name for each in found.incomplete_files} == {
        repo.part(digest_of(FILES[1])).name
    }


def test_a_new_revision_takes_the_place_of_the_old_at_once(repo: CachedRepo) -> None:
    bring(repo)
    bring(repo, NEWER)
    (found,) = scan([repo.cache]).models
    assert (found.name, found.folder) == ("org/name", repo.snapshot(NEWER))
    assert (repo.folder / "refs" / "main").read_text() == NEWER
    assert repo.complete(COMMIT, FILES)
    assert scan_cache_dir(repo.cache).warnings == []


def test_a_commit_needs_no_ref_and_a_branch_may_have_slashes(repo: CachedRepo) -> None:
    bring(repo, revision=COMMIT)
    assert not (repo.folder / "refs").exists()
    bring(repo, revision="refs/pr/1")
    assert (repo.folder / "refs" / "refs" / "pr" / "1").read_text() == COMMIT
    assert scan_cache_dir(repo.cache).warnings == []


def test_what_another_program_has_begun_is_completed(repo: CachedRepo) -> None:
    repo.prepare()
    place = repo.snapshot(COMMIT) / "config.json"
    place.parent.mkdir()
    repo.blob(digest_of(FILES[0])).write_bytes(CONFIG)
    place.symlink_to(f"../../blobs/{digest_of(FILES[0])}")
    (repo.snapshot(COMMIT) / "model.safetensors").symlink_to("../../blobs/gone")
    bring(repo)
    assert repo.complete(COMMIT, FILES)
    assert scan_cache_dir(repo.cache).warnings == []


def test_what_is_discarded_leaves_nothing(repo: CachedRepo) -> None:
    repo.prepare()
    repo.claim(COMMIT, [digest_of(file) for file in FILES])
    repo.claim(COMMIT, [])
    repo.blob(digest_of(FILES[0])).write_bytes(CONFIG)
    repo.part(digest_of(FILES[1])).write_bytes(b"half")
    repo.journal(digest_of(FILES[1])).write_bytes(b"{}")
    repo.discard(COMMIT)
    assert not repo.folder.exists()


def test_what_was_there_before_stays(repo: CachedRepo) -> None:
    bring(repo)
    repo.claim(NEWER, [digest_of(FILES[0]), digest_of(file_of("new.json", b"{}"))])
    repo.blob(digest_of(file_of("new.json", b"{}"))).write_bytes(b"{}")
    repo.discard(NEWER)
    assert repo.complete(COMMIT, FILES)
    assert sorted(path.name for path in repo.blob("x").parent.iterdir()) == sorted(
        digest_of(file) for file in FILES
    )
    repo.discard(NEWER)
    assert (repo.folder / "refs" / "main").exists()


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "", "a\nb", "a\\b"])
def test_no_path_leaves_the_snapshot(repo: CachedRepo, path: str) -> None:
    repo.prepare()
    with pytest.raises(InvalidRequest):
        repo.publish(COMMIT, [RepoFile(path, 1, "d" * 40, None)], revision="main")
    with pytest.raises(InvalidRequest):
        repo.publish(COMMIT, [RepoFile("x", 1, "d" * 40, None)], revision=path)
    assert not repo.snapshot(COMMIT).exists()


def test_a_damaged_note_of_claims_is_none(repo: CachedRepo) -> None:
    repo.prepare()
    repo.claim(COMMIT, ["d" * 40])
    (repo.folder / ".mlx-gui" / f"{COMMIT}.json").write_bytes(b"[")
    repo.blob("d" * 40).write_bytes(b"x")
    repo.discard(COMMIT)
    assert repo.blob("d" * 40).exists()
