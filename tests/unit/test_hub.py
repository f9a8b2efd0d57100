"""What a repo, a revision and a file on a hub may be called."""

import pytest

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.hub import checked_repo_id, checked_revision, is_commit, safe_path


@pytest.mark.parametrize(
    "name",
    ["gpt2", "mlx-community/Qwen3-0.6B-4bit", "a/b", "0x/1_2.3-4", "_me/_it",
     f"{'o' * 96}/{'n' * 96}"],
)  # fmt: skip
def test_ids_that_the_hub_allows_pass(name: str) -> None:
    assert checked_repo_id(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "", "/", "a/", "/b", "a/b/c", "..", "../x", "a/..", "a/b..c", "a//b", "a--b/c", "a/b.git",
        ".a/b", "a/.b", "a/b.", "-a/b", "a/b-", "a b/c", "a/b\n", "a/b\0", "a\\b", "a/b?x=1",
        "a/b#x", "a/b%2e", "https://huggingface.co/a/b", "file://localhost/etc/passwd", "a:b",
        "a/b@main", "ä/b", "n" * 97, f"{'o' * 97}/n", "x" * 500, "models/../../x",
    ],
)  # fmt: skip
def test_other_ids_are_refused_and_repeated_in_short(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked_repo_id(name)
    assert refused.value.details["param"] == "model_id"
    assert len(refused.value.message) < 150
    assert refused.value.message.isprintable()


@pytest.mark.parametrize("name", ["org/Name-GGUF:Q4_K_M", "llama3.2:1b", f"org/n:{'t' * 500}"])
def test_a_tag_as_ollama_has_it_is_refused_as_one(name: str) -> None:
    with pytest.raises(InvalidRequest, match="has a tag, and models") as refused:
        checked_repo_id(name)
    assert "weights for MLX" in refused.value.hint
    assert len(refused.value.message) < 150


@pytest.mark.parametrize("name", ["main", "v1.0", "refs/pr/12", "a" * 40, "feature/x+y_z"])
def test_revisions_pass(name: str) -> None:
    assert checked_revision(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "/main", "main/", "a//b", "../main", "a/../b", "a..b", "main?x", "main#x", "a b", "a\nb",
     "-x", ".x", "x.", "x.lock", "a/-b", "%2e%2e", "x" * 251, "main\0", "a@{1}", "a:b", "a\\b"],
)  # fmt: skip
def test_other_revisions_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked_revision(name)
    assert refused.value.details["param"] == "revision"


def test_a_commit_is_forty_hex_digits() -> None:
    assert is_commit("0123456789abcdef0123456789abcdef01234567")
    assert not is_commit("0123456789abcdef0123456789abcdef0123456")
    assert not is_commit("main")


@pytest.mark.parametrize(
    "path", ["config.json", "voices/a b.safetensors", "a/b/c.txt", ".gitattributes"]
)
def test_files_within_a_repo_are_safe(path: str) -> None:
    assert safe_path(path)


@pytest.mark.parametrize(
    "path",
    ["", ".", "..", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/", "a\\b", "a\nb", "a\0b",
     f"{'x' * 256}/y", "y/" * 600],
)  # fmt: skip
def test_paths_that_lead_out_or_cannot_be_files_are_not(path: str) -> None:
    assert not safe_path(path)
