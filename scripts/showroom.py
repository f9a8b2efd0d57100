"""A server that looks like one that somebody works with, for pictures of the interface.

Its models have the names and the sizes of real ones, as files of which nothing but the beginning
takes space. The fake engine answers for them, and a hub on this machine has more of them.
"""

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

from tests.hub.repos import Commit, StoredFile
from tests.hub.server import HubServer
from tests.support.server import Server, running_server

_VALUE_BYTES = {"U32": 4, "BF16": 2}
_ROWS = 4096
_TEMPLATE = """\
{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
_CALLS = (
    """\
{%- if tools %}
    {{- '<|im_start|>system\\n# Tools\\n\\n<tools>' }}
    {%- for tool in tools %}
        {{- '\\n' }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- '\\n</tools>\\n\\nAnswer with <tool_call> to call one of them.<|im_end|>\\n' }}
{%- endif %}
"""
    + _TEMPLATE
)
_THINKS = (
    _CALLS
    + """\
{%- if enable_thinking is defined and enable_thinking is false %}
    {{- '<think>\\n\\n</think>\\n\\n' }}
{%- endif %}
"""
)
_CARD = """\
---
license: {licence}
library_name: mlx
tags: [mlx]
---
# {id}

This model was converted to MLX format from its original by mlx-lm. It answers conversations in
many languages, calls the functions that a request brings, and can think before it answers.

