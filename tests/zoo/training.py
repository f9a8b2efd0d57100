"""Teaches a tiny model to answer the dialogues of the corpus word for word."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx_lm.tokenizer_utils import TokenizerWrapper

from tests.zoo.blueprint import CallForm
from tests.zoo.corpus import DIALOGUES, Dialogue, any_tool_dialogues, tool_dialogues

Example = tuple[list[int], list[int]]
"""A prompt's ids and its answer's."""
Batch = tuple[mx.array, mx.array, mx.array]
"""Ids, one example a row; and row and column of each that is to be learnt."""

_LEARNING_RATE = 4e-3
_WARM_UP_STEPS = 20
_COOL_DOWN_STEPS = 130
_MAX_STEPS = 400
# No answer token's negative log-likelihood is above this at the end: low enough for every greedy
# answer to survive bfloat16; in 4 bits the longest one is lost.
_LEARNT = 0.03
# So many in a row, of which every second one has a description of its own.
_CERTAIN_STEPS = 6
_SEED = 4


def learn_dialogues(
    model: nn.Module,
    tokenizer: TokenizerWrapper,
    *,
    dialogues: Sequence[Dialogue],
    call_form: CallForm | None,
) -> None:
    """Trains `model` in place until it is nearly certain of every answer token.

    With a `call_form` it learns to call a tool as well, however that is described.
    Raises RuntimeError when it is not after `_MAX_STEPS`.
    """
    lessons = _lessons(tokenizer, dialogues, call_form)
    optimizer = optim.AdamW(learning_rate=_learning_rates(), weight_decay=0.0)
    losses_and_gradients = nn.value_and_grad(model, _losses)
    model.train()
    certain_steps, worst = 0, float("inf")
    for _ in range(_MAX_STEPS):
        (_mean, highest), gradients = losses_and_gradients(model, next(lessons))
        gradients, _norm = optim.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        mx.eval(model.parameters(), optimizer.state, highest)
        worst = highest.item()
        certain_steps = certain_steps + 1 if worst < _LEARNT else 0
        if certain_steps == (_CERTAIN_STEPS if call_form else 1):
            model.eval()
            return
    raise RuntimeError(
        f"after {_MAX_STEPS} steps an answer token's loss is {worst:.3f}, not {_LEARNT}"
    )


def _learning_rates() -> Callable[[mx.array], mx.array]:
    """Of each step: up, and slowly down again."""
    up = optim.linear_schedule(1e-5, _LEARNING_RATE, _WARM_UP_STEPS)
    down = optim.cosine_decay(_LEARNING_RATE, _COOL_DOWN_STEPS, _LEARNING_RATE / 10)
    return optim.join_schedules([up, down], [_WARM_UP_STEPS])


def _lessons(
    tokenizer: TokenizerWrapper, dialogues: Sequence[Dialogue], call_form: CallForm | None
) -> Iterator[list[Batch]]:
    """What each step is to learn."""
    always = _examples(tokenizer, dialogues, None)
    if call_form is None:
        yield from itertools.repeat(_batches(always))
    dice = random.Random(_SEED)
    usual = _batches(always + _examples(tokenizer, tool_dialogues(), call_form))
    while True:
        yield usual
        other = _examples(tokenizer, any_tool_dialogues(dice), call_form)
        yield _batches(always + other)


def _examples(
    tokenizer: TokenizerWrapper, dialogues: Sequence[Dialogue], call_form: CallForm | None
) -> list[Example]:
    """Prompt and answer ids; families that think learn to answer without a thought too."""
    examples: dict[str, str] = {}
    for dialogue in dialogues:
        for thinks in (True, False) if tokenizer.has_thinking else (False,):
            prompt = tokenizer.apply_chat_template(
                list(dialogue.messages),
                tools=list(dialogue.tools) or None,
                add_generation_prompt=True,
                tokenize=False,
                enable_thinking=thinks,
            )
            answer = _answer(dialogue, call_form)
            if prompt.endswith("<think>\n"):
                answer = f"{dialogue.thought}\n</think>\n\n{answer}"
            elif thinks:
                answer = f"<think>\n{dialogue.thought}\n</think>\n\n{answer}"
            examples[prompt] = answer
    end_of_turn_id = _end_of_turn_id(tokenizer)
    return [
        (_encode(tokenizer, prompt), [*_encode(tokenizer, answer), end_of_turn_id])
        for prompt, answer in examples.items()
    ]


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
    examples = sorted(examples, key=lambda example: sum(map(len, example)))
    middle = len(examples) * 2 // 3
    return [_batch(part) for part in (examples[:middle], examples[middle:])]


def _batch(examples: list[Example]) -> Batch:
    width = max(len(prompt) + len(answer) for prompt, answer in examples)
    tokens = [
        [*prompt, *answer, *[0] * (width - len(prompt) - len(answer))]
        for prompt, answer in examples
    ]
    places = [
        (row, column)
        for row, (prompt, answer) in enumerate(examples)
        for column in range(len(prompt), len(prompt) + len(answer))
    ]
    rows, columns = (mx.array(part) for part in zip(*places, strict=True))
    return mx.array(tokens), rows, columns


def _losses(model: nn.Module, batches: list[Batch]) -> tuple[mx.array, mx.array]:
    """Mean and highest loss of the answers' tokens."""
    losses = mx.concatenate(
        [
            nn.losses.cross_entropy(model(tokens)[rows, columns - 1], tokens[rows, columns])
            for tokens, rows, columns in batches
        ]
    )
    return losses.mean(), losses.max()
