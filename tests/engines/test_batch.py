"""The batch itself, fed directly, against plain mlx-lm's steps with the same parts around it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from mlx_gui.core.errors import CapabilityMissing
from mlx_gui.core.generation import GenerateRequest, Grammar, Sampling
from tests.engines.parts import FIXED, Ask, processors_of, tokenizer
from tests.engines.remote import RemoteEngine, Reply, ask
from tests.support.soak import in_soak, mostly_in_soak
from tests.zoo.cache import checkpoint
from tests.zoo.families import FAMILIES, SERIAL

BATCHED = [name for name in FAMILIES if name not in SERIAL]
UNLIKE = ("Qwen3-tiny", "gemma-3-text-tiny-window", "LFM2-tiny")
"""Of which each keeps something else of what it has read: all, a window, and sums besides."""
EMBEDDED = ("Qwen3-tiny", "SmolLM3-tiny", "gemma-3-text-tiny-window", "LFM2-tiny", "SmolLM2-tiny")
LONG = "The fox read every book in the house. " * 12
# A seed whose draws are not so near a border that another BLAS, which rounds otherwise, would turn
# one of them.
SEEDED = Sampling(temperature=1.3, top_p=0.9, seed=12)
PENALISED = structs.replace(
    FIXED,
    repetition_penalty=1.3,
    presence_penalty=0.6,
    frequency_penalty=-0.4,
    logit_bias={5: 1.5, 9: -100.0},
)
ASKS = (
    Ask(prompt="Hello"),
    Ask(prompt=LONG, sampling=SEEDED),
    Ask(prompt="2+2", sampling=PENALISED),
    Ask(prompt=LONG + "Why?", grammar=Grammar("regex", "(yes|no|perhaps){2,8}")),
    Ask(prompt="Once", sampling=structs.replace(PENALISED, temperature=0.8, seed=3), max_tokens=40),
)


@pytest.mark.parametrize("name", mostly_in_soak(BATCHED, but=UNLIKE))
def test_whatever_is_asked_tokens_are_those_of_plain_mlx_lm(
    name: str, engine: RemoteEngine
) -> None:
    folder = checkpoint(name)
    engine.load(folder, weight_form="float32-scales" if name.endswith("bit") else "float32")
    plain = engine.child.call(_plainly, folder, ASKS)
    assert engine.child.call(_one_by_one, folder, ASKS) == plain
    assert engine.child.call(_together, folder, ASKS) == plain
    assert engine.child.call(_joining, folder, ASKS) == plain


@pytest.mark.parametrize("name", mostly_in_soak(BATCHED, but=UNLIKE))
def test_tokens_are_the_same_after_what_the_cache_has_of_a_prompt(
    name: str, engine: RemoteEngine
) -> None:
    folder = checkpoint(name)
    engine.load(folder, weight_form="float32-scales" if name.endswith("bit") else "float32")
    warm, plain = engine.child.call(_second_turns, folder, ASKS)
    assert warm == plain


@pytest.mark.parametrize("name", mostly_in_soak(EMBEDDED, but=("Qwen3-tiny", "LFM2-tiny")))
@pytest.mark.parametrize("pauses", [True, *in_soak(False)])
def test_a_prompt_fed_as_embeddings_reads_as_their_tokens_do(
    name: str, pauses: bool, engine: RemoteEngine
) -> None:
    folder = checkpoint(name)
    engine.load(folder)
    plain = engine.child.call(_plainly, folder, ASKS)
    assert engine.child.call(_embedded, folder, ASKS, pauses) == plain


def test_a_model_that_takes_no_embeddings_says_so_before_anything_is_read(
    engine: RemoteEngine,
) -> None:
    folder = checkpoint("DeepSeek-R1-tiny")
    engine.load(folder)
    with pytest.raises(CapabilityMissing, match="tokens only"):
        engine.child.call(_embedded, folder, ASKS, False)


def test_a_step_may_bring_several_tokens_of_a_sequence(engine: RemoteEngine) -> None:
    engine.load(checkpoint("Qwen3-tiny"))
    whole = engine.answer(_story()).text
    requests = [
        _story(),
        _story(max_tokens=7),
        _story(stop=(whole[9:12],)),
        _story(n=2, sampling=Sampling(temperature=1.2, seed=5)),
    ]
    want = [_outcomes(engine.answer(request)) for request in requests]
    engine.child.call(_tell_by_threes)
    assert [_outcomes(reply) for reply in engine.answers(requests)] == want


def _story(**settings: Any) -> GenerateRequest:
    usual = {"sampling": Sampling(temperature=0), "max_tokens": 24, "ignore_eos": True}
    return ask("Write a long story.", **{**usual, **settings})


def _outcomes(reply: Reply) -> tuple[Any, ...]:
    texts: dict[int, str] = {}
    for event in reply.events:
        if hasattr(event, "text"):
            texts[event.index] = texts.get(event.index, "") + event.text
    return texts, reply.finish_reason, reply.usage.completion_tokens


# In the child


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a feed: all of its tokens, the end token included."""

    tokens: tuple[int, ...]
    finish: str


