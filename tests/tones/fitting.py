"""Training of a tiny model until it is sure."""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim

_EVERY = 20


def fit(
    model: nn.Module,
    loss: Callable[..., mx.array],
    batch: Callable[[int], tuple[Any, ...]],
    *,
    rate: float,
    steps: int,
    learnt: float,
) -> None:
    """Train `model` in place. Raises RuntimeError when the mean loss stays above `learnt`."""
    rates = optim.join_schedules(
        [optim.linear_schedule(1e-5, rate, 20), optim.cosine_decay(rate, steps, rate / 10)], [20]
    )
    optimizer = optim.AdamW(learning_rate=rates, weight_decay=0.0)
    losses_and_gradients = nn.value_and_grad(model, loss)
    model.train()
    recent: list[float] = []
    for step in range(steps):
        value, gradients = losses_and_gradients(model, *batch(step))
        gradients, _ = optim.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        mx.eval(model.parameters(), optimizer.state, value)
        recent = [*recent[-_EVERY + 1 :], float(value.item())]
        if len(recent) == _EVERY and sum(recent) / _EVERY < learnt:
            model.eval()
            return
    raise RuntimeError(f"the loss is {sum(recent) / len(recent):.4f} after {steps} steps")
