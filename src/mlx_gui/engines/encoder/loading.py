"""Loads an encoder with mlx-vlm, and its tokenizer."""

import tempfile
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.nn as nn
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from mlx_gui.core.errors import ModelUnsupported
from mlx_gui.core.model import LoadSpec
from mlx_gui.engines.base import LoadReport
from mlx_gui.engines.folder import (
    TokenizerErrors,
    existing_folder,
    read_json,
    rope_settings,
    weight_errors,
)
from mlx_gui.engines.weights import hold_weights

Loader = Callable[..., nn.Module]
"""A function of mlx-vlm: a folder, `lazy` and `config` in, the model out."""

_TABLES = ("word_embeddings", "tok_embeddings", "embed_tokens")
"""What the layer is called that has a row for each token."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """A model in memory, and what is known of its tokens.

    `tokenizer` is of the Rust library, which any thread may use, and neither cuts nor pads.
    `vocabulary` is how many ids have a row, `type_count` how many types of tokens the model tells
    apart; 1 where it does not.
    """

    model: Any
    tokenizer: Tokenizer
    vocabulary: int
    padding_id: int
    type_count: int


def load_encoder(spec: LoadSpec, report: LoadReport, loader: Loader) -> Encoder:
    """The model of `spec`, held as it says. Raises ModelNotFound, LoadFailed, ModelUnsupported."""
    folder = existing_folder(spec)
    config = read_json(folder / "config.json", spec.model_id)
    if "model_file" in config:
        raise ModelUnsupported(
            f"{spec.model_id} brings its own program code ({config['model_file']}), which is never "
            "run."
        )
    # The tokenizer takes as long as the weights of a small model, and needs no MLX.
    with ThreadPoolExecutor(1, "tokenizer") as beside:
        tokenizing = beside.submit(_load_tokenizer, folder, spec.model_id)
        with weight_errors(spec.model_id), _without_stages(folder, config) as weights:
            model = loader(weights, lazy=True, config=_as_the_library_reads(config))
            hold_weights(model, spec.weight_form, report)
    tokenizer, padding_id, knows_types = tokenizing.result()
    types = config.get("type_vocab_size")
    return Encoder(
        model,
        tokenizer,
        _vocabulary(model),
        padding_id,
        types if knows_types and isinstance(types, int) else 1,
    )


@contextmanager
def _without_stages(folder: Path, config: Mapping[str, Any]) -> Generator[Path]:
    """The folder as the library is to see it: of most models without the folders inside it.

    It takes what lies in these for weights of the encoder, and has a place for them in some only.
    """
    inner = any(folder.glob("*/*.safetensors"))
    if not inner or config.get("model_type") == "gemma3_text":
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="mlx-gui-") as flat:
        for file in folder.iterdir():
            if file.is_file():
                (Path(flat) / file.name).symlink_to(file.absolute())
        yield Path(flat)


def _as_the_library_reads(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with what newer versions of transformers write elsewhere."""
    lifted = {**config, **rope_settings(config)}
    nested = config.get("rope_parameters")
    if config.get("model_type") == "modernbert" and isinstance(nested, dict):
        for layers, ours in (("full", "global_rope_theta"), ("sliding", "local_rope_theta")):
            theta = nested.get(f"{layers}_attention", {}).get("rope_theta")
            if theta and not config.get(ours):
                lifted[ours] = theta
    kinds = config.get("layer_types")
    if isinstance(kinds, list) and "full_attention" in kinds:
        lifted.setdefault("sliding_window_pattern", kinds.index("full_attention") + 1)
    return lifted


def _load_tokenizer(folder: Path, model_id: str) -> tuple[Tokenizer, int, bool]:
    """It, the id of its padding, and whether it tells types of tokens apart."""
    with TokenizerErrors(folder, model_id):
        loaded: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        tokenizer: Tokenizer = loaded.backend_tokenizer
        padding_id, inputs = loaded.pad_token_id or 0, tuple(loaded.model_input_names)
    # What a file says of both is for the program that wrote it.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer, padding_id, "token_type_ids" in inputs


def _vocabulary(model: nn.Module) -> int:
    rows = {
        path.rpartition(".")[2]: layer["weight"].shape[0]
        for path, layer in model.named_modules()
        if isinstance(layer, nn.Embedding | nn.QuantizedEmbedding)
    }
    return next((rows[name] for name in _TABLES if name in rows), max(rows.values(), default=0))