def _model() -> Any:
    from tests.engines import remote

    return remote._engines[0]._resident.loaded


def _decoder(network: Any = None) -> Any:
    from mlx_gui.engines.text.batch import BatchDecoder

    return BatchDecoder(
        network or _model().network,
        slots=8,
        prefill_tokens=32,
        crowd=2,
        pool_tokens=4096,
    )


def _feed(folder: Path, asked: Ask, prompt: Sequence[int], **more: Any) -> Any:
    from mlx_gui.engines.text.decoding import Feed
    from mlx_gui.engines.text.mlx_lm import StopSequences
    from mlx_gui.engines.text.sampling import make_sampler, resolve

    guard = processors_of(folder, asked)
    usual = {
        "rest": list(prompt),
        "state": None,
        "max_tokens": asked.max_tokens,
        "sampler": make_sampler(resolve(asked.sampling, Sampling(), {}), asked.index),
        "processors": () if guard is None else (guard,),
        "end_tokens": StopSequences([(token,) for token in tokenizer(folder).eos_token_ids]),
    }
    return Feed(**{**usual, **more})


def _prompt(folder: Path, asked: Ask) -> list[int]:
    return tokenizer(folder).encode(asked.prompt)


def _plain(folder: Path, asked: Ask, prompt: Sequence[int]) -> Told:
    """What `mlx_lm.generate.generate_step` makes of it."""
    import mlx.core as mx

    from mlx_gui.engines.text.mlx_lm import generate_step

    feed = _feed(folder, asked, prompt)
    steps = generate_step(
        mx.array(prompt),
        _model().network.model,
        max_tokens=asked.max_tokens,
        sampler=feed.sampler,
        logits_processors=list(feed.processors),
        stream=mx.default_stream(mx.default_device()),
    )
    tokens: list[int] = []
    for token, _ in steps:
        tokens.append(int(token))
        if token in tokenizer(folder).eos_token_ids:
            return Told(tuple(tokens), "stop")
    return Told(tuple(tokens), "length")


def _plainly(folder: Path, asks: Sequence[Ask]) -> list[Told]:
    return [_plain(folder, asked, _prompt(folder, asked)) for asked in asks]


def _finish(
    decoder: Any, keys: Sequence[int], *, pauses: bool = False
) -> tuple[list[Told], list[Any]]:
    """Steps until all have ended; with the states that are left.

    With `pauses` all that write have to wait again after every few steps.
    """
    said: dict[int, list[int]] = {}
    ends: dict[int, Any] = {}
    steps = 0
    while len(ends) < len(keys):
        ends |= _step(decoder, said)
        steps += 1
        if pauses and steps % 6 == 0:
            for key in decoder._writing.keys:
                ends |= _note(said, decoder._pause(key))
    assert decoder.bytes() == 0
    told = [Told(tuple(said[key]), ends[key].finish) for key in keys]
    return told, [ends[key].state for key in keys]


def _step(decoder: Any, said: dict[int, list[int]]) -> dict[int, Any]:
    """Those that end, by their keys."""
    return _note(said, decoder.step()[1])


def _note(said: dict[int, list[int]], sampled: Sequence[Any]) -> dict[int, Any]:
    for each in sampled:
        said.setdefault(each.key, []).append(each.token)
    return {each.key: each for each in sampled if each.finish is not None}


