"""The text engine against plain mlx-lm, and requests against their neighbours in the batch."""

from functools import cache

import pytest
from msgspec import structs
from tokenizers import Tokenizer

from mlx_gui.core.generation import (
    Delta,
    Done,
    GenerateRequest,
    Prefill,
    Reasoning,
    Sampling,
    Usage,
)
from mlx_gui.engines.text.detokenizing import TextStream
from mlx_gui.engines.text.token_bytes import bytes_in_backend
from tests.engines.remote import RemoteEngine, Reply, ask, gather
from tests.support.soak import mostly_in_soak
from tests.zoo.cache import checkpoint, checkpoints
from tests.zoo.families import FAMILIES, SERIAL
from tests.zoo.reference import Answer, Question, greedy_answers

GREEDY = Sampling(temperature=0)
TRAINED = "SmolLM2-tiny-trained"
BATCHED = tuple(name for name in FAMILIES if name not in SERIAL)
ALWAYS = ("Qwen3-tiny", "LFM2-tiny")
OTHERS = tuple(name for name in BATCHED if name not in ALWAYS)
TEXTS = (
    "Hello",
    "What is the capital of France? " * 20,
    "2+2",
    "Tell me a story about a fox.",
    "The fox read every book in the house. " * 6,
    "Why?",
    "One, two, three, four, five, six, seven, eight, nine, ten.",
    "My name is Ada. " * 12,
)
"""Eight prompts of mixed lengths: shorter and longer than a chunk."""
MAX_TOKENS = 24


def greedy(text: str, **settings: object) -> GenerateRequest:
    """A question whose answer comes as it is: random weights write markers of thoughts as well."""
    usual = {"sampling": GREEDY, "max_tokens": MAX_TOKENS, "reasoning": Reasoning(raw=True)}
    return ask(text, **{**usual, **settings})


@cache
def plain(names: tuple[str, ...]) -> dict[str, list[Answer]]:
    """What plain mlx-lm answers to TEXTS in each of these families."""
    questions = [
        Question(
            checkpoint=str(folder),
            messages=[{"role": "user", "content": text}],
            max_tokens=MAX_TOKENS,
            thinking=True,
        )
        for folder in checkpoints(*names)
        for text in TEXTS
    ]
    answers = greedy_answers(questions)
    count = len(TEXTS)
    return {name: answers[index * count : (index + 1) * count] for index, name in enumerate(names)}


def expected(name: str, answer: Answer) -> tuple[str, str, int]:
    """A plain answer as `Reply.outcome` tells it: stop tokens count, but do not read."""
    tokenizer = Tokenizer.from_file(str(checkpoint(name) / "tokenizer.json"))
    stopped = answer.finish_reason == "stop"
    ids = answer.token_ids[:-1] if stopped else answer.token_ids
    added = tokenizer.get_added_tokens_decoder()
    hidden = frozenset(id for id, token in added.items() if token.special)
    stream = TextStream(tokenizer.decode, bytes_in_backend(tokenizer), hidden)
    text = "".join(map(stream.add, ids)) + stream.finish()
    return text, answer.finish_reason, len(answer.token_ids)


@pytest.mark.parametrize("name", mostly_in_soak(BATCHED, but=ALWAYS))
def test_greedy_answers_equal_plain_mlx_lm_alone_in_a_batch_and_joining_late(
    name: str, engine: RemoteEngine
) -> None:
    # One process answers for all that are tried together.
    answers = plain(ALWAYS if name in ALWAYS else OTHERS)[name]
    # In packed form plain mlx-lm computes with float32 scales as well.
    form = "float32-scales" if name.endswith("bit") else "float32"
    engine.load(checkpoint(name), weight_form=form, slots=8, kv_pool_tokens=8 * 512)
    want = [expected(name, answer) for answer in answers]
    requests = [greedy(text) for text in TEXTS]

    prepared = [engine.prepare("any", request).payload.ids for request in requests]
    assert [list(ids) for ids in prepared] == [answer.prompt_ids for answer in answers]
    assert [engine.answer(request).outcome() for request in requests] == want
    assert [reply.outcome() for reply in engine.answers(requests)] == want

    late: dict[str, Reply] = {}
    for index, request in enumerate(requests):
        engine.admit(str(index), request)
        for _ in range(3):
            gather(late, engine.step())
    engine.drain(late)
    assert [late[str(index)].outcome() for index in range(len(requests))] == want


