"""Loads a model folder; whatever is wrong with it becomes one sentence."""

import copy
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.nn as nn

from mlx_gui.core.errors import LoadFailed, ModelUnsupported
from mlx_gui.core.model import LoadSpec, TextOptions
from mlx_gui.engines.base import LoadReport
from mlx_gui.engines.folder import (
    TokenizerErrors,
    existing_folder,
    read_json,
    reason,
    rope_settings,
    weight_errors,
)
from mlx_gui.engines.text.architectures import is_supported
from mlx_gui.engines.text.gemma3n import classes_of
from mlx_gui.engines.text.head import Head
from mlx_gui.engines.text.mlx_lm import (
    MODEL_REMAPPING,
    RotatingKVCache,
    TokenizerWrapper,
    can_trim_prompt_cache,
    load_adapters,
    load_model,
    load_tokenizer,
    make_prompt_cache,
)
from mlx_gui.engines.text.network import Network
from mlx_gui.engines.text.pictures import Eyes, Tower
from mlx_gui.engines.text.weights import hold_weights

Tokenizers = tuple[TokenizerWrapper, TokenizerWrapper]
"""One for the main thread, and one for preparation."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory. `vocabulary` is the number of ids that it has embeddings for.

    A tokenizer is for one thread: `tokenizer` for the main thread, its copy for preparation.
    `serial_because` says why sequences are decoded one after the other, None when they need not be.
    `trimmable` is whether a cache can give tokens at its end back. Of a model that sees, `eyes`
    read pictures while requests are prepared, and `tower` looks at them.
    """

    network: Network
    tokenizer: TokenizerWrapper
    preparation_tokenizer: TokenizerWrapper
    vocabulary: int
    generation_config: Mapping[str, Any]
    draft: nn.Module | None
    serial_because: str | None
    trimmable: bool
    kv_group_size: int
    eyes: Eyes | None = None
    tower: Tower | None = None


def load(spec: LoadSpec, report: LoadReport) -> LoadedModel:
    """The model of `spec`, held as it says. Raises ModelNotFound, LoadFailed or ModelUnsupported.

    ModelNotFound says that its folder is gone.
    """
    # Looked at first: mlx-lm would ask the hub for a path that does not exist.
    folder = existing_folder(spec)
    config = read_json(folder / "config.json", spec.model_id)
    _check_supported(config, spec.model_id)
    with weight_errors(spec.model_id):
        model, config = load_model(
            folder,
            lazy=True,
            model_config=rope_settings(config),
            get_model_classes=classes_of,
        )
    if spec.text.adapter is not None:
        _add_adapter(model, Path(spec.text.adapter), spec.model_id)
    # The tokenizers take as long as the weights of a small model, and need no MLX.
    with ThreadPoolExecutor(1, "tokenizer") as beside:
        tokenizer = beside.submit(load_tokenizers, folder, config, spec.model_id)
        with weight_errors(spec.model_id):
            hold_weights(model, spec.weight_form, report)
    draft = None if spec.text.draft is None else _load_draft(spec, Path(spec.text.draft))
    if draft is not None:
        check_draft(model, make_prompt_cache(model), draft, spec.model_id)
    network = Network(model, Head(model, vocabulary_of(model)))
    return resident(network, tokenizer.result(), config, spec, draft=draft)


def resident(
    network: Network,
    tokenizers: Tokenizers,
    config: Mapping[str, Any],
    spec: LoadSpec,
    *,
    draft: nn.Module | None = None,
    serial_because: str | None = None,
    eyes: Eyes | None = None,
    tower: Tower | None = None,
) -> LoadedModel:
    """All that is known of a model in memory. Raises LoadFailed and ModelUnsupported."""
    cache = make_prompt_cache(network.model)
    return LoadedModel(
        network,
        *tokenizers,
        vocabulary_of(network.model),
        read_json(Path(spec.path) / "generation_config.json", spec.model_id, needed=False),
        draft=draft,
        serial_because=serial_because or why_serial(cache, spec.text),
        trimmable=can_trim_prompt_cache(cache) and not _rotates(cache),
        kv_group_size=kv_group_size(config, cache, spec),
        eyes=eyes,
        tower=tower,
    )


