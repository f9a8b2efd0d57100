"""What is kept of earlier requests, what is found of it, and that answers do not change by it."""

from pathlib import Path
from typing import Any

import pytest

from mlx_gui.core.generation import GenerateRequest, Sampling
from tests.engines.remote import RemoteEngine, Reply, ask
from tests.support.soak import mostly_in_soak
from tests.zoo.cache import checkpoint
from tests.zoo.families import FAMILIES

TOKENS = 12
GREEDY = Sampling(temperature=0)
PLENTY = 1 << 30
UNTRIMMABLE = ("gemma-3-text-tiny-window", "LFM2-tiny")
LONG = "The fox read every book that it could find in the old house by the sea. " * 4


def greedy(*texts: str, **settings: Any) -> GenerateRequest:
    return ask(*texts, sampling=GREEDY, **{"max_tokens": TOKENS, **settings})


def load(engine: RemoteEngine, folder: Path, **settings: Any) -> RemoteEngine:
    return engine.load(folder, **{"prefix_cache_bytes": PLENTY, **settings})


@pytest.fixture
def qwen(engine: RemoteEngine) -> RemoteEngine:
    return load(engine, checkpoint("Qwen3-tiny"))


@pytest.mark.parametrize(
    "name", mostly_in_soak(FAMILIES, but=("Qwen3-tiny", "Llama-4-tiny", *UNTRIMMABLE))
)
def test_a_warm_answer_is_the_cold_one_and_only_the_rest_is_fed(
    name: str, engine: RemoteEngine
) -> None:
    load(engine, checkpoint(name), prefix_cache_bytes=0)
    conversation = (LONG, "Yes.", "And then?")
    cold = [engine.answer(greedy(LONG)), engine.answer(greedy(*conversation))]

    load(engine, checkpoint(name))
    engine.child.call(_count_fed_tokens)
    first = engine.answer(greedy(LONG))
    assert _fed(engine) == _needed(first, engine)
    again = engine.answer(greedy(LONG))
    assert _fed(engine) == _needed(again, engine)
    later = engine.answer(greedy(*conversation))
    assert _fed(engine) == _needed(later, engine)

    assert [first.outcome(), later.outcome()] == [reply.outcome() for reply in cold]
    assert again.outcome() == first.outcome()
    assert first.usage.cached_tokens == 0
    if name in UNTRIMMABLE:
        # What cannot be cut is kept where the last message ends, before the answer's head.
        assert again.usage.cache_miss.startswith("not trimmable")
        assert again.usage.cached_tokens > again.usage.prompt_tokens - 8
    else:
        assert again.usage.cached_tokens == again.usage.prompt_tokens - 1
        assert again.usage.cache_miss == ""
    assert later.usage.cached_tokens > 0


def test_a_prompt_that_is_wholly_cached_is_answered(qwen: RemoteEngine) -> None:
    ids = tuple(qwen.prepare("any", greedy(LONG)).payload.ids)
    first = qwen.answer(GenerateRequest(prompt=ids, sampling=GREEDY, max_tokens=1))
    for _ in range(2):
        again = qwen.answer(GenerateRequest(prompt=ids, sampling=GREEDY, max_tokens=1))
        assert again.text == first.text
        assert again.usage.cached_tokens == len(ids) - 1


def test_tenants_share_nothing(qwen: RemoteEngine) -> None:
    qwen.answer(greedy(LONG), tenant="one")
    other = qwen.answer(greedy(LONG), tenant="two")
    assert other.usage.cached_tokens == 0
    assert other.usage.cache_miss == "nothing that begins alike"
    assert qwen.answer(greedy(LONG), tenant="one").usage.cached_tokens > 0


def test_the_first_difference_is_named(qwen: RemoteEngine) -> None:
    qwen.answer(greedy(LONG + " One."))
    usage = qwen.answer(greedy(LONG + " Two.")).usage
    assert usage.cache_miss == f"first difference at token {usage.cached_tokens}"
    assert 0 < usage.cached_tokens < usage.prompt_tokens - 1


