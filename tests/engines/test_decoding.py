"""Several answers to one request, the pool that rows share, and decoding one after the other."""

from typing import Any

import pytest

from mlx_gui.core.device import LIMITS
from mlx_gui.core.errors import ModelUnsupported
from mlx_gui.core.generation import Delta, Done, GenerateRequest, Prefill, Sampling, Usage
from mlx_gui.core.model import TextOptions
from tests.engines.remote import RemoteEngine, Reply, ask, gather
from tests.zoo.cache import checkpoint

GREEDY = Sampling(temperature=0)
STORY = "Write a long story."


def wild(text: str, seed: int, **settings: Any) -> GenerateRequest:
    return ask(
        text, sampling=Sampling(temperature=1.2, seed=seed), **{"max_tokens": 20, **settings}
    )


def texts(reply: Reply) -> dict[int, str]:
    """What each of a request's answers says."""
    found: dict[int, str] = {}
    for event in reply.events:
        if isinstance(event, Delta):
            found[event.index] = found.get(event.index, "") + event.text
    return found


@pytest.mark.parametrize("prefix_cache_bytes", [0, 1 << 30])
def test_answers_to_one_request_share_its_prompt_and_differ(
    prefix_cache_bytes: int, engine: RemoteEngine
) -> None:
    engine.load(checkpoint("Qwen3-tiny"), prefix_cache_bytes=prefix_cache_bytes)
    alone = engine.answer(wild("Hello", 7))
    said: list[dict[int, str]] = []
    for _ in range(2):  # the second time, the prompt may be cached
        reply = engine.answer(wild("Hello", 7, n=3))
        said.append(texts(reply))
        assert said[-1][0] == alone.text
        assert len(set(said[-1].values())) == 3
        prefills = [event for event in reply.events if isinstance(event, Prefill)]
        assert prefills[-1].done == prefills[-1].total == reply.usage.prompt_tokens
        assert sorted(e.index for e in reply.events if isinstance(e, Done)) == [0, 1, 2]
        assert 3 <= reply.usage.completion_tokens <= 60
    assert said[0] == said[1]


def test_more_answers_than_slots_all_come(engine: RemoteEngine) -> None:
    engine.load(checkpoint("Qwen3-tiny"), slots=2)
    assert sorted(texts(engine.answer(wild("Hello", 7, n=5)))) == [0, 1, 2, 3, 4]


def test_cancelling_a_request_ends_all_its_answers(engine: RemoteEngine) -> None:
    engine.load(checkpoint("Qwen3-tiny"), slots=2)
    engine.admit("many", wild("Hello", 1, n=3))
    for _ in range(4):
        engine.step()
    (step,) = engine.cancel("many")
    assert [event.index for event in step.events[:-1]] == [0, 1, 2]
    assert isinstance(step.events[-1], Usage)
    assert not engine.busy()
    assert engine.memory().kv_bytes == 0


def test_answers_that_outgrow_the_pool_wait_and_go_on_unchanged(engine: RemoteEngine) -> None:
    requests = [wild(text, 3, max_tokens=420, ignore_eos=True) for text in ("Hello", "2+2", "Hi")]
    engine.load(checkpoint("Qwen3-tiny"), context=640, slots=4, kv_pool_tokens=2560)
    roomy = engine.answers(requests)
    engine.load(checkpoint("Qwen3-tiny"), context=640, slots=4, kv_pool_tokens=960)
    engine.child.call(_watch_pauses)
    narrow = engine.answers(requests)
    assert engine.child.call(_pauses) > 0
    assert [reply.outcome() for reply in narrow] == [reply.outcome() for reply in roomy]
    assert [reply.usage.completion_tokens for reply in narrow] == [420] * 3


def test_a_request_beyond_the_pool_waits_for_the_ones_before_it(engine: RemoteEngine) -> None:
    engine.load(checkpoint("Qwen3-tiny"), context=512, slots=4, kv_pool_tokens=512)
    engine.admit("first", ask(STORY, sampling=GREEDY, max_tokens=30))
    engine.admit("second", ask("fox " * 400, sampling=GREEDY, max_tokens=5))
    steps = [{each.request_id for each in engine.step()} for _ in iter(engine.busy, False)]
    began = next(place for place, told in enumerate(steps) if "second" in told)
    # The first one's last token has been computed by then, and is told in the same step.
    assert all("first" not in told for told in steps[began + 1 :])


def test_an_answer_begins_in_the_step_that_completes_its_prompt(engine: RemoteEngine) -> None:
    engine.load(checkpoint("Qwen3-tiny"), slots=4)
    alone = engine.answer(ask("Hello", sampling=GREEDY, max_tokens=3))
    engine.admit("one", ask("Hello", sampling=GREEDY, max_tokens=1))
    engine.admit("three", ask("Hello", sampling=GREEDY, max_tokens=3))
    replies: dict[str, Reply] = {}
    gather(replies, engine.step())
    assert replies["one"].usage.completion_tokens == 1
    assert replies["one"].text == replies["three"].text
    assert alone.text.startswith(replies["one"].text)
    assert engine.drain(replies)["three"].outcome() == alone.outcome()