@pytest.fixture
def trained(engine: RemoteEngine) -> RemoteEngine:
    return engine.load(checkpoint(TRAINED))


STORY = "Write a long story."


def test_a_trained_model_answers_and_stops_at_its_end_of_turn(trained: RemoteEngine) -> None:
    reply = trained.answer(ask("What is the capital of France?", sampling=GREEDY))
    assert reply.text == "The capital of France is Paris."
    assert reply.finish_reason == "stop"


def test_events_come_in_order_and_count_every_token(trained: RemoteEngine) -> None:
    reply = trained.answer(ask("Hello", sampling=GREEDY, max_tokens=5))
    kinds = [type(event) for event in reply.events]
    prefills = [event for event in reply.events if isinstance(event, Prefill)]
    deltas = [event for event in reply.events if isinstance(event, Delta)]
    assert kinds == [Prefill] * len(prefills) + [Delta] * len(deltas) + [Done, Usage]
    assert prefills[-1].done == prefills[-1].total == reply.usage.prompt_tokens
    assert sum(delta.token_count for delta in deltas) == reply.usage.completion_tokens == 5
    assert reply.finish_reason == "length"
    assert reply.usage.prefill_ms > 0
    assert reply.usage.decode_ms > 0


def test_a_long_prompt_is_prefilled_in_chunks_while_another_answer_flows(
    trained: RemoteEngine,
) -> None:
    trained.admit("running", ask(STORY, sampling=GREEDY, max_tokens=100))
    while not any(isinstance(e, Delta) for step in trained.step() for e in step.events):
        pass
    trained.admit("long", greedy("fox " * 350))
    steps = [{step.request_id: step.events for step in trained.step()} for _ in range(3)]
    for step in steps:
        assert isinstance(step["long"][0], Prefill)
        assert isinstance(step["running"][0], Delta)
    trained.drain()


def test_a_cancelled_request_leaves_its_neighbour_untouched(trained: RemoteEngine) -> None:
    alone = trained.answer(greedy(STORY)).outcome()
    replies: dict[str, Reply] = {}
    trained.admit("kept", greedy(STORY))
    trained.admit("cancelled", greedy("Hello"))
    for _ in range(6):
        gather(replies, trained.step())
    gather(replies, trained.cancel("cancelled"))
    assert replies["cancelled"].finish_reason == "cancelled"
    assert replies["cancelled"].usage.completion_tokens > 0
    assert trained.cancel("cancelled") == []
    assert trained.drain(replies)["kept"].outcome() == alone


def test_a_request_can_be_cancelled_before_its_first_step(trained: RemoteEngine) -> None:
    trained.admit("early", greedy("Hello"))
    (step,) = trained.cancel("early")
    prompt_tokens = trained.prepare("", greedy("Hello")).told.prompt_tokens
    off = "the prefix cache is off"
    assert step.events == (Done(0, "cancelled"), Usage(prompt_tokens, 0, cache_miss=off))
    assert not trained.busy()


@pytest.mark.parametrize("top_p", [1.0, 0.9])
def test_a_seed_gives_the_same_answer_alone_and_in_a_batch(
    top_p: float, engine: RemoteEngine
) -> None:
    engine.load(checkpoint("Qwen3-tiny"))
    seeded = [
        greedy(text, sampling=Sampling(temperature=1.5, top_p=top_p, seed=seed))
        for text, seed in (("Hello", 1), ("Hello", 2), ("2+2", 1))
    ]
    alone = [engine.answer(request).outcome() for request in seeded]
    assert len(set(alone)) == 3
    together = engine.answers([*seeded, greedy("Hello", sampling=Sampling(temperature=1))])
    assert [reply.outcome() for reply in together[:3]] == alone


def test_without_a_seed_two_answers_differ(engine: RemoteEngine) -> None:
    engine.load(checkpoint("Qwen3-tiny"))
    wild = greedy("Hello", sampling=Sampling(temperature=2, top_p=1))
    first, second = engine.answers([wild, wild])
    assert first.text != second.text


def test_negative_and_huge_seeds_are_seeds(trained: RemoteEngine) -> None:
    for seed in (-1, 2**70):
        request = greedy("Hello", sampling=Sampling(temperature=1, seed=seed))
        assert trained.answer(request).outcome() == trained.answer(request).outcome()


