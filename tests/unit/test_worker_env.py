"""What children are told of the processor."""

import pytest

from mlx_gui.core.worker_env import blas_core, worker_environment


@pytest.mark.parametrize(
    ("flags", "core"),
    [
        ("fpu avx fma avx2 avx512f avx512dq avx512bw avx512vl", "SkylakeX"),
        ("fpu avx fma avx2 avx512f", "Haswell"),
        ("fpu avx fma avx2", "Haswell"),
        ("fpu avx avx2", None),
        ("fpu sse4_2", None),
        ("", None),
    ],
)
def test_openblas_is_told_what_the_processor_can_do(flags: str, core: str | None) -> None:
    assert blas_core(f"model name\t: Some\nflags\t\t: {flags}\nbugs\t\t: avx2 fma\n") == core


def test_a_processor_that_tells_no_flags_is_left_to_openblas() -> None:
    assert blas_core("CPU architecture: 8\nFeatures\t: fp asimd\n") is None


def test_only_linux_has_an_openblas_that_is_told() -> None:
    assert "OPENBLAS_CORETYPE" not in worker_environment("darwin")


def test_who_knows_the_processor_better_is_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert "OPENBLAS_CORETYPE" not in worker_environment("linux")
