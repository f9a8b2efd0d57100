"""Parts of the text engine, driven in the child: tokenizers, plain generation, made-up logits."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from mlx_gui.core.generation import Grammar, Sampling

FIXED = Sampling(
    temperature=0, top_p=1, repetition_penalty=1, presence_penalty=0, frequency_penalty=0, seed=0
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One sequence; `stage` and `budget_tokens` are for models that think."""

    prompt: str = "Hello"
    max_tokens: int = 24
    sampling: Sampling = FIXED
    index: int = 0
    grammar: Grammar | None = None
    stage: str | None = None
    budget_tokens: int | None = None
    markers: tuple[str, str] = ("<think>", "</think>")


@dataclass(slots=True)
class Said:
    """What came of an Ask; `ids` are without the end token."""

    ids: list[int] = field(default_factory=list)
    text: str = ""
    finish: str = ""
    error: str | None = None


@cache
def tokenizer(folder: Path) -> Any:
    """In the child."""
    from mlx_gui.engines.text.mlx_lm import load_tokenizer

    return load_tokenizer(folder)


@cache
def compiler(folder: Path) -> Any:
    """In the child."""
    from mlx_gui.engines.text.grammar import GrammarCompiler

    return GrammarCompiler(tokenizer(folder), vocabulary(folder), tokenizer(folder).eos_token_ids)


@cache
def token_bytes(folder: Path) -> Any:
    """In the child."""
    from mlx_gui.engines.text.token_bytes import token_bytes_of

    return token_bytes_of(tokenizer(folder))


def vocabulary(folder: Path) -> int:
    config: Mapping[str, Any] = json.loads((folder / "config.json").read_text())
    return config.get("text_config", config)["vocab_size"]


def processors_of(folder: Path, ask: Ask) -> Any:
    """In the child: what `make_processors` makes of an Ask."""
    from mlx_gui.engines.text.processors import make_processors
    from mlx_gui.engines.text.sampling import resolve
    from mlx_gui.engines.text.thought import Thought, ThoughtMarkers

    thought = None
    if ask.stage is not None:
        start, end = ask.markers
        encode = tokenizer(folder).encode
        markers = ThoughtMarkers(
            start,
            end,
            tuple(encode(start, add_special_tokens=False)),
            tuple(encode(end, add_special_tokens=False)),
        )
        thought = Thought(markers, ask.stage, token_bytes(folder))  # type: ignore[arg-type]
    return make_processors(
        resolve(ask.sampling, Sampling(), {}),
        tokenizer(folder).encode(ask.prompt),
        thought=thought,
        budget_tokens=ask.budget_tokens,
        grammar=None if ask.grammar is None else compiler(folder).check_and_compile(ask.grammar),
    )


def generate(folder: Path, asks: Sequence[Ask]) -> list[Said]:
    """In the child: what mlx-lm's batch makes of them together, with our parts around it."""
    import mlx.core as mx
    from mlx_lm.generate import BatchGenerator

    from mlx_gui.core.generation import Sampling
    from mlx_gui.engines.text.mlx_lm import StopSequences, load_model
    from mlx_gui.engines.text.sampling import make_sampler, resolve

    model, _ = load_model(folder)
    model.set_dtype(mx.float32)
    tokens = tokenizer(folder)
    processors = [processors_of(folder, ask) for ask in asks]
    generator = BatchGenerator(model, stream=mx.default_stream(mx.default_device()))
    uids = generator.insert(
        [tokens.encode(ask.prompt) for ask in asks],
        [ask.max_tokens for ask in asks],
        samplers=[make_sampler(resolve(ask.sampling, Sampling(), {}), ask.index) for ask in asks],
        logits_processors=[[each] if each else None for each in processors],
        stop_sequences=[StopSequences([(token,) for token in tokens.eos_token_ids])] * len(asks),
    )
    said = {uid: Said() for uid in uids}
    while not all(one.finish for one in said.values()):
        for response in generator.next_generated():
            one = said[response.uid]
            one.finish = response.finish_reason or ""
            if response.finish_reason != "stop":
                one.ids.append(response.token)
    for one, guard in zip(said.values(), processors, strict=True):
        one.text = tokens.decode(one.ids)
        one.error = None if guard is None or guard.error is None else guard.error.message
    generator.close()
    return list(said.values())
