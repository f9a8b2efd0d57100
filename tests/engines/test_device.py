"""What the probe finds out about this machine."""

import os
import sys
from importlib import import_module
from pathlib import Path

import pytest

from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.worker_env import worker_environment
from mlx_gui.engines.device import probe
from mlx_gui.engines.text.architectures import is_supported, supported_model_types
from mlx_gui.kinds.registry import KINDS
from tests.engines.remote import CACHE, RemoteEngine, child


def test_the_probe_describes_this_machine() -> None:
    with child(mlx=False) as process:
        facts: DeviceFacts = process.call(probe, "auto", CACHE)
        assert not process.call(is_imported, "mlx_lm")
    assert facts.name
    assert facts.memory_bytes == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert {"mlx", "mlx-lm", "python"} <= set(facts.versions)
    assert (facts.blas is not None) == (facts.backend == "cpu")
    assert {"mlx-vlm"} <= set(facts.versions)
    assert facts.model_types == {
        kind.name: import_module(kind.architectures).supported_model_types()
        for kind in KINDS
        if kind.architectures
    }
    assert facts.model_types["text"] == supported_model_types()
    assert {"bert", "xlm-roberta", "modernbert", "qwen3", "gemma3_text"} <= {
        *facts.model_types["embedding"]
    }


def is_imported(module: str) -> bool:
    return module in sys.modules


def test_on_a_processor_mlx_compiles_nothing(engine: RemoteEngine, tmp_path: Path) -> None:
    if engine.child.call(device_backend) != "cpu":
        pytest.skip("MLX runs on a graphics processor here")
    assert engine.child.call(files_after_compiling, tmp_path) == []


def device_backend() -> str:
    from mlx_gui.engines.device import backend

    return backend()


def files_after_compiling(folder: Path) -> list[str]:
    """In the child: what MLX leaves in its temporary folder after a compiled function ran."""
    os.environ["TMPDIR"] = str(folder)
    import mlx.core as mx

    mx.eval(mx.compile(lambda x: mx.exp(x) * 1.2345 + mx.sin(x))(mx.arange(8.0)))
    return os.listdir(folder)


@pytest.mark.parametrize(
    "model_type",
    ["qwen2", "qwen3", "llama", "mistral", "smollm3", "gemma3_text", "deepseek_v3", "kimi_k2"],
)
def test_the_families_of_the_library_are_known(model_type: str) -> None:
    assert model_type in supported_model_types()


def test_one_architecture_is_judged_like_all_of_them() -> None:
    assert is_supported("llama", {})
    assert is_supported("mistral", {"mistral": "llama"})
    for other in ("mistral", "cache", "olmo", "../models/llama", ""):
        assert not is_supported(other, {})


@pytest.mark.parametrize("model_type", ["base", "cache", "switch_layers", "__init__", "olmo"])
def test_modules_that_are_no_architecture_are_not_listed(model_type: str) -> None:
    assert model_type not in supported_model_types()


def test_every_listed_architecture_can_be_imported(engine: RemoteEngine) -> None:
    assert engine.child.call(architectures_that_fail) == []


def architectures_that_fail() -> list[str]:
    from mlx_gui.engines.text.mlx_lm import load_model  # noqa: F401

    from mlx_lm.utils import _get_classes  # isort: skip

    failed: list[str] = []
    for model_type in supported_model_types():
        try:
            _get_classes({"model_type": model_type})
        except (AttributeError, ValueError, SystemExit):
            failed.append(model_type)
    return failed


def test_workers_never_reach_the_hub_and_only_linux_sets_threads() -> None:
    linux, mac = worker_environment("linux", threads=2), worker_environment("darwin")
    assert linux["HF_HUB_OFFLINE"] == mac["HF_HUB_OFFLINE"] == "1"
    assert linux["OPENBLAS_NUM_THREADS"] == "2"
    assert "OPENBLAS_NUM_THREADS" not in mac
