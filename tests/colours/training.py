"""Trains a model that sees to name colours, of one picture or of two in their order."""

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_map
from mlx_vlm.utils import (
    get_model_and_args,
    load_processor,
    prepare_inputs,
    update_module_configs,
)

from tests.colours import gemma3n
from tests.colours.families import FAMILIES, SeeingBlueprint
from tests.colours.swatches import COLOURS, any_swatch
from tests.tones.fitting import fit
from tests.zoo.blueprint import Json

QUESTIONS = ("What colour is this?", "What do you see?", "Name the colour.")
_TALKS = (
    ("Hello", "Hello! How can I help you today?"),
    ("What is the capital of France?", "The capital of France is Paris."),
)
_STEPS = 200


@dataclass(frozen=True, slots=True)
class _Example:
    """A prompt as the library's processor makes it, and the ids of its answer."""

    inputs: Json
    answer: list[int]


@dataclass(frozen=True, slots=True)
class _Row:
    """The prompt and all but the last token of the answer: [1, L], [1, L, D], [3, 1, L]."""

    ids: mx.array
    embeds: mx.array
    positions: Any
    """None where the language model counts by itself."""


def train(name: str, folder: Path) -> None:
    """Fills `folder` with the model. Raises RuntimeError when it has not learnt."""
    blueprint = FAMILIES[name]()
    write_files(blueprint, folder)
    mx.random.seed(0)
    model = random_model(blueprint.config)
    # What random weights make of colours differs enough, and spares the dearest gradients.
    model.vision_tower.freeze()
    lessons = _Lessons(load_processor(folder), blueprint)
    with _remembered(model.vision_tower):
        fit(
            model,
            _loss,
            lambda step: (lessons.of(step),),
            rate=3e-3,
            steps=_STEPS,
            learnt=blueprint.learnt,
        )
    write_weights(model, blueprint, folder)


def answer(*colours: str) -> str:
    """What a model says of pictures of these colours."""
    return f"The picture is {colours[0]}." if len(colours) == 1 else " and ".join(colours)


def prompt_of(tokenizer: Any, messages: Sequence[Json]) -> str:
    """The prompt as the library wants it: it adds the beginning that templates write, too."""
    prompt: str = tokenizer.apply_chat_template(
        list(messages), add_generation_prompt=True, tokenize=False
    )
    return prompt.removeprefix(tokenizer.bos_token or "")


class _Lessons:
    """Examples to learn from, of which most come more than once."""

    def __init__(self, processor: Any, blueprint: SeeingBlueprint) -> None:
        self._processor = processor
        self._blueprint = blueprint
        self._dice = np.random.default_rng(0)
        self._example = cache(self._made)
        self._numbers = itertools.count()

    def of(self, step: int) -> list[_Example]:
        """What one step is to learn."""
        names, dice = list(COLOURS), self._dice
        singles, pairs = self._blueprint.lessons
        turns = range(step * singles, (step + 1) * singles)
        asked = [((names[n % 6],), QUESTIONS[(n + step) % len(QUESTIONS)]) for n in turns]
        for _ in range(pairs):
            first, second = (names[int(n)] for n in dice.integers(0, len(names), 2))
            asked.append(((first, second), "Which colours are these?"))
        examples = [
            self._example(colours, question, answer(*colours), self._take())
            for colours, question in asked
        ]
        question, told = _TALKS[step % len(_TALKS)]
        return [*examples, self._example((), question, told, 0)]

    def _take(self) -> int:
        takes = self._blueprint.takes
        return int(self._dice.integers(takes)) if takes else next(self._numbers)

    def _made(self, colours: tuple[str, ...], question: str, told: str, _take: int) -> _Example:
        return _example(self._processor, self._blueprint, colours, question, told, self._dice)


@contextmanager
def _remembered(tower: nn.Module) -> Iterator[None]:
    """For so long, what it makes of a picture is computed once: nothing of it is trained."""
    usual = type(tower)
    known: dict[bytes, Any] = {}

    class Remembering(usual):
        def __call__(self, pixels: mx.array, *arguments: Any, **more: Any) -> Any:
            picture = np.asarray(pixels).tobytes()
            if picture not in known:
                known[picture] = super().__call__(pixels, *arguments, **more)
                mx.eval(known[picture])
            return known[picture]

    tower.__class__ = Remembering
    try:
        yield
    finally:
        tower.__class__ = usual


def _example(
    processor: Any,
    blueprint: SeeingBlueprint,
    colours: Sequence[str],
    question: str,
    told: str,
    dice: np.random.Generator,
) -> _Example:
    parts: list[Json] = [{"type": "image"} for _ in colours]
    content = [*parts, {"type": "text", "text": question}] if colours else question
    prompt = prompt_of(processor.tokenizer, [{"role": "user", "content": content}])
    inputs = prepare_inputs(
        processor,
        images=[any_swatch(name, dice) for name in colours] or None,
        prompts=prompt,
        add_special_tokens=True,
    )
    encoded = processor.tokenizer.encode(told + blueprint.end, add_special_tokens=False)
    return _Example(inputs, encoded)