def why_serial(cache: Sequence[Any], options: TextOptions) -> str | None:
    """Why sequences with such a `cache` are decoded one after the other; None if they need not be.

    A sentence, for people.
    """
    if options.draft is not None:
        return "Speculative decoding with a draft model works on one sequence."
    if options.kv_bits is not None:
        return "A quantized KV cache cannot be batched."
    alone = sorted({type(layer).__name__ for layer in cache if not hasattr(layer, "merge")})
    if alone:
        return f"Its KV cache ({', '.join(alone)}) cannot be batched."
    return None


def kv_group_size(config: Mapping[str, Any], cache: Sequence[Any], spec: LoadSpec) -> int:
    """Values that share a scale in a quantized KV cache. Raises ModelUnsupported if none can."""
    if spec.text.kv_bits is None:
        return 0
    if _rotates(cache):
        raise ModelUnsupported(
            f"{spec.model_id} has layers with a sliding window, whose KV cannot be quantized.",
            hint="Set kv_bits to 0 for this model.",
        )
    heads = config.get("num_attention_heads") or 1
    head_dim = config.get("head_dim") or config.get("hidden_size", 0) // heads
    for size in (64, 32):
        if head_dim % size == 0:
            return size
    raise ModelUnsupported(
        f"The KV of {spec.model_id} cannot be quantized: its heads have {head_dim} values, "
        "not a multiple of 32.",
        hint="Set kv_bits to 0 for this model.",
    )


def _rotates(cache: Sequence[Any]) -> bool:
    """Whether there are windows, which cannot give tokens back once they are full."""
    return any(isinstance(layer, RotatingKVCache) for layer in cache)


def check_draft(model: nn.Module, cache: Sequence[Any], draft: nn.Module, model_id: str) -> None:
    """Raises ModelUnsupported unless `draft` can propose tokens for `model`."""
    vocabulary, draft_vocabulary = vocabulary_of(model), vocabulary_of(draft)
    if vocabulary != draft_vocabulary:
        raise ModelUnsupported(
            f"The draft model has {draft_vocabulary} tokens, {model_id} has {vocabulary}.",
            hint="Choose a draft of the same family for draft_model.",
        )
    if not can_trim_prompt_cache([*cache, *make_prompt_cache(draft)]):
        raise ModelUnsupported(
            f"{model_id} or its draft model cannot take tokens back, as speculative decoding must.",
            hint="Clear draft_model for this model.",
        )


def _add_adapter(model: nn.Module, folder: Path, model_id: str) -> None:
    try:
        load_adapters(model, str(folder))
        # Dropout is for training.
        model.eval()
    except (AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise LoadFailed(
            f"The adapter of {model_id} does not fit: {reason(error)}",
            hint="Check that it was trained for this base model.",
        ) from error


def _load_draft(spec: LoadSpec, folder: Path) -> nn.Module:
    config = read_json(folder / "config.json", spec.model_id)
    _check_supported(config, f"the draft of {spec.model_id}")
    with weight_errors(f"the draft of {spec.model_id}"):
        draft, _ = load_model(folder, lazy=True, model_config=rope_settings(config))
        hold_weights(draft, spec.weight_form, lambda *_: None)
    return draft


def _check_supported(config: Mapping[str, Any], model_id: str) -> None:
    model_type = config.get("model_type")
    if not is_supported(str(model_type), MODEL_REMAPPING):
        raise ModelUnsupported(
            f"The architecture {model_type} of {model_id} is not supported.",
            hint="A newer mlx-lm may know it.",
        )
    if "model_file" in config:
        raise ModelUnsupported(
            f"{model_id} brings its own program code ({config['model_file']}), which is never run."
        )


def load_tokenizers(folder: Path, config: Mapping[str, Any], model_id: str) -> Tokenizers:
    """The tokenizer and a copy of it, which costs half as much as to load it again."""
    with TokenizerErrors(folder, model_id):
        tokenizer = load_tokenizer(folder, eos_token_ids=config.get("eos_token_id"))
        return tokenizer, copy.deepcopy(tokenizer)


def vocabulary_of(model: nn.Module) -> int:
    """How many ids a model has: rows of the largest embedding, which is that of the tokens."""
    rows = [
        layer["weight"].shape[0]
        for _, layer in model.named_modules()
        if isinstance(layer, nn.Embedding | nn.QuantizedEmbedding)
    ]
    return max(rows)