def test_what_was_evicted_is_named(engine: RemoteEngine) -> None:
    load(engine, checkpoint("Qwen3-tiny"))
    engine.answer(greedy(LONG))
    held_bytes = engine.memory().prefix_bytes
    load(engine, checkpoint("Qwen3-tiny"), prefix_cache_bytes=held_bytes + held_bytes // 2)
    engine.answer(greedy(LONG), tenant="one")
    engine.answer(greedy(LONG), tenant="two")
    assert engine.memory().prefix_bytes <= held_bytes + held_bytes // 2
    assert engine.answer(greedy(LONG), tenant="one").usage.cache_miss == "evicted"


def test_a_window_that_has_rotated_cannot_be_trimmed(engine: RemoteEngine) -> None:
    load(engine, checkpoint("gemma-3-text-tiny"), context=2048)
    engine.answer(greedy(LONG * 5 + " One."))
    usage = engine.answer(greedy(LONG * 5 + " Two.")).usage
    # What begins every prompt of this template is kept by itself.
    assert usage.cached_tokens < 16
    assert usage.cache_miss.startswith("not trimmable to ")


def test_turned_off_it_holds_nothing(engine: RemoteEngine) -> None:
    load(engine, checkpoint("Qwen3-tiny"), prefix_cache_bytes=0)
    engine.answer(greedy(LONG))
    assert engine.answer(greedy(LONG)).usage.cached_tokens == 0
    assert engine.memory().prefix_bytes == 0


def test_reclaiming_gives_the_bytes_back(qwen: RemoteEngine) -> None:
    qwen.answer(greedy(LONG))
    held = qwen.memory()
    assert held.prefix_bytes > 0
    assert qwen.reclaim(1) >= held.prefix_bytes
    after = qwen.memory()
    assert after.prefix_bytes == 0
    assert after.active_bytes <= held.active_bytes - held.prefix_bytes


def test_a_conversation_takes_one_entry_however_long_it_gets(engine: RemoteEngine) -> None:
    load(engine, checkpoint("SmolLM2-tiny-trained"))
    turns = ["My name is Ada."]
    bytes_a_token: list[float] = []
    for _ in range(4):
        reply = engine.answer(greedy(*turns, max_tokens=50))
        tokens = reply.usage.prompt_tokens + reply.usage.completion_tokens
        bytes_a_token.append(engine.memory().prefix_bytes / tokens)
        turns += [reply.text, "What is my name?"]
    assert max(bytes_a_token) == pytest.approx(min(bytes_a_token), rel=0.01)


def test_a_cancelled_answer_leaves_its_prompt_behind(qwen: RemoteEngine) -> None:
    qwen.admit("gone", greedy(LONG, max_tokens=100))
    while not any(step.events for step in qwen.step() if len(step.events) > 1):
        pass
    qwen.cancel("gone")
    assert qwen.answer(greedy(LONG)).usage.cached_tokens > 0


def test_sequences_of_the_same_ids_with_other_pictures_share_what_stands_before_them(
    engine: RemoteEngine,
) -> None:
    assert engine.child.call(_found_beside_pictures) == {
        "the same": (7, ""),
        "another first one": (2, "another picture at token 2"),
        "another second one": (5, "another picture at token 5"),
        "none": (2, "another picture at token 2"),
        "another first one by somebody else": (0, "nothing that begins alike"),
    }


def test_what_was_computed_of_pictures_shares_the_bytes_with_everything_else(
    engine: RemoteEngine,
) -> None:
    assert engine.child.call(_kept_pictures) == [
        [True, True, True],
        # The second was used least recently.
        [True, False, True],
        [False, False, False],
    ]


def _needed(reply: Reply, engine: RemoteEngine) -> int:
    """Tokens that `reply` takes: the rest of its prompt, and its own but for the last.

    The token after the last is computed ahead, unless a batch knows that no more are wanted.
    """
    usage = reply.usage
    ahead = usage.completion_tokens < TOKENS or engine.serial_because() is not None
    return usage.prompt_tokens - usage.cached_tokens + usage.completion_tokens - (not ahead)


def _fed(engine: RemoteEngine) -> int:
    """Tokens that the model was called with since the last look."""
    return engine.child.call(_take_fed_tokens)


# In the child


_counts: list[int] = []
_counted: set[type] = set()


def _count_fed_tokens() -> None:
    """Have the loaded model's class note what it is called with, from now on."""
    from tests.engines import remote

    model = type(remote._engines[0]._resident.loaded.network.model)
    _counts.clear()
    if model in _counted:
        return
    _counted.add(model)
    call = model.__call__

    def counted(self: Any, inputs: Any, *arguments: Any, **settings: Any) -> Any:
        _counts.append(inputs.size)
        return call(self, inputs, *arguments, **settings)

    model.__call__ = counted


def _take_fed_tokens() -> int:
    fed = sum(_counts)
    _counts.clear()
    return fed


def _found_beside_pictures() -> dict[str, tuple[int, str]]:
    """What is found of ids with pictures at tokens 2 and 5, after a sequence with two others."""
    import mlx.core as mx

    from mlx_gui.engines.text.decoding import State
    from mlx_gui.engines.text.inputs import Imprint
    from mlx_gui.engines.text.mlx_lm import KVCache
    from mlx_gui.engines.text.prefix_cache import PrefixCache

    def shown(first: bytes, second: bytes) -> tuple[Imprint, ...]:
        return Imprint(2, 2, first), Imprint(5, 2, second)

    ids = [1, 2, 9, 9, 3, 9, 9, 4]
    layer = KVCache()
    layer.update_and_fetch(mx.zeros((1, 1, len(ids), 4)), mx.zeros((1, 1, len(ids), 4)))
    prefixes = PrefixCache(PLENTY)
    prefixes.put("me", State(ids, [layer], shown(b"red", b"blue")))
    asked = {
        "the same": ("me", shown(b"red", b"blue")),
        "another first one": ("me", shown(b"green", b"blue")),
        "another second one": ("me", shown(b"red", b"red")),
        "none": ("me", ()),
        "another first one by somebody else": ("you", shown(b"green", b"blue")),
    }
    found = {name: prefixes.find(tenant, ids, each) for name, (tenant, each) in asked.items()}
    return {
        name: (0 if each.state is None else len(each.state.tokens), each.miss)
        for name, each in found.items()
    }


def _kept_pictures() -> list[list[bool]]:
    """Which of three pictures are there: at first, after one more than fits, and reclaimed."""
    import mlx.core as mx

    from mlx_gui.engines.text.prefix_cache import PrefixCache

    values = mx.zeros((4, 8))
    names = (b"red", b"green", b"blue")
    prefixes = PrefixCache(3 * values.nbytes)
    for name in names:
        prefixes.put_picture("me", name, values)

    def there() -> list[bool]:
        return [prefixes.picture("me", name) is not None for name in names]

    seen = [there()]
    prefixes.picture("me", b"red")
    prefixes.put_picture("me", b"white", values)
    assert prefixes.picture("you", b"white") is None
    seen.append([prefixes._pictures.get(("me", name)) is not None for name in names])
    prefixes.reclaim(PLENTY)
    assert not prefixes.bytes
    seen.append(there())
    return seen
