"""What evaluation harnesses send to raw completions, and how they read the answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tokenizers import Tokenizer

from tests.support.server import Server
from tests.zoo.cache import checkpoint

MODEL = "tiny/SmolLM2-tiny-trained"
CONTEXT = "What is the capital of France?"
CHOICES = [" Paris.", " The fox", " 2+2 is four, and that is all there is to say about it."]


@pytest.fixture
def client(real: Server) -> Iterator[httpx.Client]:
    with real.client() as client:
        yield client


def encoded(text: str) -> list[int]:
    """Harnesses have a tokenizer of their own."""
    path = checkpoint(Path(MODEL).name) / "tokenizer.json"
    return Tokenizer.from_file(str(path)).encode(text, add_special_tokens=False).ids


def completed(client: httpx.Client, **fields: Any) -> list[dict[str, Any]]:
    answer = client.post(
        "/v1/completions", json={"model": MODEL, "temperature": 0, "seed": 1234, **fields}
    )
    assert answer.status_code == 200, answer.text
    return sorted(answer.json()["choices"], key=lambda choice: choice["index"])


def likelihood(choice: dict[str, Any], begin: int, end: int | None) -> tuple[float, bool]:
    """Of the tokens from `begin`, and whether each of them is the likeliest one."""
    chances = choice["logprobs"]["token_logprobs"][begin:end]
    likeliest = choice["logprobs"]["top_logprobs"][begin:end]
    greedy = all(
        chance == max(top.values()) for chance, top in zip(chances, likeliest, strict=True)
    )
    return sum(chances), greedy


def test_choices_are_scored_by_the_ids_of_context_and_choice(client: httpx.Client) -> None:
    context = encoded(CONTEXT)
    prompts = [[*context, *encoded(choice)] for choice in CHOICES]
    asked = {"prompt": prompts, "logprobs": 1, "echo": True}

    # One token more is asked for, and cut off again.
    with_one = completed(client, max_tokens=1, **asked)
    without = completed(client, max_tokens=0, **asked)

    scores: list[float] = []
    for prompt, one, none in zip(prompts, with_one, without, strict=True):
        assert len(one["logprobs"]["tokens"]) == len(prompt) + 1
        assert len(none["logprobs"]["tokens"]) == len(prompt)
        score, greedy = likelihood(one, len(context), -1)
        assert likelihood(none, len(context), None) == (pytest.approx(score, abs=1e-3), greedy)
        assert score < 0
        scores.append(score)
    assert len(set(scores)) == len(scores)


def test_what_a_model_writes_greedily_is_likeliest_when_it_is_scored(client: httpx.Client) -> None:
    (written,) = completed(client, prompt=CONTEXT, max_tokens=8, logprobs=1)
    ids = encoded(CONTEXT + written["text"])
    context = len(encoded(CONTEXT))
    (scored,) = completed(client, prompt=[ids], max_tokens=1, logprobs=1, echo=True)
    assert scored["logprobs"]["tokens"][context:-1] == written["logprobs"]["tokens"]
    score, greedy = likelihood(scored, context, -1)
    assert greedy
    assert score == pytest.approx(sum(written["logprobs"]["token_logprobs"]), abs=1e-3)


def test_others_find_the_choice_by_its_place_in_the_text(client: httpx.Client) -> None:
    text = CONTEXT + CHOICES[2]
    for prompt in (text, encoded(text)):
        (choice,) = completed(client, prompt=prompt, max_tokens=1, logprobs=5, echo=True)
        logprobs = choice["logprobs"]
        assert choice["text"].startswith(text)
        begin = next(n for n, place in enumerate(logprobs["text_offset"]) if place >= len(CONTEXT))
        assert begin == len(encoded(CONTEXT))
        assert "".join(logprobs["tokens"][begin:-1]) == CHOICES[2]
        assert likelihood(choice, begin, -1)[0] < 0


def test_a_stream_tells_the_prompt_first_and_what_a_whole_answer_does(
    client: httpx.Client,
) -> None:
    asked: dict[str, Any] = {"prompt": "fox " * 200, "max_tokens": 3, "logprobs": 2, "echo": True}
    (whole,) = completed(client, **asked)
    body = {"model": MODEL, "temperature": 0, "stream": True, **asked}
    text, tokens, chances = "", [], []
    with client.stream("POST", "/v1/completions", json=body) as stream:
        for line in stream.iter_lines():
            if not line.startswith("data: {"):
                continue
            (choice,) = json.loads(line.removeprefix("data: "))["choices"]
            text += choice["text"]
            assert text.startswith(asked["prompt"])
            tokens += (choice["logprobs"] or {}).get("tokens", [])
            chances += (choice["logprobs"] or {}).get("token_logprobs", [])
    assert text == whole["text"]
    assert tokens == whole["logprobs"]["tokens"]
    assert chances[0] is None
    assert chances[1:] == pytest.approx(whole["logprobs"]["token_logprobs"][1:], abs=1e-3)


def test_a_prompt_of_one_token_has_one_empty_score(client: httpx.Client) -> None:
    (choice,) = completed(client, prompt=[40], max_tokens=0, logprobs=5, echo=True)
    logprobs = choice["logprobs"]
    assert choice["finish_reason"] == "length"
    assert len(logprobs["tokens"]) == 1
    assert logprobs["token_logprobs"] == logprobs["top_logprobs"] == [None]
    assert logprobs["text_offset"] == [0]
