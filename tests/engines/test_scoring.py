"""The chances of a prompt's own tokens, against the logits that plain mlx-lm makes of it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mlx_gui.core.device import LIMITS, scored_tokens
from mlx_gui.core.errors import ContextTooLong
from mlx_gui.core.generation import (
    Delta,
    Done,
    GenerateRequest,
    Prefill,
    Reasoning,
    Sampling,
    TokenLogprob,
    Usage,
)
from mlx_gui.core.model import TextOptions
from tests.engines.parts import tokenizer, vocabulary
from tests.engines.remote import RemoteEngine, Reply, ask
from tests.support.soak import mostly_in_soak
from tests.zoo.cache import checkpoint
from tests.zoo.families import FAMILIES, SERIAL

GREEDY = Sampling(temperature=0)
CHUNK = LIMITS["cpu"].prefill_tokens
LONG = 2 * CHUNK + 44
EXPERTS = ("DeepSeek-R1-tiny", "Llama-4-tiny")
"""MLX computes them with 32 bits only on a processor."""
UNLIKE = ("Qwen3-tiny-4bit", "gemma-3-text-tiny-window", "LFM2-tiny", "Llama-4-tiny")
OF_OTHER_TOKENS = (
    "Qwen3-tiny",
    "SmolLM2-tiny",
    "Mistral-Small-2501-tiny",
    "gemma-3-text-tiny",
    "Llama-3.2-tiny",
)
"""Each cuts its text in a way of its own."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What plain mlx-lm says of a text: each token's chance but the first's, and the greedy one."""

    chances: list[float]
    best: list[int]


def scored(prompt: str | Sequence[int], **settings: Any) -> GenerateRequest:
    """As an evaluation harness asks: the prompt's tokens, and one more that it does not look at."""
    return GenerateRequest(
        prompt=prompt if isinstance(prompt, str) else tuple(prompt),
        echo=True,
        sampling=GREEDY,
        reasoning=Reasoning(raw=True),
        **{"top_logprobs": 1, "max_tokens": 1, **settings},
    )


def ids_of(folder: Path, length: int) -> list[int]:
    """Ids that are not special, of any kind."""
    return random.Random(length).choices(range(20, vocabulary(folder) - 40), k=length)


def told(reply: Reply, index: int = 0) -> list[TokenLogprob]:
    return [
        chance
        for event in reply.events
        if isinstance(event, Delta) and event.index == index
        for chance in event.logprobs
    ]


def numbers(chances: Sequence[TokenLogprob]) -> list[float]:
    return [chance.chosen.logprob for chance in chances]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        *((name, "float32") for name in FAMILIES),
        *(
            pytest.param(name, "stored", marks=() if name in UNLIKE else pytest.mark.soak)
            for name in FAMILIES
            if name not in EXPERTS
        ),
    ],
)
def test_scores_are_those_of_plain_mlx_lm(name: str, form: str, engine: RemoteEngine) -> None:
    folder = checkpoint(name)
    engine.load(folder, weight_form=form)
    ids = ids_of(folder, LONG)
    reply = engine.answer(scored(ids))
    chances = told(reply)
    reference = engine.child.call(_reference, ids)
    assert [chance.chosen.id for chance in chances[:LONG]] == ids
    assert [chance.first for chance in chances[:2]] == [True, False]
    tolerance = 1e-3 if form == "float32" else 0.1
    assert numbers(chances[1:LONG]) == pytest.approx(reference.chances, abs=tolerance)
    if form == "float32":
        assert [chance.top[0].id for chance in chances[1:LONG]] == reference.best
    assert reply.usage.prompt_tokens == LONG
    # Also where the one token that is written is the end: whoever leaves out the last one is right.
    assert len(chances) == LONG + 1
    assert reply.usage.completion_tokens == 1


