"""A search of a Hugging Face cache of 500 repos, and how long the event loop waits meanwhile.

The first search reads every folder, a later one what has changed, which is nothing. A task beside
it asks every millisecond for its turn; the longest wait for one is the longest block of the loop.
What the process has imported is out of the way of collections, as in a server: a full one through
all of it holds everybody up, and would come in one round of several.
"""

import asyncio
import gc
import json
import os
import struct
import time
from functools import cache
from pathlib import Path

from bench.context import Context
from bench.pairs import Sample, interleave
from bench.report import Bound, Row, figure_row
from mlx_gui.catalog.library import Library
from mlx_gui.store.database import Store

_REPOS = 500
_TURN_S = 0.001
_TENSORS = 300
_WORDS = 12_000


def measure(context: Context) -> list[Row]:
    """Times and blocks of both searches; nothing to compare with."""
    cache = context.scratch / "scan" / "hub"
    for number in range(_REPOS):
        _write_repo(cache, number)

    def searches() -> Sample:
        store = Store.open(context.scratch / "scan" / "data")
        try:
            return asyncio.run(_searches(store, cache))
        finally:
            store.close()

    gc.collect()
    gc.freeze()
    try:
        found = interleave({"search": searches}, rounds=context.rounds)["search"]
    finally:
        gc.unfreeze()
    return [
        figure_row("first search of 500 repos", found["first_s"], "s", None),
        figure_row("longest block meanwhile", found["first_block_ms"], "ms", Bound("≤", 50)),
        figure_row("later search of 500 repos", found["later_s"], "s", Bound("≤", 1)),
        figure_row("longest block meanwhile", found["later_block_ms"], "ms", Bound("≤", 50)),
    ]


async def _searches(store: Store, cache: Path) -> Sample:
    library = Library(
        store=store,
        model_dirs=lambda: (cache,),
        supported=dict,
        on_change=lambda: None,
    )
    found: Sample = {}
    for name in ("first", "later"):
        block_s, took_s = await _search(library)
        found |= {f"{name}_s": took_s, f"{name}_block_ms": block_s * 1000}
    assert len(library.models()) == _REPOS
    return found


async def _search(library: Library) -> tuple[float, float]:
    """The longest block of the loop, and the time of the search."""
    longest_s = 0.0

    async def take_turns() -> None:
        nonlocal longest_s
        while True:
            asked_s = time.perf_counter()
            await asyncio.sleep(_TURN_S)
            longest_s = max(longest_s, time.perf_counter() - asked_s - _TURN_S)

    turns = asyncio.create_task(take_turns())
    await asyncio.sleep(0)
    began_s = time.perf_counter()
    await library.rescan()
    took_s = time.perf_counter() - began_s
    turns.cancel()
    return longest_s, took_s


def _write_repo(cache: Path, number: int) -> None:
    """A repo as the hub's client lays it out, with the header of a small model's weights."""
    repo = cache / f"models--org--model-{number}"
    snapshot = repo / "snapshots" / f"{number:040x}"
    snapshot.mkdir(parents=True)
    blobs = repo / "blobs"
    blobs.mkdir()
    for name, content in _files().items():
        blob = blobs / f"{number}-{name}"
        blob.write_bytes(content)
        (snapshot / name).symlink_to(os.path.relpath(blob, snapshot))


def _files() -> dict[str, bytes]:
    config = {
        "model_type": "llama",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 30,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
    }
    tensors = {
        f"model.layers.{place}.weight": {
            "dtype": "BF16",
            "shape": [1, 1],
            "data_offsets": [2 * place, 2 * place + 2],
        }
        for place in range(_TENSORS)
    }
    header = json.dumps(tensors).encode()
    return {
        "config.json": json.dumps(config).encode(),
        "model.safetensors": struct.pack("<Q", len(header)) + header + bytes(2 * _TENSORS),
        "tokenizer.json": _tokenizer(),
        "tokenizer_config.json": b'{"chat_template": "{{ messages }}"}',
        "generation_config.json": b"{}",
        "special_tokens_map.json": b"{}",
    }


@cache
def _tokenizer() -> bytes:
    """One of 200 kB, as the library writes it: what was added first, then the vocabulary."""
    added = [{"id": number, "content": f"<|special_{number}|>"} for number in range(20)]
    vocabulary = {f"\u0120word{number}": number for number in range(_WORDS)}
    model = {"type": "BPE", "vocab": vocabulary, "merges": []}
    return json.dumps({"version": "1.0", "added_tokens": added, "model": model}).encode()
