"""The catalogue of starters: what each says of itself, and what a machine is advised to take."""

import pytest

from mlx_gui.catalog.hub_facts import PIPELINE_TAGS
from mlx_gui.catalog.starter_list import (
    TIERS,
    StarterModel,
    chosen_starters,
    starter_models,
    tier_of,
)
from mlx_gui.catalog.starters import EMBEDDED
from mlx_gui.core.hub import checked_repo_id

STARTERS = starter_models()
GB = 1_000_000_000


def of(family: str) -> list[StarterModel]:
    return [each for each in STARTERS if each.family == family]


def test_each_has_an_id_of_its_own_that_a_hub_allows() -> None:
    ids = [checked_repo_id(each.id) for each in STARTERS]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("starter", STARTERS, ids=lambda each: each.id)
def test_each_says_what_it_is(starter: StarterModel) -> None:
    assert starter.kind in PIPELINE_TAGS
    assert starter.family
    assert starter.model_type
    assert starter.license == starter.license.lower().strip()
    assert starter.memory_gb in TIERS
    assert (starter.dimensions is not None) is (starter.kind == "embedding")
    bytes_each = starter.size_bytes / starter.parameter_count
    expected = {"4-bit": (0.5, 0.8), "8-bit": (1.0, 1.2), None: (1.9, 4.1)}[starter.quantization]
    assert expected[0] <= bytes_each <= expected[1]
    assert starter.memory_gb == TIERS[-1] or starter.size_bytes < 0.8 * starter.memory_gb * GB


def test_only_what_was_installed_from_a_hub_is_called_tried() -> None:
    assert [each.id for each in STARTERS if each.tried] == [EMBEDDED.model_id]
    assert [each.id for each in STARTERS if each.embedded] == [EMBEDDED.model_id]
    embedded = next(each for each in STARTERS if each.embedded)
    assert (embedded.size_bytes, embedded.license) == (
        EMBEDDED.model_bytes, EMBEDDED.licence.lower()
    )  # fmt: skip


@pytest.mark.parametrize(
    "family",
    ["Qwen3", "DeepSeek R1", "SmolLM3", "Mistral Small", "Gemma 3", "Gemma 3n", "Qwen2-VL",
     "Whisper", "Parakeet", "BGE", "MiniLM", "Qwen3-Embedding", "Arctic", "E5"],
)  # fmt: skip
def test_every_family_has_one(family: str) -> None:
    assert of(family)


@pytest.mark.parametrize(
    ("family", "dimensions"),
    [("BGE", 384), ("MiniLM", 384), ("Qwen3-Embedding", 2560), ("Arctic", 1024), ("E5", 384)],
)
def test_vectors_have_these_dimensions(family: str, dimensions: int) -> None:
    assert {each.dimensions for each in of(family)} == {dimensions}


def test_speech_has_whisper_in_two_sizes_and_parakeet() -> None:
    names = {each.id.rpartition("/")[2] for each in STARTERS if each.kind == "transcription"}
    assert names == {"whisper-large-v3-turbo", "whisper-large-v3-mlx", "parakeet-tdt-0.6b-v2"}


@pytest.mark.parametrize(
    ("usable_gb", "tier"),
    [
        (0, 6),
        (1, 6),
        (6, 6),
        (6.1, 12),
        (12, 12),
        (24, 24),
        (25, 48),
        (96, 96),
        (97, 192),
        (512, 192),
    ],
)
def test_a_machine_has_a_tier(usable_gb: float, tier: int) -> None:
    assert tier_of(int(usable_gb * GB)) == tier


@pytest.mark.parametrize(
    ("usable_gb", "text"),
    [
        (0.1, None),
        (0.2, "SmolLM2-135M-Instruct"),
        (0.5, "Qwen3-0.6B-4bit"),
        (2.5, "Qwen3-1.7B-4bit"),
        (6, "Qwen3-4B-Instruct-2507-4bit"),
        (12, "Qwen3-8B-4bit"),
        (24, "Qwen3-14B-4bit"),
        (48, "Qwen3-30B-A3B-Instruct-2507-4bit"),
        (96, "Qwen3-32B-8bit"),
        (192, "Qwen3-235B-A22B-4bit"),
        (100, "Qwen3-32B-8bit"),
    ],
)
def test_the_choice_follows_the_memory(usable_gb: float, text: str | None) -> None:
    chosen = chosen_starters(STARTERS, int(usable_gb * GB)).get("text")
    name = None if chosen is None else chosen.id.rpartition("/")[2]
    assert name == text


def test_the_choice_has_one_of_every_kind_that_fits() -> None:
    chosen = chosen_starters(STARTERS, 16 * GB)
    assert set(chosen) == {"text", "vision", "transcription", "embedding"}
    for kind, each in chosen.items():
        assert each.kind == kind
        assert each.size_bytes < 16 * GB
    assert chosen_starters(STARTERS, 0) == {}
    assert chosen_starters((), 16 * GB) == {}