def _one_by_one(folder: Path, asks: Sequence[Ask]) -> list[Told]:
    decoder = _decoder()
    return [
        told
        for asked in asks
        for told in _finish(decoder, decoder.add([_feed(folder, asked, _prompt(folder, asked))]))[0]
    ]


def _together(folder: Path, asks: Sequence[Ask]) -> list[Told]:
    decoder = _decoder()
    feeds = [_feed(folder, asked, _prompt(folder, asked)) for asked in asks]
    return _finish(decoder, decoder.add(feeds))[0]


def _joining(folder: Path, asks: Sequence[Ask]) -> list[Told]:
    """Each joins some steps after the one before, and one that nobody waits for leaves."""
    decoder = _decoder()
    (gone,) = decoder.add([_feed(folder, replace(asks[0], max_tokens=200), [4, 5, 6, 7])])
    keys: list[int] = []
    said: dict[int, list[int]] = {}
    ended: dict[int, Any] = {}
    for asked in asks:
        keys += decoder.add([_feed(folder, asked, _prompt(folder, asked))])
        for _ in range(3):
            ended |= _step(decoder, said)
        decoder.remove([gone])
    while ended.keys() < {*keys}:
        ended |= _step(decoder, said)
    return [Told(tuple(said[key]), ended[key].finish) for key in keys]


def _second_turns(folder: Path, asks: Sequence[Ask]) -> tuple[list[Told], list[Told]]:
    """Of prompts that go on where each answer ended, with the state there and without any."""
    from mlx_gui.engines.text.prefix_cache import PrefixCache

    prefixes = PrefixCache(1 << 30)
    decoder = _decoder()
    prompts: list[list[int]] = []
    feeds: list[Any] = []
    for asked in asks:
        first = _prompt(folder, asked)
        key = decoder.add([_feed(folder, asked, first)])
        (told,), (state,) = _finish(decoder, key)
        prefixes.put("", state)
        prompts.append([*first, *told.tokens, *_prompt(folder, Ask(prompt="And then?"))])
        found = prefixes.find("", prompts[-1]).state
        assert found is not None
        rest = prompts[-1][len(found.tokens) :]
        feeds.append(_feed(folder, asked, rest, state=found))
    warm, _ = _finish(decoder, decoder.add(feeds))
    plain = [_plain(folder, *each) for each in zip(asks, prompts, strict=True)]
    return warm, plain


def _embedded(folder: Path, asks: Sequence[Ask], pauses: bool) -> list[Told]:
    """Prompts whose ids are as good as none: only their embeddings tell what they are.

    With `pauses` each waits again in the midst of its answer, and is read anew.
    """
    import mlx.core as mx
    from mlx_lm.utils import does_model_support_input_embeddings

    from mlx_gui.engines.text.inputs import Given, Inputs

    network = _model().network
    embed = network.model.model.embed_tokens
    if does_model_support_input_embeddings(network.model):
        network = replace(network, embed=embed)
    decoder = _decoder(network)
    feeds: list[Any] = []
    for asked in asks:
        prompt = _prompt(folder, asked)
        values = embed(mx.array(prompt))
        # Penalties look at ids as well, and are as they would be.
        ids = prompt if asked.sampling is not FIXED else [3] * len(prompt)
        feeds.append(_feed(folder, asked, ids, inputs=Inputs((Given(0, values),))))
    # One of ids alone is beside them.
    feeds.append(_feed(folder, asks[0], _prompt(folder, asks[0])))
    told, _ = _finish(decoder, decoder.add(feeds), pauses=pauses)
    assert told[-1] == told[0]
    return told[:-1]


def _tell_by_threes() -> None:
    """Hold back what the loaded model's decoder tells, until three tokens are there or an end."""
    from tests.engines import remote

    decoder = remote._engines[0]._resident.decoder
    step: Callable[[], Any] = decoder.step
    held: dict[int, list[Any]] = {}

    def by_threes() -> Any:
        fed, sampled = step()
        told: list[Any] = []
        for each in sampled:
            held.setdefault(each.key, []).append(each)
            if len(held[each.key]) == 3 or each.finish is not None:
                told += held.pop(each.key)
        return fed, told

    decoder.step = by_threes