@pytest.mark.parametrize("name", ["Qwen3-tiny", "Llama-4-tiny", "LFM2-tiny"])
def test_without_an_answer_the_scores_are_the_same_and_nothing_is_written(
    name: str, engine: RemoteEngine
) -> None:
    folder = checkpoint(name)
    engine.load(folder, prefix_cache_bytes=1 << 28)
    ids = ids_of(folder, LONG)
    with_answer = told(engine.answer(scored(ids)))
    reply = engine.answer(scored(ids, max_tokens=0))
    assert numbers(told(reply)) == pytest.approx(numbers(with_answer[:LONG]), abs=1e-3)
    assert reply.finish_reason == "length"
    assert (reply.usage.completion_tokens, reply.usage.cached_tokens) == (0, 0)
    assert not engine.busy()
    assert engine.memory().kv_bytes == 0


def test_what_was_read_is_kept_and_a_later_prompt_goes_on_from_it(engine: RemoteEngine) -> None:
    folder = checkpoint("Qwen3-tiny")
    engine.load(folder, prefix_cache_bytes=1 << 28)
    ids = ids_of(folder, LONG)
    for max_tokens in (0, 3):
        engine.answer(scored(ids, max_tokens=max_tokens))
        plain = engine.answer(GenerateRequest(prompt=tuple(ids), sampling=GREEDY, max_tokens=4))
        assert plain.usage.cached_tokens == LONG - 1


def test_the_prefix_cache_hides_no_position(engine: RemoteEngine) -> None:
    folder = checkpoint("Qwen3-tiny")
    engine.load(folder, prefix_cache_bytes=1 << 28)
    ids = ids_of(folder, LONG)
    engine.answer(GenerateRequest(prompt=tuple(ids), sampling=GREEDY, max_tokens=4))
    reply = engine.answer(scored(ids))
    assert reply.usage.cached_tokens == 0
    assert reply.usage.cache_miss == "the prompt is scored"
    assert len(told(reply)) == LONG + 1


def test_the_answer_is_the_one_that_comes_without_scores(engine: RemoteEngine) -> None:
    folder = checkpoint("SmolLM2-tiny-trained")
    engine.load(folder)
    ids = ids_of(folder, LONG)
    plain = engine.answer(
        GenerateRequest(
            prompt=tuple(ids), sampling=GREEDY, max_tokens=20, reasoning=Reasoning(raw=True)
        )
    )
    both = engine.answer(scored(ids, max_tokens=20))
    assert both.text.endswith(plain.text)
    assert both.outcome()[1:] == plain.outcome()[1:]
    assert len(told(both)) == LONG + both.usage.completion_tokens


@pytest.mark.parametrize("max_tokens", [0, 1])
@pytest.mark.parametrize("name", ["Qwen3-tiny", "Llama-4-tiny"])
def test_a_prompt_of_one_token_has_no_score(
    name: str, max_tokens: int, engine: RemoteEngine
) -> None:
    engine.load(checkpoint(name))
    for n in (1, 2):
        reply = engine.answer(scored([40], max_tokens=max_tokens, n=n))
        for index in range(n):
            first, *rest = told(reply, index)
            assert (first.chosen.id, first.first, first.top, first.offset) == (40, True, (), 0)
            assert len(rest) == max_tokens
        assert isinstance(reply.events[-1], Usage)
    assert not engine.busy()


@pytest.mark.parametrize("name", ["Qwen3-tiny", "Llama-4-tiny"])
def test_a_prompt_as_long_as_the_context_is_scored_if_nothing_is_to_follow(
    name: str, engine: RemoteEngine
) -> None:
    folder = checkpoint(name)
    engine.load(folder, context=512, kv_pool_tokens=512)
    reply = engine.answer(scored(ids_of(folder, 512), max_tokens=0))
    assert len(told(reply)) == 512
    with pytest.raises(ContextTooLong, match="512 tokens, the context holds 512"):
        engine.admit("alone", scored(ids_of(folder, 512)))
    with pytest.raises(ContextTooLong, match="513 tokens"):
        engine.admit("alone", scored(ids_of(folder, 513), max_tokens=0))


