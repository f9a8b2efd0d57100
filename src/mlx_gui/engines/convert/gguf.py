"""A GGUF file becomes an MLX folder, bit for bit where the quantisation allows it.

The architectures are those of `gguf_forms`, the types of tensors those of `gguf_weights`, the
tokenizers those of `gguf_tokenizer`. Whatever can be refused is refused before anything is written.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlx_gui.engines.convert.gguf_facts import Facts
from mlx_gui.engines.convert.gguf_fit import check_fit
from mlx_gui.engines.convert.gguf_forms import config_of, dtype_of, form_of
from mlx_gui.engines.convert.gguf_header import read_header
from mlx_gui.engines.convert.gguf_tokenizer import check_tokenizer, tokenizer_of
from mlx_gui.engines.convert.gguf_vocabulary import Vocabulary, vocabulary_of
from mlx_gui.engines.convert.gguf_weights import (
    check_room,
    quantization_of,
    weights_of,
    write_weights,
)
from mlx_gui.engines.convert.safetensors_file import disk_fault

ConvertReport = Callable[[str, int, int], None]
"""Called with stage, bytes done and bytes in all."""


def convert(source: Path, out: Path, report: ConvertReport) -> None:
    """Write the MLX folder of `source` into `out`, which a caller renames once this returns.

    Raises ModelUnsupported naming what cannot be taken over, NotServable for a broken file,
    DiskFull.
    """
    header = read_header(source)
    facts = Facts(source, header)
    form = form_of(facts)
    weights = weights_of(facts, form, dtype_of(facts, form))
    check_tokenizer(header)
    vocabulary = vocabulary_of(header)
    config = config_of(facts, form) | {"vocab_size": len(vocabulary.tokens)}
    check_fit(config, {weight.name: weight.tensor.shape for weight in weights})
    tokenizer = tokenizer_of(vocabulary)
    if quantization := quantization_of(weights):
        config["quantization"] = config["quantization_config"] = quantization

    out.mkdir(parents=True, exist_ok=True)
    check_room(weights, out)
    total_bytes = source.stat().st_size
    report("weights", 0, total_bytes)
    write_weights(
        source,
        weights,
        out / "model.safetensors",
        lambda done_bytes: report("weights", done_bytes, total_bytes),
    )
    report("tokenizer", total_bytes, total_bytes)
    special_ids = _special_ids(vocabulary)
    _write(out / "tokenizer.json", tokenizer.to_str(pretty=True))
    for name, content in (
        ("config.json", config | special_ids),
        ("generation_config.json", special_ids),
        ("tokenizer_config.json", _tokenizer_config(facts, vocabulary)),
    ):
        _write(out / name, json.dumps(content, indent=2) + "\n")
    template = header.metadata.get("tokenizer.chat_template")
    if isinstance(template, str):
        _write(out / "chat_template.jinja", template)


def _write(file: Path, text: str) -> None:
    """Raises DiskFull."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise disk_fault(file.parent, error) from error


def _special_ids(vocabulary: Vocabulary) -> dict[str, int | list[int]]:
    ids: dict[str, int | list[int]] = {
        f"{name}_token_id": vocabulary.special[name]
        for name in ("bos", "pad")
        if name in vocabulary.special
    }
    if vocabulary.ends:
        ends = vocabulary.ends
        ids["eos_token_id"] = ends if len(ends) > 1 else ends[0]
    return ids


def _tokenizer_config(facts: Facts, vocabulary: Vocabulary) -> dict[str, Any]:
    special = {
        f"{name}_token": vocabulary.tokens[index] for name, index in vocabulary.special.items()
    }
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": facts.count("context_length"),
        "clean_up_tokenization_spaces": False,
        **special,
    }