def test_an_answer_that_has_begun_goes_on_with_every_chunk_of_another_prompt(
    engine: RemoteEngine,
) -> None:
    engine.load(checkpoint("SmolLM2-tiny-trained"), slots=4, context=1024)
    engine.admit("running", ask(STORY, sampling=GREEDY, max_tokens=200))
    engine.admit("long", ask("fox " * 800, sampling=GREEDY, max_tokens=5))
    tokens: list[int] = []
    for _ in iter(engine.busy, False):
        told = {each.request_id: each.events for each in engine.step()}
        if any(isinstance(event, Prefill) for event in told.get("long", ())):
            deltas = [event for event in told["running"] if isinstance(event, Delta)]
            tokens.append(sum(delta.token_count for delta in deltas))
    assert len(tokens) > 4
    assert set(tokens) == {1}


@pytest.mark.parametrize(("words", "crowded"), [(90, True), (800, False)])
def test_only_prompts_that_are_soon_complete_are_read_as_a_crowd(
    words: int, crowded: bool, engine: RemoteEngine
) -> None:
    engine.load(checkpoint("SmolLM2-tiny-trained"), slots=4, context=1024, kv_pool_tokens=4096)
    engine.admit("running", ask(STORY, sampling=GREEDY, max_tokens=200))
    engine.step()
    for name in ("one", "two", "three"):
        engine.admit(name, ask(f"{name} " + "fox " * words, sampling=GREEDY, max_tokens=2))
    done: dict[str, int] = {}
    read: list[int] = []
    for _ in iter(engine.busy, False):
        before = sum(done.values())
        for each in engine.step():
            for event in each.events:
                if isinstance(event, Prefill):
                    done[each.request_id] = event.done
        read.append(sum(done.values()) - before)
    chunk = LIMITS["cpu"].prefill_tokens
    # The last token of a prompt is read in addition.
    assert (max(read) > chunk + 2) == crowded
    assert max(read) <= chunk * LIMITS["cpu"].crowd + 4
    assert len(done) == 3


def test_speculative_decoding_gives_the_same_greedy_answer(engine: RemoteEngine) -> None:
    folder = checkpoint("Qwen3-tiny")
    request = ask(STORY, sampling=GREEDY, max_tokens=30)
    engine.load(folder)
    plain = engine.answer(request)
    engine.load(folder, prefix_cache_bytes=1 << 30, text=TextOptions(draft=str(folder)))
    assert engine.credits() == 1
    assert "draft" in engine.serial_because()
    first, again = engine.answer(request), engine.answer(request)
    assert first.outcome() == again.outcome() == plain.outcome()
    assert again.usage.cached_tokens == again.usage.prompt_tokens - 1


def test_a_draft_of_another_vocabulary_is_refused(engine: RemoteEngine) -> None:
    draft = TextOptions(draft=str(checkpoint("Llama-3.2-tiny")))
    with pytest.raises(ModelUnsupported, match="tokens"):
        engine.load(checkpoint("gemma-3-text-tiny"), text=draft)


def test_one_after_the_other_a_stream_can_be_cancelled_and_the_next_begins(
    engine: RemoteEngine,
) -> None:
    folder = checkpoint("Qwen3-tiny")
    engine.load(folder, text=TextOptions(draft=str(folder)))
    wanted = engine.answer(wild("Hello", 4))
    engine.admit("gone", wild(STORY, 1, max_tokens=200))
    engine.admit("next", wild("Hello", 4))
    for _ in range(3):
        engine.step()
    engine.cancel("gone")
    assert engine.drain()["next"].outcome() == wanted.outcome()


def test_a_window_cannot_be_quantized(engine: RemoteEngine) -> None:
    with pytest.raises(ModelUnsupported, match="sliding window"):
        engine.load(checkpoint("gemma-3-text-tiny"), text=TextOptions(kv_bits=8))


def test_heads_that_are_too_small_cannot_be_quantized(engine: RemoteEngine) -> None:
    with pytest.raises(ModelUnsupported, match="16 values"):
        engine.load(checkpoint("Qwen3-tiny"), text=TextOptions(kv_bits=8))


def test_a_raw_prompt_goes_on_where_it_ends(engine: RemoteEngine) -> None:
    engine.load(checkpoint("SmolLM2-tiny-trained"))
    asked = ask("What is the capital of France?")
    ids = tuple(engine.prepare("any", asked).payload.ids)
    raw = GenerateRequest(prompt=ids, sampling=GREEDY)
    assert engine.answer(raw).text == "The capital of France is Paris."


# In the child


_paused: list[object] = []


def _watch_pauses() -> None:
    from mlx_gui.engines.text.batch import BatchDecoder

    pause = BatchDecoder._pause

    def watched(self: Any, uid: int) -> Any:
        _paused.append(uid)
        return pause(self, uid)

    BatchDecoder._pause = watched


def _pauses() -> int:
    return len(_paused)
