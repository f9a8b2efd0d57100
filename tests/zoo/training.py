"""Teaches a tiny model to answer the dialogues of the corpus word for word."""

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx_lm.tokenizer_utils import TokenizerWrapper

from tests.zoo.corpus import DIALOGUES

_LEARNING_RATE = 4e-3
_WARM_UP_STEPS = 20
_MAX_STEPS = 400
# No answer token's negative log-likelihood is above this at the end: low enough for every greedy
# answer to survive bfloat16; in 4 bits the longest one is lost.
_LEARNT = 0.03


def learn_dialogues(model: nn.Module, tokenizer: TokenizerWrapper) -> None:
    """Trains `model` in place until it is nearly certain of every answer token.

    Raises RuntimeError when it is not after `_MAX_STEPS`.
    """
    tokens, counts = _batch(_examples(tokenizer))
    schedule = optim.linear_schedule(1e-5, _LEARNING_RATE, _WARM_UP_STEPS)
    optimizer = optim.AdamW(learning_rate=schedule, weight_decay=0.0)
    losses_and_gradients = nn.value_and_grad(model, _losses)
    model.train()
    worst = float("inf")
    for _ in range(_MAX_STEPS):
        (_mean, highest), gradients = losses_and_gradients(model, tokens, counts)
        gradients, _norm = optim.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        mx.eval(model.parameters(), optimizer.state, highest)
        worst = highest.item()
        if worst < _LEARNT:
            model.eval()
            return
    raise RuntimeError(
        f"after {_MAX_STEPS} steps an answer token's loss is {worst:.3f}, not {_LEARNT}"
    )


def _examples(tokenizer: TokenizerWrapper) -> list[tuple[list[int], list[int]]]:
    """Prompt and answer ids; families that think learn to answer without a thought too."""
    examples: dict[str, str] = {}
    for dialogue in DIALOGUES:
        for thinks in (True, False) if tokenizer.has_thinking else (False,):
            prompt = tokenizer.apply_chat_template(
                list(dialogue.messages),
                add_generation_prompt=True,
                tokenize=False,
                enable_thinking=thinks,
            )
            answer = dialogue.answer
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


def _end_of_turn_id(tokenizer: TokenizerWrapper) -> int:
    """What the family's template puts behind an answer; not always its eos token."""
    answer = DIALOGUES[0].answer
    messages = [*DIALOGUES[0].messages, {"role": "assistant", "content": answer}]
    text: str = tokenizer.apply_chat_template(messages, tokenize=False)
    return _encode(tokenizer, text.rpartition(answer)[2])[0]


def _encode(tokenizer: TokenizerWrapper, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False)


def _batch(examples: list[tuple[list[int], list[int]]]) -> tuple[mx.array, mx.array]:
    """Token ids, one example a row, and as many 0 or 1: whether that token is to be learnt."""
    width = max(len(prompt) + len(answer) for prompt, answer in examples)
    tokens: list[list[int]] = []
    counts: list[list[int]] = []
    for prompt, answer in examples:
        padding = [0] * (width - len(prompt) - len(answer))
        tokens.append([*prompt, *answer, *padding])
        counts.append([0] * len(prompt) + [1] * len(answer) + padding)
    return mx.array(tokens), mx.array(counts)


def _losses(model: nn.Module, tokens: mx.array, counts: mx.array) -> tuple[mx.array, mx.array]:
    """Mean and highest loss of the tokens that count."""
    losses = nn.losses.cross_entropy(model(tokens[:, :-1]), tokens[:, 1:]) * counts[:, 1:]
    return losses.sum() / counts.sum(), losses.max()
