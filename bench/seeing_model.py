"""Writes a model that sees, of random weights and some size: `python -m bench.seeing_model DIR`.

With `--float32` its weights have 32 bits.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from tests.zoo.backend import prepare_process

_TEXT = {
    "hidden_size": 512,
    "intermediate_size": 1536,
    "num_attention_heads": 8,
    "num_hidden_layers": 8,
    "num_key_value_heads": 4,
    "rope_scaling": {"type": "mrope", "mrope_section": [8, 12, 12]},
}
_VISION = {"depth": 8, "embed_dim": 384, "hidden_size": 512, "mlp_ratio": 4, "num_heads": 6}
_MOST_PIXELS = 560 * 560


def main(folder: Path, *, wide: bool) -> None:
    prepare_process()
    import mlx.core as mx

    from tests.colours.families import qwen2_vl
    from tests.colours.training import random_model, write_files, write_weights

    whole = qwen2_vl()
    vision = {**whole.config["vision_config"], **_VISION}
    processor = whole.files["preprocessor_config.json"]
    blueprint = replace(
        whole,
        config={**whole.config, **_TEXT, "vision_config": vision},
        files={"preprocessor_config.json": {**processor, "max_pixels": _MOST_PIXELS}},
    )
    write_files(blueprint, folder)
    mx.random.seed(0)
    write_weights(random_model(blueprint.config), blueprint, folder)
    if wide:
        path = str(folder / "model.safetensors")
        stored = mx.load(path)
        assert isinstance(stored, dict)
        widened = {name: value.astype(mx.float32) for name, value in stored.items()}
        mx.eval(widened)
        mx.save_safetensors(path, widened, metadata={"format": "mlx"})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--float32", action="store_true")
    arguments = parser.parse_args()
    main(arguments.folder, wide=arguments.float32)
