"""What comes by plain HTTP, what by Xet, and what by neither."""

import pytest

from mlx_gui.catalog.ways import MOST_PLAIN_BYTES, by_xet, check_ways
from mlx_gui.core.errors import NotServable
from mlx_gui.core.hub import RepoFile, RepoTree, XetUse

XET = "f" * 64


def weights(size_bytes: int, xet_hash: str | None = XET) -> RepoFile:
    return RepoFile("model.safetensors", size_bytes, "d" * 40, "e" * 64, xet_hash)


def check(file: RepoFile, use: XetUse, *, hashes_known: bool = True) -> None:
    files = (RepoFile("config.json", 10, "d" * 40, None), file)
    check_ways(RepoTree("org/huge", "a" * 40, files), files, use, hashes_known=hashes_known)


@pytest.mark.parametrize(
    ("use", "size_bytes", "xet_hash", "comes_by_xet"),
    [
        ("auto", MOST_PLAIN_BYTES, XET, False),
        ("auto", MOST_PLAIN_BYTES + 1, XET, True),
        ("auto", MOST_PLAIN_BYTES + 1, None, False),
        ("on", 10, XET, True),
        ("on", 10, None, False),
        ("off", MOST_PLAIN_BYTES + 1, XET, False),
    ],
)
def test_xet_is_for_what_plain_http_does_not_give_or_for_all_or_nothing(
    use: XetUse, size_bytes: int, xet_hash: str | None, comes_by_xet: bool
) -> None:
    assert by_xet(weights(size_bytes, xet_hash), use) == comes_by_xet


def test_a_file_that_neither_way_brings_is_refused() -> None:
    huge = MOST_PLAIN_BYTES + 1
    says = r"model\.safetensors of org/huge has 50\.0 GB.*Xet"
    with pytest.raises(NotServable, match=f"{says}.*the setting `xet` switches off") as it:
        check(weights(huge), "off")
    assert "hf download org/huge" in it.value.hint
    assert "Set `xet` to auto" in it.value.hint
    for use in ("auto", "on"):
        with pytest.raises(NotServable, match=f"{says}.*this hub does not say") as it:
            check(weights(huge, None), use)
        assert "hf download org/huge" in it.value.hint


def test_what_one_of_them_brings_is_not_refused() -> None:
    for use in ("auto", "on", "off"):
        check(weights(MOST_PLAIN_BYTES, None), use)
    for use in ("auto", "on"):
        check(weights(MOST_PLAIN_BYTES + 1), use)
        check(weights(MOST_PLAIN_BYTES + 1, None), use, hashes_known=False)
