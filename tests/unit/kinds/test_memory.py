"""From facts and a spec to bytes."""

from pathlib import Path
from typing import Any, Literal

import pytest

from mlx_gui.core.device import LIMITS, Backend
from mlx_gui.core.model import (
    KVLayout,
    LoadSpec,
    MemoryNeed,
    ModelFacts,
    SlidingWindow,
    TextFacts,
    TextOptions,
    WeightForm,
)
from mlx_gui.kinds.memory import (
    CACHE_STEP_TOKENS,
    CACHES_COPIED,
    LAYERS_ALIVE,
    LOGITS_ALIVE,
    PROCESS_BYTES,
    SCORED_ALIVE,
    SCORES_ALIVE,
    TOKENIZER_COPIES,
    text_need,
)
from mlx_gui.kinds.registry import recognise
from tests.support.models import changed_facts, changed_spec
from tests.unit.kinds.folders import LLAMA, PACKED, write_model

QUANTIZED = {
    **LLAMA,
    "quantization": {"bits": 4, "group_size": 32, "model.embed_tokens": {"group_size": 32}},
}
FACTS = ModelFacts(
    kind="text",
    model_type="llama",
    capabilities=("chat",),
    parameter_count=1_000_000,
    stored_bytes=2_000_000,
    largest_tensor_parameters=100_000,
    own=TextFacts(4096, KVLayout(1000, layers=10)),
    float16_bytes=2_000_000,
)
SPARE = CACHE_STEP_TOKENS - 1


def spec(**changes: Any) -> LoadSpec:
    plain = LoadSpec("one", "/one", "text", "engine", "stored", TextOptions(1000, 8))
    return changed_spec(plain, **changes)


def need(
    facts: ModelFacts = FACTS,
    draft: ModelFacts | None = None,
    *,
    adapter_bytes: int = 0,
    backend: Backend = "cpu",
    **changes: Any,
) -> MemoryNeed:
    return text_need(
        facts, spec(**changes), adapter_bytes=adapter_bytes, draft=draft, backend=backend
    )


def facts(**changes: Any) -> ModelFacts:
    return changed_facts(FACTS, **changes)