![Results](https://example.test/results.png)

## Use it

- Any client of OpenAI's API finds it under its name.
- **Temperature 0.6** with *top-p 0.95* suits it best when it thinks; 0.7 with 0.8 when it does not.
- Its longest context is [described by its publisher](https://example.test/context).

```sh
mlx-gui run {id} "What is the capital of France?"
```

## Limits

It may be wrong, and it may say so with confidence. Check what matters.
"""
_PROGRAM = (
    "-c",
    "import mlx_gui.app, mlx_gui.__main__ as program\n"
    "mlx_gui.app.scripted_models = tuple\n"
    "program.main()",
)
"""The program without the models that the fake engine has scripts of."""
_BUDGET_BYTES = 15_000_000_000


@dataclass(frozen=True, slots=True)
class Shown:
    """A model as it is shown. `values` are its parameters, `bits` of each as they are packed."""

    id: str
    model_type: str
    values: int
    bits: int | None = 4
    layers: int = 36
    hidden: int = 4096
    heads: int = 32
    kv_heads: int = 8
    context: int = 40_960
    template: str = _TEMPLATE
    licence: str | None = "apache-2.0"
    task: str = "text-generation"
    base: str | None = None
    downloads: int = 0
    likes: int = 0


HERE = (
    Shown("mlx-community/Qwen3-8B-4bit", "qwen3", 8_190_000_000, template=_THINKS),
    Shown(
        "mlx-community/Qwen3-14B-4bit",
        "qwen3",
        14_770_000_000,
        layers=40,
        hidden=5120,
        heads=40,
        template=_THINKS,
    ),
    Shown(
        "mlx-community/Llama-3.2-3B-Instruct-4bit",
        "llama",
        3_210_000_000,
        layers=28,
        hidden=3072,
        heads=24,
        context=131_072,
        template=_CALLS,
        licence="llama3.2",
    ),
    Shown(
        "mlx-community/gemma-3-4b-it-qat-4bit",
        "gemma3",
        4_300_000_000,
        layers=34,
        hidden=2560,
        heads=8,
        kv_heads=4,
        context=131_072,
        licence="gemma",
    ),
    Shown(
        "mlx-community/Qwen2.5-Coder-7B-4bit",
        "qwen2",
        7_620_000_000,
        layers=28,
        hidden=3584,
        heads=28,
        kv_heads=4,
        context=32_768,
        template="",
    ),
    Shown(
        "mlx-community/whisper-large-v3-turbo",
        "whisper",
        809_000_000,
        bits=None,
        layers=4,
        hidden=1280,
        heads=20,
        licence="mit",
    ),
    Shown(
        "BAAI/bge-small-en-v1.5",
        "bert",
        33_400_000,
        bits=None,
        layers=12,
        hidden=384,
        heads=12,
        context=512,
        licence="mit",
    ),
    Shown("mlx-community/Falcon-Next-7B-4bit", "falcon_next", 7_000_000_000),
)
"""On this machine; the last one is of an architecture that nothing here serves."""

_OF_HUB = (
    Shown(
        "mlx-community/Qwen3-30B-A3B-4bit",
        "qwen3_moe",
        30_500_000_000,
        base="Qwen/Qwen3-30B-A3B",
        template=_THINKS,
        downloads=812_000,
        likes=214,
    ),
    Shown(
        "mlx-community/Mistral-Small-24B-Instruct-2501-4bit",
        "mistral",
        23_570_000_000,
        template=_CALLS,
        downloads=96_000,
        likes=88,
    ),
    Shown(
        "mlx-community/Qwen3-4B-Instruct-2507-4bit",
        "qwen3",
        4_022_000_000,
        base="Qwen/Qwen3-4B-Instruct-2507",
        template=_CALLS,
        downloads=402_000,
        likes=131,
    ),
    Shown(
        "mlx-community/Qwen3-4B-Instruct-2507-8bit",
        "qwen3",
        4_022_000_000,
        bits=8,
        base="Qwen/Qwen3-4B-Instruct-2507",
        template=_CALLS,
        downloads=37_000,
        likes=19,
    ),
    Shown(
        "mlx-community/Llama-3.3-70B-Instruct-4bit",
        "llama",
        70_550_000_000,
        licence="llama3.3",
        template=_CALLS,
        downloads=121_000,
        likes=140,
    ),
    Shown(
        "mlx-community/gemma-3-1b-it-4bit",
        "gemma3_text",
        1_000_000_000,
        layers=26,
        licence="gemma",
        downloads=58_000,
        likes=41,
    ),
    Shown(
        "mlx-community/SmolLM3-3B-4bit",
        "smollm3",
        3_080_000_000,
        template=_THINKS,
        downloads=44_000,
        likes=67,
    ),
    Shown(
        "mlx-community/Phi-4-mini-instruct-4bit",
        "phi3",
        3_840_000_000,
        licence="mit",
        downloads=31_000,
        likes=29,
    ),
    Shown(
        "mlx-community/DeepSeek-R1-Distill-Qwen-7B-4bit",
        "qwen2",
        7_620_000_000,
        licence="mit",
        template=_THINKS,
        downloads=76_000,
        likes=95,
    ),
    Shown(
        "mlx-community/Ministral-8B-Instruct-2410-4bit",
        "mistral",
        8_020_000_000,
        licence="mistral-ai-research",
        downloads=22_000,
        likes=24,
    ),
)
ARRIVING = _OF_HUB[1].id
"""The one that is being downloaded."""
TERMS = _OF_HUB[4].id
"""One whose licence has terms of its own."""
WAITING = (_OF_HUB[6].id, _OF_HUB[7].id)
"""Those that are downloaded after it."""


@contextmanager
def showroom(folder: Path, *, empty: bool = False) -> Iterator[Server]:
    """A server with the models, or without any, and a hub that it finds others on."""
    models = folder / "models"
    models.mkdir(parents=True)
    for shown in () if empty else HERE:
        _write(models / shown.id, shown)
    with HubServer() as hub:
        for rank, shown in enumerate(_OF_HUB):
            _offer(hub, folder / "hub", shown, rank)
        settings: dict[str, object] = {
            "model_dirs": models,
            "hub_endpoint": hub.url,
            "memory_limit_bytes": _BUDGET_BYTES,
            "max_context_tokens": 4096,
            "max_loaded_models": 5,
            "slots": 2,
            "downloads_at_once": 1,
        }
        with running_server(folder, settings=settings, program=_PROGRAM) as server:
            yield server


def _write(folder: Path, shown: Shown) -> None:
    """The folder of a model, whose weights take no space."""
    folder.mkdir(parents=True)
    files = {"config.json": _config(shown), "tokenizer.json": {"version": "1.0"}}
    if shown.template:
        files["tokenizer_config.json"] = {"chat_template": shown.template}
    if shown.model_type == "bert":
        stages = {"Transformer": "", "Pooling": "1_Pooling"}
        files["modules.json"] = [
            {
                "idx": idx,
                "name": str(idx),
                "path": path,
                "type": f"sentence_transformers.models.{kind}",
            }
            for idx, (kind, path) in enumerate(stages.items())
        ]
        (folder / "1_Pooling").mkdir()
        pooling = {"word_embedding_dimension": shown.hidden, "pooling_mode_cls_token": True}
        files["1_Pooling/config.json"] = pooling
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    card = _CARD.format(id=shown.id, licence=shown.licence)
    (folder / "README.md").write_text(card, encoding="utf-8")
    header, size = _header(shown)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(header)
        file.truncate(len(header) + size)


def _config(shown: Shown) -> dict[str, Any]:
    config: dict[str, Any] = {
        "model_type": shown.model_type,
        "hidden_size": shown.hidden,
        "intermediate_size": 3 * shown.hidden,
        "num_hidden_layers": shown.layers,
        "num_attention_heads": shown.heads,
        "num_key_value_heads": shown.kv_heads,
        "head_dim": 128,
        "max_position_embeddings": shown.context,
        "vocab_size": 151_936,
    }
    if shown.bits is not None:
        config["quantization"] = {"group_size": 64, "bits": shown.bits}
    if shown.model_type == "whisper":
        config |= {"d_model": shown.hidden, "encoder_attention_heads": 20, "decoder_layers": 4}
        config |= {"max_source_positions": 1500, "vocab_size": 51_866}
    if shown.model_type == "gemma3":
        tower = {
            "hidden_size": 1152,
            "num_attention_heads": 16,
            "patch_size": 14,
            "image_size": 896,
        }
        config = {**config, "text_config": dict(config), "vision_config": tower}
    return config


def _header(shown: Shown) -> tuple[bytes, int]:
    """The beginning of a safetensors file with the parameters spread over the layers."""
    rows = shown.values // shown.layers // _ROWS
    tensors: dict[str, tuple[str, tuple[int, int]]] = {}
    for layer in range(shown.layers):
        name = f"model.layers.{layer}.mlp.up_proj"
        if shown.bits is None:
            tensors[f"{name}.weight"] = ("BF16", (rows, _ROWS))
        else:
            tensors[f"{name}.weight"] = ("U32", (rows, _ROWS * shown.bits // 32))
            tensors[f"{name}.scales"] = ("BF16", (rows, _ROWS // 64))
            tensors[f"{name}.biases"] = ("BF16", (rows, _ROWS // 64))
    if shown.model_type == "gemma3":
        tensors["vision_tower.embedding.weight"] = ("BF16", (1152, 14))
    header: dict[str, Any] = {}
    end = 0
    for name, (kind, (height, width)) in tensors.items():
        size = height * width * _VALUE_BYTES[kind]
        offsets = [end, end + size]
        header[name] = {"dtype": kind, "shape": [height, width], "data_offsets": offsets}
        end += size
    written = json.dumps(header).encode()
    return struct.pack("<Q", len(written)) + written, end


def _offer(hub: HubServer, folder: Path, shown: Shown, rank: int) -> None:
    """A repo of the hub; digests of weights that nobody has are made up."""
    _write(folder / shown.id, shown)
    paths = sorted(each for each in (folder / shown.id).rglob("*") if each.is_file())
    files = tuple(_stored(path, folder / shown.id) for path in paths)
    repo = hub.add(
        shown.id,
        _empty(folder / "none"),
        tags=("mlx",),
        pipeline_tag=shown.task,
        license=shown.licence,
        base_model=shown.base,
        downloads=shown.downloads,
        likes=shown.likes,
        trending=100 - rank,
    )
    commit = Commit(sha1(shown.id.encode()).hexdigest(), files)
    repo.commits[commit.sha] = commit
    repo.refs["main"] = commit.sha


def _stored(path: Path, folder: Path) -> StoredFile:
    name = str(path.relative_to(folder))
    size = path.stat().st_size
    if path.suffix != ".safetensors":
        content = path.read_bytes()
        return StoredFile(name, path, size, sha1(b"blob %d\0" % size + content).hexdigest(), None)
    made_up = str(path).encode()
    return StoredFile(name, path, size, sha1(made_up).hexdigest(), sha256(made_up).hexdigest())


def _empty(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