def test_a_stop_string_ends_the_answer_and_does_not_show(trained: RemoteEngine) -> None:
    whole = trained.answer(ask(STORY, sampling=GREEDY)).text
    for stop in (whole[20:22], whole[15:40], whole[-3:], whole[0]):
        reply = trained.answer(ask(STORY, sampling=GREEDY, stop=("never said", stop)))
        assert (reply.text, reply.finish_reason) == (whole[: whole.index(stop)], "stop")


def test_text_held_back_for_a_stop_string_comes_at_the_end(trained: RemoteEngine) -> None:
    whole = trained.answer(ask(STORY, sampling=GREEDY)).text
    reply = trained.answer(ask(STORY, sampling=GREEDY, stop=(whole[-6:] + "!",)))
    assert (reply.text, reply.finish_reason) == (whole, "stop")


def test_characters_of_several_bytes_arrive_whole(trained: RemoteEngine) -> None:
    reply = trained.answer(ask("Say hello in Japanese.", sampling=GREEDY))
    deltas = [event.text for event in reply.events if isinstance(event, Delta)]
    assert "".join(deltas) == "こんにちは 🌸"
    assert not any("\N{REPLACEMENT CHARACTER}" in text for text in deltas)


def test_an_answer_that_ends_inside_of_a_character_does_not_show_it(trained: RemoteEngine) -> None:
    hello = ask("Say hello in Japanese.", sampling=GREEDY, top_logprobs=0)
    whole = trained.answer(hello)
    for count in range(1, whole.usage.completion_tokens):
        reply = trained.answer(structs.replace(hello, max_tokens=count))
        assert reply.finish_reason == "length"
        told = [
            each.chosen.bytes for e in reply.events if isinstance(e, Delta) for each in e.logprobs
        ]
        assert len(told) == count
        assert whole.text.encode().startswith(b"".join(told))
        assert reply.text == b"".join(told).decode(errors="ignore")


def test_an_answer_without_a_limit_ends_where_the_context_ends(engine: RemoteEngine) -> None:
    engine.load(checkpoint("Llama-3.2-tiny"), context=64)
    reply = engine.answer(ask("Hello", sampling=Sampling(temperature=0)))
    assert reply.finish_reason == "length"
    assert reply.usage.prompt_tokens + reply.usage.completion_tokens == 64
    limited = engine.answer(ask("Hello", sampling=GREEDY, max_tokens=10_000))
    assert limited.outcome() == reply.outcome()


def test_an_idle_engine_steps_to_nothing(trained: RemoteEngine) -> None:
    assert not trained.busy()
    assert trained.step() == []


def test_progress_of_a_load_runs_from_zero_to_all_bytes(trained: RemoteEngine) -> None:
    stages, done, totals = zip(*trained.progress, strict=True)
    assert set(stages) == {"weights"}
    assert len(set(totals)) == 1
    assert list(done) == sorted(done)
    assert (done[0], done[-1]) == (0, totals[0])


def test_memory_is_counted_and_given_back(trained: RemoteEngine) -> None:
    held = trained.memory()
    weights_bytes = trained.progress[-1][2]
    assert held.active_bytes >= weights_bytes
    assert held.rss_bytes > held.active_bytes
    trained.answer(greedy("Hello"))
    assert trained.reclaim(1 << 40) >= 0
    assert trained.memory().cache_bytes == 0


def _admit_what_cannot_start() -> tuple[bool, str]:
    """Whether the engine is busy after an admission that raised, and what that was."""
    from tests.engines import remote

    (text_engine,) = remote._engines
    decoder = text_engine._model().decoder
    add = decoder.add

    def failing(feeds: object) -> list[int]:
        raise ValueError("no sequence can be added")

    decoder.add = failing
    try:
        remote._admit("refused", greedy("Hello"))
    except ValueError as error:
        return text_engine.busy(), str(error)
    finally:
        decoder.add = add
    return text_engine.busy(), ""


def test_what_cannot_be_started_leaves_nothing_behind(engine: RemoteEngine) -> None:
    trained = engine.load(checkpoint(TRAINED))
    before = trained.answer(greedy("Hello")).text
    assert trained.child.call(_admit_what_cannot_start) == (False, "no sequence can be added")
    assert trained.answer(greedy("Hello")).text == before
