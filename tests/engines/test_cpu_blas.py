"""Which BLAS a worker opens, and that nothing broken gets into it.

The libraries here are built with the C compiler: right ones, wrong ones, and one that crashes.
"""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mlx_gui.core.device import BlasFacts
from mlx_gui.engines.cpu.blas import open_blas
from mlx_gui.engines.cpu.shim import ShimUnavailable, shim_around
from mlx_gui.engines.cpu.trial import problem_with
from tests.engines.remote import Child, child
from tests.support.soak import in_soak, mostly_in_soak

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="macOS has Accelerate")
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")

SIGNATURE = (
    "void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a,"
    " int lda, const float *b, int ldb, float beta, float *c, int ldc)"
)
RIGHT = """
  for (int i = 0; i < m; i++) for (int j = 0; j < n; j++) {
    float sum = 0;
    for (int l = 0; l < k; l++)
      sum += a[i * lda + l] * (tb == 112 ? b[j * ldb + l] : b[l * ldb + j]);
    c[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]);
  }
"""
WRONG = {
    "one element in the largest product": RIGHT + "if (m == 128) c[m * n - 1] += 1;",
    "one row only": RIGHT + "if (m == 1) c[0] = 0;",
    "factors not transposed": RIGHT.replace("tb == 112", "0"),
    "old content added": RIGHT.replace("beta == 0", "0"),
}


@pytest.fixture
def fresh() -> Iterator[Child]:
    """A child that has no MLX yet."""
    with child(mlx=False) as process:
        yield process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    return folder


def library(tmp_path: Path, body: str, name: str = "libtest.so") -> Path:
    code, built = tmp_path / "blas.c", tmp_path / name
    code.write_text(f"#include <signal.h>\n#include <stdio.h>\n{SIGNATURE} {{ {body} }}")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", str(code), "-o", str(built)], check=True)
    return built


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A right library."""
    return library(tmp_path_factory.mktemp("right"), RIGHT)


@pytest.fixture(scope="module")
def built(right: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shim around it, which took longer to build than most of these tests."""
    return shim(right, tmp_path_factory.mktemp("built"))


@pytest.fixture
def copied(built: Path, folder: Path) -> Path:
    """The same, to be damaged."""
    return Path(shutil.copy2(built, folder))


def tried(process: Child, file: Path, folder: Path, cpu: str = "cpu") -> str | None:
    return process.call(partial(problem_with, file, folder=folder, cpu=cpu))


@needs_compiler
def test_a_right_library_passes_its_trial(fresh: Child, right: Path, folder: Path) -> None:
    assert tried(fresh, right, folder) is None


@needs_compiler
@pytest.mark.parametrize(
    "fault", mostly_in_soak(WRONG, but=("one element in the largest product", "old content added"))
)
def test_wrong_products_are_noticed(fault: str, fresh: Child, tmp_path: Path, folder: Path) -> None:
    problem = tried(fresh, library(tmp_path, WRONG[fault]), folder)
    assert problem is not None
    assert "computes wrong products" in problem


@needs_compiler
def test_a_library_that_crashes_harms_nobody(fresh: Child, tmp_path: Path, folder: Path) -> None:
    problem = tried(fresh, library(tmp_path, "raise(SIGILL);"), folder)
    assert problem is not None
    assert "SIGILL" in problem


@needs_compiler
def test_a_library_is_tried_once_until_it_or_the_processor_changes(
    fresh: Child, tmp_path: Path, folder: Path
) -> None:
    log = tmp_path / "calls"
    counted = f'FILE *log = fopen("{log}", "a"); if (log) {{ fputc(10, log); fclose(log); }}'
    file = library(tmp_path, counted + RIGHT)

    def calls() -> int:
        return log.stat().st_size

    assert tried(fresh, file, folder) is None
    once = calls()
    assert tried(fresh, file, folder) is None
    assert calls() == once
    assert tried(fresh, file, folder, cpu="another") is None
    assert calls() == 2 * once
    os.utime(file, ns=(1, 1))
    assert tried(fresh, file, folder) is None
    assert calls() == 3 * once


@pytest.mark.parametrize("setting", ["missing", "garbage", "no blas"])
def test_a_library_that_is_none_leaves_mlx_with_its_own(
    setting: str, fresh: Child, tmp_path: Path
) -> None:
    garbage = tmp_path / "garbage.so"
    garbage.write_bytes(b"\x7fELF nothing")
    python_extension = Path(msgspec_extension())
    path = {"missing": tmp_path / "none.so", "garbage": garbage, "no blas": python_extension}
    facts: BlasFacts = fresh.call(open_blas, str(path[setting]), tmp_path)
    assert (facts.library, facts.shim) == (None, None)
    assert facts.problem is not None
    assert str(path[setting]) in facts.problem
    assert fresh.call(mlx_product_error) == 0


@needs_compiler
def test_the_shim_multiplies_any_number_of_rows_inside_larger_matrices(
    fresh: Child, built: Path
) -> None:
    assert fresh.call(wrong_products, str(built)) == []