@pytest.mark.parametrize("max_tokens", [0, 4])
@pytest.mark.parametrize("name", ["Qwen3-tiny", "LFM2-tiny", "Llama-4-tiny"])
def test_each_of_several_answers_begins_with_the_scores(
    name: str, max_tokens: int, engine: RemoteEngine
) -> None:
    folder = checkpoint(name)
    engine.load(folder)
    ids = ids_of(folder, CHUNK + 9)
    reply = engine.answer(scored(ids, n=3, max_tokens=max_tokens))
    chances = [told(reply, index) for index in range(3)]
    assert [numbers(each) for each in chances] == [numbers(chances[0])] * 3
    assert len(chances[0]) >= len(ids)
    assert sorted(event.index for event in reply.events if isinstance(event, Done)) == [0, 1, 2]


def test_prompts_of_all_lengths_are_scored_side_by_side_as_alone(engine: RemoteEngine) -> None:
    folder = checkpoint("Qwen3-tiny")
    engine.load(folder, slots=3)
    requests = [scored(ids_of(folder, length)) for length in (1, 2, 17, 60, LONG, CHUNK + 1)]
    alone = [numbers(told(engine.answer(request))) for request in requests]
    plain = GenerateRequest(prompt=tuple(ids_of(folder, 200)), sampling=GREEDY, max_tokens=9)
    said = engine.answer(plain).outcome()
    *replies, beside = engine.answers([*requests, plain])
    for reply, want in zip(replies, alone, strict=True):
        assert numbers(told(reply)) == pytest.approx(want, abs=1e-3)
    assert beside.outcome() == said


def test_a_running_answer_has_a_token_with_every_chunk_that_is_scored(
    engine: RemoteEngine,
) -> None:
    folder = checkpoint("SmolLM2-tiny-trained")
    engine.load(folder, context=1024, kv_pool_tokens=4096)
    engine.admit("running", ask("Write a long story.", sampling=GREEDY, max_tokens=200))
    engine.admit("scored", scored(ids_of(folder, 900), max_tokens=0))
    engine.admit("other", scored(ids_of(folder, 30), max_tokens=0))
    read: dict[str, int] = {"scored": 0, "other": 0}
    for _ in iter(engine.busy, False):
        events = {each.request_id: each.events for each in engine.step()}
        tokens = 0
        for name in events.keys() & read.keys():
            for event in events[name]:
                if isinstance(event, Prefill):
                    tokens += event.done - read[name]
                    read[name] = event.done
        # The last token of a prompt counts as read, and is not.
        assert tokens <= CHUNK + 2
        if tokens and "running" in events:
            deltas = [event for event in events["running"] if isinstance(event, Delta)]
            assert sum(delta.token_count for delta in deltas) == 1
    assert read == {"scored": 900, "other": 30}


def test_a_long_prompt_that_is_scored_and_another_are_read_in_turns(engine: RemoteEngine) -> None:
    folder = checkpoint("Qwen3-tiny")
    engine.load(folder, context=1024, kv_pool_tokens=4096)
    engine.admit("scored", scored(ids_of(folder, 900), max_tokens=0))
    engine.admit(
        "plain", GenerateRequest(prompt=tuple(ids_of(folder, 300)), sampling=GREEDY, max_tokens=2)
    )
    order = [each.request_id for _ in iter(engine.busy, False) for each in engine.step()]
    assert order.index("plain") <= 2
    assert len(order) - order[::-1].index("plain") < order[::-1].index("scored") + len(order)
    assert order[-1] == "scored"


@pytest.mark.parametrize("steps", [0, 1, 2])
@pytest.mark.parametrize(
    "name",
    mostly_in_soak(
        sorted(FAMILIES.keys() - {"Qwen3-tiny-4bit", "Qwen3-tiny-draft"}),
        but=("Qwen3-tiny", "gemma-3-text-tiny-window", "Llama-4-tiny"),
    ),
)
def test_a_cancel_ends_the_scoring_at_once(name: str, steps: int, engine: RemoteEngine) -> None:
    folder = checkpoint(name)
    engine.load(folder, prefix_cache_bytes=1 << 28)
    # The second one has been let in and waits for its first chunk.
    for number in ("one", "two"):
        engine.admit(number, scored(ids_of(folder, 400), max_tokens=0))
    for _ in range(steps):
        engine.step()
    for number in ("one", "two"):
        (step,) = engine.cancel(number)
        assert [type(event) for event in step.events] == [Done, Usage]
    assert not engine.busy()
    assert engine.memory().kv_bytes == 0
    assert len(told(engine.answer(scored(ids_of(folder, 40), max_tokens=0)))) == 40


