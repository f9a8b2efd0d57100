"""Whose MLX's library is: of several packages the one whose file lies there."""

from pathlib import Path

import pytest

from mlx_gui.core.mlx_library import MlxLibrary, mlx_library

SIZES = {"mlx-cpu": 10, "mlx-cuda-12": 20, "mlx-cuda-13": 30}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages, searched before all others."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mlx/lib").mkdir(parents=True)
    return tmp_path


def install(packages: Path, name: str, *, writes: bool = True) -> None:
    """As pip does it; `writes` the library, or leaves it to one that comes later."""
    info = packages / f"{name.replace('-', '_')}-0.32.4.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 0.32.4\n")
    (info / "RECORD").write_text(
        f"mlx/lib/libmlx.so,sha256=x,{SIZES[name]}\nmlx/include/mlx.h,sha256=x,{SIZES[name]}\n"
    )
    if writes:
        (packages / "mlx/lib/libmlx.so").write_bytes(b"x" * SIZES[name])


@pytest.mark.parametrize(
    ("order", "owner", "cuda", "needs"),
    [
        (["mlx-cpu"], "mlx-cpu", None, False),
        (["mlx-cpu", "mlx-cuda-12"], "mlx-cuda-12", "mlx-cuda-12", True),
        (["mlx-cuda-12", "mlx-cpu"], "mlx-cpu", "mlx-cuda-12", False),
        (["mlx-cuda-12", "mlx-cpu", "mlx-cuda-13"], "mlx-cuda-13", "mlx-cuda-13", True),
    ],
)
def test_who_came_last_has_it(
    packages: Path, order: list[str], owner: str, cuda: str | None, needs: bool
) -> None:
    for name in order:
        install(packages, name)
    found = mlx_library()
    assert found.packages == {**found.packages, **dict.fromkeys(order, "0.32.4")}
    assert (found.owner, found.cuda_package, found.may_need_cuda) == (owner, cuda, needs)


def test_a_file_that_nobody_has_brought_is_nobodys(packages: Path) -> None:
    install(packages, "mlx-cpu")
    install(packages, "mlx-cuda-12")
    (packages / "mlx/lib/libmlx.so").write_bytes(b"built by hand")
    assert mlx_library().owner is None
    assert mlx_library().may_need_cuda
    (packages / "mlx/lib/libmlx.so").unlink()
    assert mlx_library().owner is None


def test_without_any_nothing_is_known_and_nothing_needed() -> None:
    nothing = MlxLibrary({}, None)
    assert (nothing.cuda_package, nothing.may_need_cuda) == (None, False)
