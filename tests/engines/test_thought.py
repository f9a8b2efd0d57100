"""Where thoughts begin and end, and how they are cut short. MLX runs in a child."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engines.parts import Ask, generate, token_bytes, tokenizer
from tests.engines.remote import RemoteEngine
from tests.zoo.cache import checkpoint

THINK = ("<think>", "</think>")
CHANNEL = ("<|channel>thought\n", "<channel|>")
"""Markers that no tokenizer here knows: every one of them is many tokens."""


def followed(
    folder: Path, markers: tuple[str, str], stage: str, ids: list[int]
) -> list[tuple[str, int]]:
    """In the child: stage and length of the thought after the prompt and after each token."""
    import mlx.core as mx

    from mlx_gui.engines.text.thought import Thought, ThoughtMarkers

    thought = Thought(ThoughtMarkers(*markers, (), ()), stage, token_bytes(folder))  # type: ignore[arg-type]
    told: list[tuple[str, int]] = []
    for length in range(len(ids) + 1):
        context = mx.array([7, *ids[:length]], mx.int32)
        # Every processor of a sequence asks, and all hear the same.
        thought.follow(context)
        thought.follow(context)
        told.append((thought.stage, thought.tokens))
    return told


def encoded(folder: Path, text: str) -> list[int]:
    """In the child."""
    return tokenizer(folder).encode(text, add_special_tokens=False)


@pytest.fixture(scope="module")
def folder() -> Path:
    return checkpoint("Qwen3-tiny")


@pytest.mark.parametrize("markers", [THINK, CHANNEL])
def test_a_thought_is_followed_from_marker_to_marker(
    engine: RemoteEngine, folder: Path, markers: tuple[str, str]
) -> None:
    start, end = (engine.child.call(encoded, folder, marker) for marker in markers)
    body = engine.child.call(encoded, folder, "Let me think. A < b\n")
    ids = [*start, *body, *end, *body]
    told = engine.child.call(followed, folder, markers, "before", ids)
    stages = [stage for stage, _ in told]
    thinking = len(body) + len(end)
    assert stages == [
        *["before"] * len(start),
        *["thinking"] * thinking,
        *["answering"] * (len(body) + 1),
    ]
    assert told[-1] == ("answering", thinking)


def test_a_prompt_may_end_inside_a_thought(engine: RemoteEngine, folder: Path) -> None:
    ids = engine.child.call(encoded, folder, "Hm.</think>Hi")
    told = engine.child.call(followed, folder, THINK, "thinking", ids)
    assert told[0] == ("thinking", 0)
    assert told[-1][0] == "answering"


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("Hello <think>", "answering"),
        ("\n\n", "before"),
        ("\n\n<think>", "thinking"),
        ("<thi", "before"),
        ("<thing", "answering"),
        ("<think></think>", "answering"),
        ("<think> </ think>", "thinking"),
    ],
)
def test_only_a_marker_at_the_head_begins_a_thought(
    engine: RemoteEngine, folder: Path, text: str, stage: str
) -> None:
    ids = engine.child.call(encoded, folder, text)
    assert engine.child.call(followed, folder, THINK, "before", ids)[-1][0] == stage


@settings(max_examples=25, deadline=None)
@given(
    thought=st.text(st.sampled_from("<|channel>hi \n"), max_size=20),
    answer=st.text(st.sampled_from("<|channel>hi \n"), max_size=10),
)
def test_a_marker_is_found_however_it_is_cut_into_tokens(
    engine: RemoteEngine, folder: Path, thought: str, answer: str
) -> None:
    text = thought + CHANNEL[1] + answer
    ids = engine.child.call(encoded, folder, text)
    told = engine.child.call(followed, folder, CHANNEL, "thinking", ids)
    over = [stage for stage, _ in told].index("answering")
    spelled = [engine.child.call(spell, folder, ids[:count]) for count in (over - 1, over)]
    assert [CHANNEL[1] in text for text in spelled] == [False, True]


def spell(folder: Path, ids: list[int]) -> str:
    """In the child."""
    return b"".join(map(token_bytes(folder), ids)).decode()


@pytest.mark.parametrize("budget_tokens", [0, 1, 5])
@pytest.mark.parametrize("markers", [THINK, CHANNEL])
def test_a_thought_ends_when_its_budget_is_spent(
    engine: RemoteEngine, folder: Path, budget_tokens: int, markers: tuple[str, str]
) -> None:
    ask = Ask(stage="thinking", budget_tokens=budget_tokens, markers=markers, max_tokens=40)
    (said,) = engine.child.call(generate, folder, [ask])
    end = engine.child.call(encoded, folder, markers[1])
    free = engine.child.call(generate, folder, [Ask(max_tokens=40)])[0].ids
    assert said.error is None
    assert said.ids[: budget_tokens + len(end)] == [*free[:budget_tokens], *end]
    assert len(said.ids) == 40


def test_a_thought_that_never_begins_is_not_ended(engine: RemoteEngine, folder: Path) -> None:
    ask = Ask(stage="before", budget_tokens=0)
    assert engine.child.call(generate, folder, [ask]) == engine.child.call(
        generate, folder, [Ask()]
    )


@pytest.fixture(scope="module")
def thinker() -> Path:
    return checkpoint("Qwen3-tiny-trained")


def asked(folder: Path, question: str, thinking: bool) -> str:
    """In the child."""
    messages = [{"role": "user", "content": question}]
    return tokenizer(folder).apply_chat_template(
        messages, add_generation_prompt=True, tokenize=False, enable_thinking=thinking
    )


def test_a_model_that_thinks_answers_all_the_same_when_it_is_cut_short(
    engine: RemoteEngine, thinker: Path
) -> None:
    prompt = engine.child.call(asked, thinker, "What is the capital of France?", True)
    whole, short = engine.child.call(
        generate,
        thinker,
        [
            Ask(prompt=prompt, stage="before", max_tokens=80),
            Ask(prompt=prompt, stage="before", max_tokens=80, budget_tokens=3),
        ],
    )
    assert "</think>" in whole.text
    assert short.text.startswith("<think>")
    thought, answer = short.text.removeprefix("<think>").split("</think>")
    assert len(engine.child.call(encoded, thinker, thought)) == 3
    assert answer
