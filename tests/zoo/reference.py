"""What plain mlx_lm answers: the yardstick for the engines.

As a program (`python -m tests.zoo.reference`) it reads questions and writes answers as JSON; MLX
lives in that child process only.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.zoo.backend import prepare_process
from tests.zoo.blueprint import Json

_REPOSITORY = Path(__file__).parents[2]
_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A prompt for one checkpoint; `thinking` is what the chat template is told.

    `adapter` and `draft` are folders, too.
    """

    checkpoint: str
    messages: list[Json]
    max_tokens: int
    thinking: bool = False
    tools: list[Json] = field(default_factory=list[Json])
    adapter: str | None = None
    draft: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Greedy, with float32 weights; `token_ids` end with the end-of-turn token if it came."""

    prompt_ids: list[int]
    token_ids: list[int]
    text: str
    finish_reason: str | None


def greedy_answers(questions: list[Question]) -> list[Answer]:
    """One answer for each question, in order; a single child process gives all."""
    child = subprocess.run(
        [sys.executable, "-m", "tests.zoo.reference"],
        cwd=_REPOSITORY,
        input=json.dumps([asdict(question) for question in questions]),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if child.returncode:
        raise RuntimeError(f"plain mlx_lm failed:\n{child.stderr}")
    return [Answer(**answer) for answer in json.loads(child.stdout)]


def _answer(question: Question) -> Answer:
    import mlx.core as mx
    from mlx_lm import load, stream_generate

    model, tokenizer, *_ = load(question.checkpoint, adapter_path=question.adapter)
    model.set_dtype(mx.float32)
    draft = load(question.draft)[0] if question.draft else None
    prompt_ids = tokenizer.apply_chat_template(
        question.messages,
        tools=question.tools or None,
        add_generation_prompt=True,
        enable_thinking=question.thinking,
    )
    parts = list(
        stream_generate(
            model, tokenizer, prompt_ids, max_tokens=question.max_tokens, draft_model=draft
        )
    )
    return Answer(
        prompt_ids,
        [part.token for part in parts],
        "".join(part.text for part in parts),
        parts[-1].finish_reason,
    )


def _main() -> None:
    prepare_process()
    questions = [Question(**question) for question in json.load(sys.stdin)]
    print(json.dumps([asdict(_answer(question)) for question in questions]))


if __name__ == "__main__":
    _main()