@pytest.mark.parametrize("max_tokens", [0, 5])
def test_a_draft_model_changes_no_score(max_tokens: int, engine: RemoteEngine) -> None:
    folder, draft = checkpoint("Qwen3-tiny"), checkpoint("Qwen3-tiny-draft")
    ids = ids_of(folder, LONG)
    engine.load(folder)
    want = engine.answer(scored(ids, max_tokens=max_tokens))
    engine.load(folder, text=TextOptions(draft=str(draft)))
    got = engine.answer(scored(ids, max_tokens=max_tokens))
    assert numbers(told(got)) == pytest.approx(numbers(told(want)), abs=1e-3)
    assert got.outcome() == want.outcome()


def test_a_quantized_cache_scores_what_the_model_says_with_it(engine: RemoteEngine) -> None:
    folder = checkpoint("Qwen3-tiny-wide")
    ids = ids_of(folder, LONG)
    engine.load(folder, text=TextOptions(kv_bits=8))
    chances = told(engine.answer(scored(ids, max_tokens=0)))
    reference = engine.child.call(_reference, ids)
    # Within the first chunk nothing has been quantized yet.
    assert numbers(chances[1:CHUNK]) == pytest.approx(reference.chances[: CHUNK - 1], abs=1e-3)
    assert numbers(chances[1:]) == pytest.approx(reference.chances, abs=0.1)


def test_logits_of_a_chunk_stay_within_their_bound() -> None:
    assert scored_tokens("cpu", 1000) == CHUNK
    for backend, limits in LIMITS.items():
        bound_bytes = limits.scored_logits_bytes
        for size in (49_152, 151_936, 262_144, 10**9):
            tokens = scored_tokens(backend, size)
            assert tokens == 1 or tokens * size * 4 <= bound_bytes
            assert (tokens + 1) * size * 4 > bound_bytes or tokens == limits.prefill_tokens


@pytest.mark.parametrize(
    "name",
    mostly_in_soak(sorted(FAMILIES.keys() - SERIAL), but=set(UNLIKE) - SERIAL),
)
def test_no_more_logits_are_made_at_once_than_are_allowed(name: str, engine: RemoteEngine) -> None:
    folder = checkpoint(name)
    engine.load(folder)
    engine.child.call(_allow, 10)
    lengths = engine.child.call(_watch_lengths)
    engine.answer(scored(ids_of(folder, 35), max_tokens=0))
    assert engine.child.call(_lengths) == [*lengths, 10, 10, 10, 4]


@pytest.mark.parametrize("text", ["Hello world, née\n\tfox", "\n x", "日本 😀 <|im_end|> ok", "a"])
@pytest.mark.parametrize("name", mostly_in_soak(sorted(FAMILIES), but=OF_OTHER_TOKENS))
def test_tokens_begin_where_their_text_does(name: str, text: str, engine: RemoteEngine) -> None:
    folder = checkpoint(name)
    engine.load(folder)
    ids = engine.child.call(_encoded, folder, text)
    for prompt in (text, ids):
        reply = engine.answer(scored(prompt, max_tokens=0))
        assert isinstance(prompt, list) or reply.text == text
        chances = told(reply)
        offsets = [chance.offset or 0 for chance in chances]
        assert offsets[0] == 0
        assert offsets == sorted(offsets)
        for chance, start, end in zip(chances, offsets, [*offsets[1:], None], strict=True):
            piece = reply.text[start:end]
            # What a tokenizer adds has no place, and a character that is cut apart one in all.
            cut = "\N{REPLACEMENT CHARACTER}" in chance.chosen.text
            assert cut or piece == "" or piece.strip() == chance.chosen.text.strip()
        assert sum(map(len, (chance.chosen.text for chance in chances))) >= len(text)


