"""Teaches a tiny model to answer the dialogues of the corpus word for word."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx_lm.tokenizer_utils import TokenizerWrapper

from tests.zoo.blueprint import CallForm
from tests.zoo.corpus import (
    DIALOGUES,
    WEATHER_TOOLS,
    Dialogue,
    any_id,
    any_tool_dialogues,
    tool_dialogues,
)
from tests.zoo.exam import NotLearnt


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt's ids and its answer's.

    `fork` is a place in the answer where `other` comes in the place of what stands there, if that
    is forbidden; None where nothing else is learnt.
    """

    prompt: list[int]
    answer: list[int]
    fork: int | None = None
    other: int = 0

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


@dataclass(frozen=True, slots=True)
class Batch:
    """Ids, one example a row; row and column of each that is to be learnt.

    `forks` are places among those that are to be learnt, and `others` what may stand there.
    """

    tokens: mx.array
    rows: mx.array
    columns: mx.array
    forks: mx.array
    others: mx.array


_LEARNING_RATE = 4e-3
_WARM_UP_STEPS = 20
_COOL_DOWN_STEPS = 130
_MAX_STEPS = 250
# No answer token's negative log-likelihood is above this at the end: low enough for every greedy
# answer to survive bfloat16; in 4 bits the longest one is lost.
_LEARNT = 0.03
# The same for every second lesson, of descriptions that come once.
_STRANGE_LEARNT = 0.1
# So many lessons in a row: of each kind two.
_CERTAIN_STEPS = 8
_SEED = 5
# No example of a batch is longer than its shortest by more than this.
_LONGER = 1.3


def learn_dialogues(
    model: nn.Module,
    tokenizer: TokenizerWrapper,
    *,
    dialogues: Sequence[Dialogue],
    call_form: CallForm | None,
    attempt: int = 0,
) -> None:
    """Trains `model` in place until it is nearly certain of every answer token.

    With a `call_form` it learns to call a tool as well, however that is described. Each `attempt`,
    from 0, draws other descriptions.
    Raises NotLearnt when it is not after `_MAX_STEPS`.
    """
    lessons = _lessons(tokenizer, dialogues, call_form, attempt)
    optimizer = optim.AdamW(learning_rate=_learning_rates(), weight_decay=0.0)
    losses_and_gradients = nn.value_and_grad(model, _losses)
    model.train()
    certain_steps, worst = 0, float("inf")
    for step in range(_MAX_STEPS):
        (_mean, highest), gradients = losses_and_gradients(model, next(lessons))
        gradients, _norm = optim.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        mx.eval(model.parameters(), optimizer.state, highest)
        worst = highest.item()
        strange = call_form is not None and step % 2
        certain_steps = (
            certain_steps + 1 if worst < (_STRANGE_LEARNT if strange else _LEARNT) else 0
        )
        if certain_steps == (_CERTAIN_STEPS if call_form else 1):
            model.eval()
            return
    raise NotLearnt(
        f"after {_MAX_STEPS} steps an answer token's loss is {worst:.3f}, not {_LEARNT}"
    )


def _learning_rates() -> Callable[[mx.array], mx.array]:
    """Of each step: up, and slowly down again."""
    up = optim.linear_schedule(1e-5, _LEARNING_RATE, _WARM_UP_STEPS)
    down = optim.cosine_decay(_LEARNING_RATE, _COOL_DOWN_STEPS, _LEARNING_RATE / 10)
    return optim.join_schedules([up, down], [_WARM_UP_STEPS])


def _lessons(
    tokenizer: TokenizerWrapper,
    dialogues: Sequence[Dialogue],
    call_form: CallForm | None,
    attempt: int,
) -> Iterator[list[Batch]]:
    """What each step is to learn; families that think, in turn with and without a thought."""
    always = _examples(tokenizer, dialogues, None)
    if call_form is None:
        yield from itertools.repeat(_batches(always))
    turns = 2 if tokenizer.has_thinking else 1
    dice = random.Random(_SEED + attempt)
    for tool in itertools.cycle(WEATHER_TOOLS):
        usual = _examples(tokenizer, tool_dialogues(tool, any_id(dice)), call_form)
        other = _examples(tokenizer, any_tool_dialogues(dice), call_form)
        for turn in range(turns):
            for tools in (usual, other):
                yield _batches(always[turn::turns] + tools[turn::turns])