def wrong_products(library: str) -> list[tuple[int, int, int, bool]]:
    """In the child: which products 2 a b + c are not exact, as rows, columns, depth, transposed.

    All three matrices are the left parts of wider ones, of which the rest must stay as it is.
    """
    import ctypes
    from itertools import product

    import numpy as np

    sgemm = ctypes.CDLL(library).cblas_sgemm
    source = np.random.default_rng(0)
    scale = ctypes.c_float

    def whole(*shape: int) -> Any:
        return source.integers(-9, 10, shape).astype(np.float32)

    def place(matrix: Any) -> ctypes.c_void_p:
        return ctypes.c_void_p(matrix.ctypes.data)

    wrong: list[tuple[int, int, int, bool]] = []
    for rows, columns, depth, transposed in product(
        range(1, 44), (1, 7, 8, 35, 270), (3, 64, 255, 277), (True, False)
    ):
        a, c = whole(rows, depth + 5), whole(rows, columns + 2)
        b = whole(columns, depth + 3) if transposed else whole(depth, columns + 3)
        expected = c.copy()
        used = b[:, :depth].T if transposed else b[:, :columns]
        expected[:, :columns] += 2 * a[:, :depth] @ used
        sgemm(
            101, 111, 112 if transposed else 111, rows, columns, depth,
            scale(2), place(a), a.shape[1], place(b), b.shape[1],
            scale(1), place(c), c.shape[1],
        )  # fmt: skip
        if not np.array_equal(c, expected):
            wrong.append((rows, columns, depth, transposed))
    return wrong


def msgspec_extension() -> str:
    """Some shared library that is surely installed."""
    import msgspec._core

    return msgspec._core.__file__


def mlx_product_error() -> float:
    """In the child: how wrong MLX multiplies one row, a few and many, by whole numbers."""
    import mlx.core as mx

    error = 0.0
    for rows in (1, 4, 64):
        a = mx.arange(rows * 40).reshape(rows, 40) % 7
        b = mx.arange(50 * 40).reshape(50, 40) % 5
        exact = (a[:, None] * b[None]).sum(-1)
        product = a.astype(mx.float32) @ b.astype(mx.float32).T
        again = a.astype(mx.float32) @ mx.contiguous(b.T).astype(mx.float32)
        error = max(error, mx.abs(product - exact).max().item(), mx.abs(again - exact).max().item())
    return error


@needs_compiler
def test_mlx_computes_with_the_shim_around_the_library(fresh: Child, tmp_path: Path) -> None:
    log = tmp_path / "calls"
    counted = f'FILE *log = fopen("{log}", "a"); if (log) {{ fputc(m, log); fclose(log); }}'
    file = library(tmp_path, counted + RIGHT)
    facts: BlasFacts = fresh.call(open_blas, str(file), tmp_path)
    assert facts.library == str(file)
    assert facts.shim is not None
    assert facts.problem is None
    log.unlink()
    assert fresh.call(mlx_product_error) == 0
    assert set(log.read_bytes()) == {64}


@needs_compiler
def test_without_a_compiler_the_library_is_used_bare(
    fresh: Child, right: Path, tmp_path: Path
) -> None:
    fresh.call(set_path, tmp_path)
    facts: BlasFacts = fresh.call(open_blas, str(right), tmp_path)
    assert (facts.library, facts.shim) == (str(right), None)
    assert facts.problem is not None
    assert "no C compiler" in facts.problem
    assert fresh.call(mlx_product_error) == 0


def set_path(folder: Path) -> None:
    """In the child."""
    os.environ["PATH"] = str(folder)


def shim(file: Path, folder: Path, **settings: Any) -> Path:
    return shim_around(file, **{"folder": folder, "cpu": "cpu", **settings})


@needs_compiler
@pytest.mark.parametrize("damage", [None, *in_soak(b"", b"\x7fELF")])
def test_a_broken_shim_is_built_again(
    damage: bytes | None, fresh: Child, right: Path, copied: Path, folder: Path
) -> None:
    whole = copied.read_bytes()
    copied.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert shim(right, folder) == copied
    assert copied.stat().st_size == len(whole)
    assert tried(fresh, copied, folder) is None


@needs_compiler
def test_a_whole_shim_is_kept_and_another_library_gets_its_own(
    right: Path, copied: Path, tmp_path: Path, folder: Path
) -> None:
    other = Path(shutil.copy2(right, tmp_path / "libother.so"))
    made_ns = copied.stat().st_mtime_ns
    assert shim(right, folder) == copied
    assert copied.stat().st_mtime_ns == made_ns
    others = {shim(other, folder), shim(right, folder, cpu="another")}
    os.utime(other, ns=(1, 1))
    others.add(shim(other, folder))
    assert len(others | {copied}) == 4
    assert all(path.suffix == ".so" for path in folder.iterdir())


def test_a_compiler_that_fails_leaves_no_shim(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    library_file = tmp_path / "libany.so"
    library_file.touch()
    with pytest.raises(ShimUnavailable, match="failed"):
        shim(library_file, folder)
    assert list(folder.iterdir()) == []


def test_the_setting_off_opens_nothing(fresh: Child, tmp_path: Path) -> None:
    facts: BlasFacts = fresh.call(open_blas, "off", tmp_path)
    assert (facts.library, facts.shim) == (None, None)


def test_after_mlx_it_is_too_late_and_that_is_said(fresh: Child, tmp_path: Path) -> None:
    assert fresh.call(mlx_product_error) == 0
    facts: BlasFacts = fresh.call(open_blas, "auto", tmp_path)
    assert facts.problem is not None
    assert "MLX was imported" in facts.problem


def test_what_is_run_lies_in_a_folder_of_our_own(fresh: Child, tmp_path: Path) -> None:
    folder = tmp_path / "blas"
    folder.mkdir(mode=0o777)
    fresh.call(open_blas, "auto", tmp_path)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def _open_as_somebody_else(folder: Path) -> BlasFacts:
    somebody = os.geteuid() + 1
    os.geteuid = lambda: somebody
    return open_blas("auto", folder)


def test_a_folder_of_somebody_else_is_not_used(fresh: Child, tmp_path: Path) -> None:
    (tmp_path / "blas").mkdir()
    facts: BlasFacts = fresh.call(_open_as_somebody_else, tmp_path)
    assert facts.problem is not None
    assert "belongs to another user" in facts.problem
    assert list((tmp_path / "blas").iterdir()) == []
