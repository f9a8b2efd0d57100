"""Writes a checkpoint: the files of its blueprint beside random or trained weights."""

import importlib
import json
from pathlib import Path
from typing import cast

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map_with_path
from mlx_lm.utils import MODEL_REMAPPING, load_tokenizer, quantize_model, save_config

from tests.zoo.adapter import build_adapter
from tests.zoo.blueprint import Json, TextBlueprint
from tests.zoo.cache import checkpoint
from tests.zoo.corpus import DIALOGUES
from tests.zoo.exam import faults, until_learnt
from tests.zoo.families import ADAPTERS, FAMILIES, TRAINED
from tests.zoo.training import learn_dialogues

_GROUP_SIZE = 64
_SEED = 2
# With the library's own scales a tied model repeats one token for ever, and routers start at zero.
# Small tables and strong projections let the whole context decide on the next token; training
# wants them weaker.
_TABLE_SCALE = 0.05
_PROJECTION_GAIN = 3.0


def build(name: str, folder: Path) -> None:
    """Fills `folder` with the checkpoint `name`; a family's name plus `-trained` is trained."""
    if name in ADAPTERS:
        base = checkpoint(ADAPTERS[name])
        folder.mkdir(parents=True)
        until_learnt(name, lambda attempt: build_adapter(base, folder, attempt))
        return
    blueprint = FAMILIES[name.removesuffix(TRAINED)]()
    folder.mkdir(parents=True)
    _write_tokenizer(blueprint, folder)
    _write_json(folder / "generation_config.json", blueprint.generation_config)
    if name.endswith(TRAINED):
        until_learnt(name, lambda attempt: _train(blueprint, folder, attempt))
    else:
        _write_model(_random_model(blueprint.config, _PROJECTION_GAIN), blueprint, folder)


def _train(blueprint: TextBlueprint, folder: Path, attempt: int) -> list[str]:
    """Trains a model into `folder`; returns what is wrong with its answers."""
    model = _random_model(blueprint.config, 1.0, seed=_SEED + attempt)
    tokenizer = load_tokenizer(folder)
    learn_dialogues(
        model,
        tokenizer,
        dialogues=DIALOGUES,
        call_form=blueprint.call_form,
        attempt=attempt,
    )
    _write_model(model, blueprint, folder)
    return faults(
        folder, DIALOGUES, thinks=tokenizer.has_thinking, calls=blueprint.call_form is not None
    )


def _write_tokenizer(blueprint: TextBlueprint, folder: Path) -> None:
    blueprint.tokenizer.save(str(folder / "tokenizer.json"))
    added = json.loads(blueprint.tokenizer.to_str())["added_tokens"]
    config = blueprint.tokenizer_config | {
        "added_tokens_decoder": {str(token.pop("id")): token for token in added}
    }
    if blueprint.template_place == "tokenizer_config.json":
        config["chat_template"] = blueprint.chat_template
    else:
        (folder / blueprint.template_place).write_text(blueprint.chat_template, encoding="utf-8")
    _write_json(folder / "tokenizer_config.json", config)
    special_tokens = {
        key: value
        for key, value in blueprint.tokenizer_config.items()
        if value and (key.endswith("_token") or key == "additional_special_tokens")
        if not key.startswith("add_")
    }
    _write_json(folder / "special_tokens_map.json", special_tokens)


def _random_model(config: Json, projection_gain: float, *, seed: int = _SEED) -> nn.Module:
    """An untrained model in float32."""
    model_type = config["model_type"]
    architecture = importlib.import_module(
        f"mlx_lm.models.{MODEL_REMAPPING.get(model_type, model_type)}"
    )
    mx.random.seed(seed)
    model = architecture.Model(architecture.ModelArgs.from_dict(config))
    if config.get("tie_word_embeddings"):
        # Gemma 3 learns of it only here: from weights that have no lm_head.
        model.sanitize({})

    def start_value(path: str, value: mx.array) -> mx.array:
        if path.endswith("embed_tokens.weight") or not mx.any(value):
            return mx.random.normal(value.shape) * _TABLE_SCALE
        return value * projection_gain if path.endswith("_proj.weight") else value

    model.update(tree_map_with_path(start_value, model.parameters()))
    return model


def _write_model(model: nn.Module, blueprint: TextBlueprint, folder: Path) -> None:
    """As `mlx_lm.convert` does it: bfloat16, then quantized; an index also for a single file."""
    may_cast = getattr(model, "cast_predicate", lambda _path: True)

    def stored(path: str, value: mx.array) -> mx.array:
        return value.astype(mx.bfloat16) if may_cast(path) else value

    model.update(tree_map_with_path(stored, model.parameters()))
    config = blueprint.config
    if blueprint.bits:
        model, config = quantize_model(model, config, _GROUP_SIZE, blueprint.bits)
    save_config(config, folder / "config.json")

    weights = cast(dict[str, mx.array], tree_flatten(model.parameters(), destination={}))
    shards = blueprint.shards
    files = ["model.safetensors"]
    if shards > 1:
        files = [f"model-{part:05d}-of-{shards:05d}.safetensors" for part in range(1, shards + 1)]
    weight_map = {key: files[i * shards // len(weights)] for i, key in enumerate(weights)}
    for file in files:
        part = {key: value for key, value in weights.items() if weight_map[key] == file}
        mx.save_safetensors(str(folder / file), part, metadata={"format": "mlx"})
    total_size = sum(value.nbytes for value in weights.values())
    index = {"metadata": {"total_size": total_size}, "weight_map": weight_map}
    _write_json(folder / "model.safetensors.index.json", index)


def _write_json(path: Path, content: Json) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