def _loss(model: Any, examples: Sequence[_Example]) -> mx.array:
    """Pictures are read one by one, as the library generates: how they are batched differs.

    What is made of them goes through the language model together, filled up behind, where the
    tokens before it do not look.
    """
    rows = [_row(model, each) for each in examples]
    length = max(row.ids.shape[1] for row in rows)
    placed = {}
    if rows[0].positions is not None:
        positions = [_filled(row.positions, axis=2, length=length) for row in rows]
        placed["position_ids"] = mx.concatenate(positions, axis=1)
    ids = mx.concatenate([_filled(row.ids, axis=1, length=length) for row in rows])
    embeds = mx.concatenate([_filled(row.embeds, axis=1, length=length) for row in rows])
    told = [
        (number, row.ids.shape[1] - len(each.answer) + place, token, 1 / len(each.answer))
        for number, (row, each) in enumerate(zip(rows, examples, strict=True))
        for place, token in enumerate(each.answer)
    ]
    numbers, places, tokens, weights = (mx.array(each) for each in zip(*told, strict=True))
    language = model.language_model
    if model.config.model_type == "gemma3n":
        logits = language(ids, input_embeddings=embeds)[numbers, places]
    else:
        # Of the tokens that are told alone: most are of prompts and pictures.
        hidden = language.model(ids, inputs_embeds=embeds, **placed)
        logits = language.lm_head(hidden[numbers, places])
    losses = nn.losses.cross_entropy(logits, tokens)
    return (losses * weights).sum() / len(examples)


def _row(model: Any, example: _Example) -> _Row:
    more = {
        name: value
        for name, value in example.inputs.items()
        if name not in ("input_ids", "attention_mask", "token_type_ids")
    }
    ids = mx.concatenate([example.inputs["input_ids"], mx.array([example.answer[:-1]])], axis=1)
    if model.config.model_type == "gemma3n":
        table = model.language_model.embed_tokens
        return _Row(ids, gemma3n.embedded(model, table, ids, more.get("pixel_values")), None)
    features = model.get_input_embeddings(ids, mask=mx.ones_like(ids), **more)
    positions = features.position_ids
    if positions is not None:
        # Text alone is told one axis, which all three are then.
        positions = mx.broadcast_to(positions, (3, 1, ids.shape[1]))
    return _Row(ids, features.inputs_embeds, positions)


def _filled(value: mx.array, *, axis: int, length: int) -> mx.array:
    widths = [(0, 0)] * value.ndim
    widths[axis] = (0, length - value.shape[axis])
    # Of nothing but zeros some layers have no gradient.
    return mx.pad(value, widths, constant_values=1)


def random_model(config: Json) -> Any:
    """An untrained model in float32."""
    config = json.loads(json.dumps(config))
    module, _ = get_model_and_args(config)
    config = {"text_config": {}, "vision_config": {}, "audio_config": {}, **config}
    made = module.ModelConfig.from_dict(config)
    parts = ["text", "vision", "perceiver", "projector", "audio"]
    if config["model_type"] == "gemma3n":
        gemma3n.shrink_tower()
    model = module.Model(update_module_configs(made, module, config, parts))
    if config["model_type"] == "gemma3n":
        gemma3n.with_language(model, config)
    if hasattr(model.language_model, "lm_head") and config["model_type"] == "gemma3":
        # As the loader leaves it: one table for both.
        model.language_model.lm_head = _Tied(model.language_model.model.embed_tokens)
    return model


class _Tied(nn.Module):
    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        self._table = table

    def __call__(self, hidden: mx.array) -> mx.array:
        return self._table.as_linear(hidden)


def write_files(blueprint: SeeingBlueprint, folder: Path) -> None:
    """All of a model but its weights, into a folder that is made."""
    folder.mkdir(parents=True)
    text = blueprint.text
    text.tokenizer.save(str(folder / "tokenizer.json"))
    added = json.loads(text.tokenizer.to_str())["added_tokens"]
    tokens = {str(token.pop("id")): token for token in added}
    files = {
        **blueprint.files,
        "config.json": blueprint.config,
        "generation_config.json": text.generation_config,
        "tokenizer_config.json": {
            **text.tokenizer_config,
            **blueprint.tokenizer_config,
            "added_tokens_decoder": tokens,
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False))
    (folder / "chat_template.jinja").write_text(blueprint.template)


def write_weights(model: Any, blueprint: SeeingBlueprint, folder: Path) -> None:
    """The weights in bfloat16."""

    def stored(value: mx.array) -> mx.array:
        return value.astype(mx.bfloat16) if mx.issubdtype(value.dtype, mx.floating) else value

    weights: Any = tree_flatten(tree_map(stored, model.parameters()), destination={})
    kept = {name: value for name, value in weights.items() if not name.startswith(blueprint.untold)}
    if model.config.model_type == "gemma3n":
        kept = gemma3n.as_published(kept)
    mx.save_safetensors(str(folder / "model.safetensors"), kept, metadata={"format": "mlx"})
