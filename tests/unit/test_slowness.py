"""The sentence about a slow request names what took its time."""

from dataclasses import replace

import pytest

from mlx_gui.core.request_record import Phases, TokenCounts
from mlx_gui.core.slowness import slow_because
from tests.unit.store.test_requests import ONE

COUNTS = TokenCounts(prompt=20_400, cached=400, completion=2_000, reasoning=0)


@pytest.mark.parametrize(
    ("phases", "sentence"),
    [
        (Phases(1_900, load_ms=1_800), ""),
        (Phases(10_000, load_ms=8_000), "org/one was loaded first: 8.0 s of 10.0 s."),
        (Phases(10_000, queued_ms=7_000), "It waited for its turn: 7.0 s of 10.0 s."),
        (
            Phases(10_000, prefill_ms=6_000, decode_ms=3_000),
            "The prompt was long to read: 6.0 s of 10.0 s, for 20,000 tokens that were not in the "
            "cache (evicted).",
        ),
        (
            Phases(40_000, prefill_ms=1_000, decode_ms=38_000),
            "The answer was long to write: 38.0 s of 40.0 s, 2,000 tokens at 52.6 a second.",
        ),
        (
            Phases(10_000, prefill_ms=500, decode_ms=500),
            "Its time went outside of the engine: 9.0 s of 10.0 s, to prepare the prompt, to wait "
            "for others in the same batch, or for a client that was slow to read.",
        ),
        (
            Phases(10_000, queued_ms=3_000, load_ms=2_500, prefill_ms=2_500, decode_ms=2_000),
            "It took 10.0 s, and no single part of that stands out.",
        ),
    ],
)
def test_the_greatest_part_of_a_request_s_time_is_named(phases: Phases, sentence: str) -> None:
    assert slow_because(replace(ONE, phases=phases, tokens=COUNTS)) == sentence


def test_thoughts_are_named_where_they_are_most_of_the_answer() -> None:
    tokens = replace(COUNTS, reasoning=1_900)
    record = replace(ONE, phases=Phases(40_000, decode_ms=38_000), tokens=tokens)
    assert slow_because(record).endswith("of which 1,900 were thoughts.")


def test_a_prompt_that_was_in_the_cache_blames_no_cache() -> None:
    tokens = replace(COUNTS, cached=20_000)
    record = replace(ONE, phases=Phases(4_000, prefill_ms=3_000), tokens=tokens)
    assert slow_because(record) == "The prompt was long to read: 3.0 s of 4.0 s, for 400 tokens."


def test_a_request_that_was_refused_has_its_reason_elsewhere() -> None:
    record = replace(ONE, phases=Phases(9_000, queued_ms=9_000), outcome="refused", tokens=None)
    assert slow_because(record) == ""


def test_a_request_without_usage_is_explained_all_the_same() -> None:
    record = replace(ONE, phases=Phases(9_000, load_ms=9_000), outcome="failed", tokens=None)
    assert slow_because(record) == "org/one was loaded first: 9.0 s of 9.0 s."