@pytest.mark.parametrize(
    ("weight_form", "weights_bytes", "unpacking_bytes"),
    [
        ("stored", 11_328, 0),
        ("float32-scales", 11_328 + 1728, 0),
        # The largest once dense, once packed with its scales in both widths.
        ("float32", 4 * 12_864, 4 * 6400 + (11_328 + 2 * 1728) * 6400 // 12_864),
    ],
)
def test_packed_weights_by_the_form_that_they_are_held_in(
    tmp_path: Path, weight_form: WeightForm, weights_bytes: int, unpacking_bytes: int
) -> None:
    read = recognise(write_model(tmp_path, config=QUANTIZED, tensors=PACKED)).facts
    assert read is not None
    found = need(read, weight_form=weight_form)
    assert found.weights_bytes == weights_bytes
    assert found.load_peak_bytes == found.process_bytes + weights_bytes + unpacking_bytes


def test_dense_weights_are_widened_one_after_the_other() -> None:
    found = need(weight_form="float32")
    assert found.weights_bytes == 4_000_000
    assert found.load_peak_bytes == found.process_bytes + 4_000_000 + 2 * 100_000


def test_the_process_grows_with_its_tokenizer() -> None:
    assert need().process_bytes == PROCESS_BYTES["cpu"]
    with_tokenizer = need(facts(tokenizer_bytes=1_000_000))
    assert with_tokenizer.process_bytes == PROCESS_BYTES["cpu"] + TOKENIZER_COPIES * 1_000_000


@pytest.mark.parametrize(("form", "value_bytes"), [("stored", 2), ("float32", 4)])
def test_a_pool_has_one_step_to_spare(form: WeightForm, value_bytes: int) -> None:
    bare = need(weight_form=form).kv_bytes
    assert bare == (1000 + SPARE) * 1000 * value_bytes // 2
    pooled = need(weight_form=form, kv_pool_tokens=5000).kv_bytes
    assert pooled == (5000 + SPARE) * 1000 * value_bytes // 2


def test_a_checkpoint_without_16_bit_floats_has_a_32_bit_cache() -> None:
    assert need(facts(float16_bytes=0)).kv_bytes == 2 * need().kv_bytes


def test_windows_end_the_growth_of_their_layers_and_take_a_chunk_more_while_prompts_are_read() -> (
    None
):
    windowed = facts(kv=KVLayout(0, windows=(SlidingWindow(100, 1000),), layers=10))
    held_tokens = 100 + LIMITS["cpu"].prefill_tokens
    assert need(windowed, slots=1).kv_bytes == held_tokens * 1000
    assert need(windowed, slots=3, kv_pool_tokens=3000).kv_bytes == 3 * held_tokens * 1000
    assert need(windowed, slots=1, context=16).kv_bytes < need(windowed, slots=1).kv_bytes + 1
    wide = facts(kv=KVLayout(0, windows=(SlidingWindow(10**6, 1000),), layers=10))
    assert need(wide).kv_bytes == need().kv_bytes


def test_recurrent_state_counts_for_each_sequence_however_long_it_is() -> None:
    recurrent = facts(kv=KVLayout(0, state_bytes=1000, wide_state_bytes=500, layers=10))
    assert need(recurrent, slots=3, context=8000).kv_bytes == 3 * 1500
    assert need(recurrent, slots=3, context=8000, weight_form="float32").kv_bytes == 3 * 2500
    # There are not more sequences than could have 256 tokens each.
    assert need(recurrent, slots=3, context=512).kv_bytes == 2 * 1500


def test_caches_that_cannot_be_put_together_belong_to_one_sequence() -> None:
    alone = facts(kv=KVLayout(0, state_bytes=1000, layers=10, batched=False))
    assert need(alone, context=8000).kv_bytes == 1000


@pytest.mark.parametrize(
    ("kv_bits", "per_value"), [(8, (8 * 64 + 64) / 64), (4, (4 * 64 + 64) / 64)]
)
def test_a_quantized_kv_cache_takes_its_bits_and_a_scale_and_bias_for_each_group(
    kv_bits: Literal[4, 8], per_value: float
) -> None:
    values = (1000 + SPARE) * 500
    assert need(weight_form="float32", kv_bits=kv_bits).kv_bytes == int(values * per_value / 8)
    assert need(kv_bits=kv_bits).kv_bytes == int(values * (kv_bits + 0.5) / 8)


def test_adapter_draft_and_prefix_cache_are_part_of_the_need() -> None:
    draft = facts(parameter_count=300_000, kv=KVLayout(500, layers=5))
    options = TextOptions(1000, 8, draft="/draft")
    alone, drafting = need(text=options), need(draft, text=options)
    whole = need(
        draft=draft, adapter_bytes=1000, text=options, prefix_cache_bytes=7, weight_form="stored"
    )
    assert whole.weights_bytes == alone.weights_bytes + 1000 + drafting.weights_bytes
    assert whole.kv_bytes == alone.kv_bytes + drafting.kv_bytes
    assert whole.prefix_bytes == 7
    assert whole.load_peak_bytes == whole.process_bytes + whole.weights_bytes


def test_reading_takes_activations_and_on_a_processor_the_scores_of_all_heads() -> None:
    plain = facts(activations_per_token=500, attention_heads=4, head_size=64)
    working = need(plain, slots=1)
    tokens = LIMITS["cpu"].prefill_tokens
    values = tokens * (LAYERS_ALIVE * 500 + SCORES_ALIVE * 4 * 1000)
    assert working.total_bytes - working.kv_bytes - working.weights_bytes == (
        working.process_bytes + 2 * values + working.cached_bytes
    )
    fused = need(plain, slots=1, backend="metal")
    tokens = LIMITS["metal"].prefill_tokens
    assert fused.cached_bytes == 2 * tokens * LAYERS_ALIVE * 500
    odd = need(changed_facts(plain, head_size=96), slots=1, backend="metal")
    assert odd.cached_bytes == 2 * tokens * (LAYERS_ALIVE * 500 + SCORES_ALIVE * 4 * 1000)


def test_latent_attention_unfolds_the_whole_context() -> None:
    latent = facts(attended_values=64, attention_heads=2, head_size=64)
    tokens = LIMITS["metal"].prefill_tokens
    values = 1000 * 64 + SCORES_ALIVE * tokens * 2 * 1000
    assert need(latent, slots=1, backend="metal").cached_bytes == 2 * values


def test_choosing_takes_rows_of_the_vocabulary() -> None:
    rows = 64
    wide = need(
        facts(vocabulary_size=100_000),
        slots=rows,
        kv_pool_tokens=rows * CACHE_STEP_TOKENS,
        backend="metal",
    )
    assert wide.cached_bytes == LOGITS_ALIVE * rows * 400_000


def test_scoring_takes_the_logits_of_a_chunk_within_their_bound() -> None:
    plain = facts(vocabulary_size=100_000, activations_per_token=50)
    tokens = LIMITS["metal"].scored_logits_bytes // 400_000
    scoring = need(plain, slots=1, backend="metal")
    assert scoring.cached_bytes == tokens * (SCORED_ALIVE * 400_000 + 2 * LAYERS_ALIVE * 50)
    few = need(facts(vocabulary_size=100), slots=1)
    assert few.cached_bytes == SCORED_ALIVE * LIMITS["cpu"].prefill_tokens * 400


def test_sequences_that_join_a_batch_have_a_layer_copied() -> None:
    found = need(slots=8, kv_pool_tokens=8000)
    assert found.cached_bytes == CACHES_COPIED * found.kv_bytes // 10


def test_what_mlx_counts_is_all_but_the_process_and_what_is_kept_of_freed_memory() -> None:
    found = need(slots=8, kv_pool_tokens=8000, prefix_cache_bytes=77)
    working_bytes = found.cached_bytes
    assert found.mlx_bytes == found.weights_bytes + found.kv_bytes + 77 + working_bytes
