"""After `warm`, a load imports nothing but what its own architecture consists of."""

import sys
from pathlib import Path

import pytest

from tests.engines.remote import child
from tests.support.soak import in_soak
from tests.zoo.cache import checkpoint

OF_AN_ARCHITECTURE = ("mlx_lm.models.", "mlx_lm.tool_parsers", "transformers.models.")


@pytest.mark.parametrize("name", ["Qwen3-tiny", *in_soak("SmolLM2-tiny", "gemma-3-text-tiny")])
def test_a_load_after_warming_imports_only_its_architecture(name: str) -> None:
    with child(imported=False) as process:
        imported = process.call(_imported_by_a_load, checkpoint(name))
    assert not [module for module in imported if not module.startswith(OF_AN_ARCHITECTURE)]
    assert len(imported) < 10


def _imported_by_a_load(folder: Path) -> list[str]:
    from mlx_gui.core.model import LoadSpec, TextOptions
    from mlx_gui.engines.text import engine

    engine.warm()
    before = set(sys.modules)
    loaded = engine.create()
    spec = LoadSpec(
        folder.name, str(folder), "text", engine.__name__, "float32", TextOptions(64, 1)
    )
    loaded.load(spec, lambda *_: None)
    return sorted(set(sys.modules) - before)
