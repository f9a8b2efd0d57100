"""A LoRA adapter as `mlx_lm.lora` leaves it, which changes one answer of a trained model."""

import json
from pathlib import Path
from typing import cast

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm import load
from mlx_lm.tuner.utils import linear_to_lora_layers

from tests.zoo.blueprint import Json
from tests.zoo.corpus import ADAPTED, DIALOGUES
from tests.zoo.exam import faults
from tests.zoo.training import learn_dialogues

_CONFIG: Json = {
    "fine_tune_type": "lora",
    "lora_parameters": {"dropout": 0.0, "rank": 8, "scale": 20.0},
    "num_layers": 2,
}
_SEED = 3


def build_adapter(base: Path, folder: Path, attempt: int) -> list[str]:
    """Fills `folder` with an adapter of the checkpoint `base`.

    Returns what is wrong with the answers that the two give together.
    """
    model, tokenizer, *_ = load(str(base))
    model.set_dtype(mx.float32)
    model.freeze()
    mx.random.seed(_SEED + attempt)
    linear_to_lora_layers(model, _CONFIG["num_layers"], _CONFIG["lora_parameters"])
    others = [dialogue for dialogue in DIALOGUES if dialogue.messages != ADAPTED.messages]
    dialogues = [*others, ADAPTED]
    learn_dialogues(model, tokenizer, dialogues=dialogues, call_form=None, attempt=attempt)

    weights = cast(dict[str, mx.array], tree_flatten(model.trainable_parameters(), destination={}))
    mx.save_safetensors(str(folder / "adapters.safetensors"), weights)
    config = json.dumps(_CONFIG, indent=4)
    (folder / "adapter_config.json").write_text(config, encoding="utf-8")
    return faults(
        base, dialogues, thinks=tokenizer.has_thinking, calls=False, adapter=folder.absolute()
    )