def test_an_answer_goes_on_where_the_prompt_ends(engine: RemoteEngine) -> None:
    engine.load(checkpoint("SmolLM2-tiny-trained"))
    prompt = "Hello fox world"
    reply = engine.answer(scored(prompt, max_tokens=6, ignore_eos=True))
    chances = told(reply)[-6:]
    assert chances[0].offset == len(prompt)
    for chance, following in pairwise(chances):
        assert reply.text[chance.offset : following.offset] in ("", chance.chosen.text)


@pytest.mark.parametrize("name", ["Qwen3-tiny", "Llama-4-tiny"])
def test_a_prompt_that_is_only_to_be_given_back_is_read_and_given_back(
    name: str, engine: RemoteEngine
) -> None:
    engine.load(checkpoint(name), prefix_cache_bytes=1 << 28)
    prompt = "Hello fox world. " * 20
    for cached in (False, True):
        reply = engine.answer(scored(prompt, top_logprobs=None, max_tokens=0, n=2))
        assert reply.text == prompt * 2
        assert not told(reply)
        assert (reply.usage.cached_tokens > 0) == cached
    assert engine.memory().kv_bytes == 0


def test_a_stop_string_in_the_prompt_means_nothing(engine: RemoteEngine) -> None:
    engine.load(checkpoint("SmolLM2-tiny-trained"))
    reply = engine.answer(scored("Hello fox world", stop=("fox",), max_tokens=3, ignore_eos=True))
    assert reply.text.startswith("Hello fox world")
    assert reply.usage.completion_tokens == 3


def test_tokens_of_a_stop_string_are_told_though_their_text_is_not(engine: RemoteEngine) -> None:
    engine.load(checkpoint("SmolLM2-tiny-trained"))
    prompt = "Hello fox world"
    whole = engine.answer(scored(prompt, max_tokens=6, ignore_eos=True))
    answer = whole.text.removeprefix(prompt)
    reply = engine.answer(scored(prompt, stop=(answer[1:3],), max_tokens=6, ignore_eos=True))
    assert reply.text == prompt + answer[0]
    assert len(told(reply)) == reply.usage.prompt_tokens + reply.usage.completion_tokens


# In the child


def _reference(ids: list[int]) -> Reference:
    """Of the loaded weights, in one pass and without the parts that are tested here."""
    import mlx.core as mx
    from mlx_lm.models.cache import make_prompt_cache

    from tests.engines import remote

    model = remote._engines[0]._resident.loaded.network.model
    logits = model(mx.array(ids)[None], cache=make_prompt_cache(model))[0].astype(mx.float32)
    logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    following = mx.array(ids[1:])[:, None]
    chances = mx.take_along_axis(logprobs[:-1], following, axis=-1)[:, 0]
    return Reference(chances.tolist(), mx.argmax(logprobs[:-1], axis=-1).tolist())


def _encoded(folder: Path, text: str) -> list[int]:
    return list(tokenizer(folder).encode(text))


def _allow(tokens: int) -> None:
    """From now on so many tokens are scored at once."""
    from dataclasses import replace

    from tests.engines import remote

    resident = remote._engines[0]._resident
    resident.surroundings = replace(resident.surroundings, scored_tokens=tokens)


_seen: list[int] = []


def _watch_lengths() -> list[int]:
    """Note how many tokens the loaded model is called with from now on."""
    from tests.engines import remote

    model = remote._engines[0]._resident.loaded.network.model
    kind = type(model)

    class Watched(kind):
        def __call__(self, inputs: Any, *arguments: Any, **settings: Any) -> Any:
            _seen.append(inputs.shape[1])
            return super().__call__(inputs, *arguments, **settings)

    _seen.clear()
    model.__class__ = Watched
    return []


def _lengths() -> list[int]:
    return list(_seen)