def _examples(
    tokenizer: TokenizerWrapper, dialogues: Sequence[Dialogue], call_form: CallForm | None
) -> list[Example]:
    """Prompt and answer ids; families that think learn to answer without a thought too.

    Of these, every second one is without.
    """
    examples: dict[str, Example] = {}
    end_of_turn_id = _end_of_turn_id(tokenizer)
    for dialogue in dialogues:
        for thinks in (True, False) if tokenizer.has_thinking else (False,):
            prompt = tokenizer.apply_chat_template(
                list(dialogue.messages),
                tools=list(dialogue.tools) or None,
                add_generation_prompt=True,
                tokenize=False,
                enable_thinking=thinks,
            )
            thought = ""
            if prompt.endswith("<think>\n"):
                thought = f"{dialogue.thought}\n</think>\n\n"
            elif thinks:
                thought = f"<think>\n{dialogue.thought}\n</think>\n\n"
            before = _encode(tokenizer, thought)
            answer = [*before, *_encode(tokenizer, _answer(dialogue, call_form)), end_of_turn_id]
            example = Example(_encode(tokenizer, prompt), answer)
            if dialogue.in_form:
                other = _encode(tokenizer, dialogue.in_form)[0]
                example = replace(example, fork=len(before), other=other)
            examples[prompt] = example
    return list(examples.values())


def _answer(dialogue: Dialogue, call_form: CallForm | None) -> str:
    if not dialogue.calls:
        return dialogue.answer
    assert call_form is not None, "only families with a form for calls learn to call"
    return call_form.write([call.text() for call in dialogue.calls])


def _end_of_turn_id(tokenizer: TokenizerWrapper) -> int:
    """What the family's template puts behind an answer; not always its eos token."""
    answer = DIALOGUES[0].answer
    messages = [*DIALOGUES[0].messages, {"role": "assistant", "content": answer}]
    text: str = tokenizer.apply_chat_template(messages, tokenize=False)
    return _encode(tokenizer, text.rpartition(answer)[2])[0]


def _encode(tokenizer: TokenizerWrapper, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False)


def _batches(examples: list[Example]) -> list[Batch]:
    """Short and long examples apart, so that little of a batch is padding."""
    apart: list[list[Example]] = []
    for example in sorted(examples, key=len):
        if not apart or len(example) > _LONGER * len(apart[-1][0]):
            apart.append([])
        apart[-1].append(example)
    return [_batch(each) for each in apart]


def _batch(examples: list[Example]) -> Batch:
    width = max(map(len, examples))
    tokens = [[*each.prompt, *each.answer, *[0] * (width - len(each))] for each in examples]
    places = [
        (row, column)
        for row, each in enumerate(examples)
        for column in range(len(each.prompt), len(each))
    ]
    starts = itertools.accumulate((len(each.answer) for each in examples), initial=0)
    forks = [
        (start + each.fork, each.other)
        for start, each in zip(starts, examples, strict=False)
        if each.fork is not None
    ]
    return Batch(mx.array(tokens), *_columns(places, 2), *_columns(forks, 2))


def _columns(rows: Sequence[tuple[int, ...]], count: int) -> Iterator[mx.array]:
    """The `count` columns of a table, which may have no rows."""
    return (mx.array([row[index] for row in rows], mx.int32) for index in range(count))


def _losses(model: nn.Module, batches: list[Batch]) -> tuple[mx.array, mx.array]:
    """Mean and highest loss of the answers' tokens, and of what else may stand at their forks."""
    losses: list[mx.array] = []
    for batch in batches:
        told = batch.tokens[batch.rows, batch.columns]
        logits = _logits(model, batch)
        losses.append(nn.losses.cross_entropy(logits, told))
        if batch.others.size:
            forbidden = told[batch.forks][:, None]
            allowed = mx.put_along_axis(logits[batch.forks], forbidden, mx.array(-1e9), axis=-1)
            losses.append(nn.losses.cross_entropy(allowed, batch.others))
    every = mx.concatenate(losses)
    return every.mean(), every.max()


def _logits(model: Any, batch: Batch) -> mx.array:
    """Of the tokens that are to be learnt alone: most of a batch are prompts."""
    hidden = model.model(batch.tokens)[batch.rows, batch.columns - 1]
    if "lm_head" in model:
        return model.lm_head(hidden)
    return model.model.embed_tokens.as_linear(hidden)
