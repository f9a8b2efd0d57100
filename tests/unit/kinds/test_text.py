"""What text models need, and in which form they are held."""

import json
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from mlx_gui.core.device import Backend, DeviceFacts
from mlx_gui.core.model import LoadSpec, MemoryNeed, ModelFacts, TextOptions, WeightForm
from mlx_gui.kinds.registry import KINDS, kind_of, recognise
from mlx_gui.kinds.text import LAYERS_ALIVE, PREFILL_TOKENS, PROCESS_BYTES
from tests.unit.kinds.folders import DENSE, LLAMA, PACKED, write_model

TEXT = kind_of("text")
QUANTIZED = {
    **LLAMA,
    "quantization": {
        "bits": 4,
        "group_size": 32,
        "model.embed_tokens": {"bits": 8, "group_size": 32},
    },
}


def facts_of(folder: Path) -> ModelFacts:
    recognised = recognise(folder)
    assert recognised.problem is None
    assert recognised.facts is not None
    return recognised.facts


def spec(weight_form: WeightForm, *, context: int = 1000) -> LoadSpec:
    return LoadSpec("one", "/one", "text", TEXT.engine, weight_form, context, 8)


def device(backend: Backend) -> DeviceFacts:
    return DeviceFacts(backend, "some", 8_000_000_000, None, {}, ())


def test_each_kind_has_a_name_of_its_own() -> None:
    assert [kind_of(kind.name) for kind in KINDS] == list(KINDS)


def test_facts_of_a_dense_model(tmp_path: Path) -> None:
    assert facts_of(write_model(tmp_path)) == ModelFacts(
        kind="text",
        model_type="llama",
        capabilities=("chat", "completion"),
        context_length=4096,
        parameter_count=6464,
        stored_bytes=12_928,
        largest_tensor_parameters=6400,
        kv_bytes_per_token=2 * 2 * 2 * 16 * 2,
        quantization=None,
        has_chat_template=True,
        float16_bytes=12_928,
        activations_per_token=64 + 3 * 128,
    )


def test_packed_tensors_count_by_what_they_stand_for(tmp_path: Path) -> None:
    facts = facts_of(write_model(tmp_path, config=QUANTIZED, tensors=PACKED))
    assert facts.parameter_count == 6400 + 6400 + 64
    assert facts.largest_tensor_parameters == 6400
    assert facts.stored_bytes == 6400 + 3200 + 4 * 400 + 128
    assert facts.float16_bytes == 4 * 400 + 128
    assert facts.quantization == "4-bit, group 32"


@pytest.mark.parametrize(
    ("name", "content", "has_template"),
    [
        ("chat_template.jinja", "{{ messages }}", True),
        ("chat_template.json", '{"chat_template": "{{ messages }}"}', True),
        ("tokenizer_config.json", '{"chat_template": "{{ messages }}"}', True),
        ("tokenizer_config.json", '{"chat_template": [{"name": "default"}]}', True),
        ("tokenizer_config.json", '{"chat_template": ""}', False),
        ("tokenizer_config.json", "{}", False),
        ("README.md", "", False),
    ],
)
def test_a_model_can_chat_if_it_has_a_template(
    tmp_path: Path, name: str, content: str, has_template: bool
) -> None:
    write_model(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    (tmp_path / name).write_text(content, encoding="utf-8")
    facts = facts_of(tmp_path)
    assert facts.has_chat_template is has_template
    assert facts.capabilities == (("chat", "completion") if has_template else ("completion",))


@pytest.mark.parametrize(
    ("template", "more"),
    [
        ("{{ messages }}", ()),
        ("{# no tools #}{{ messages }}", ()),
        ("{% if tools %}{% endif %}", ("tools",)),
        ("{{ '<think>' }}{{ '</think>' }}", ("thinking",)),
        ("{% if enable_thinking %}{% endif %}", ("thinking",)),
        ("{{ tools }}<|channel|>analysis<|message|>", ("tools", "thinking")),
    ],
)
def test_the_template_tells_of_tools_and_thoughts(
    tmp_path: Path, template: str, more: tuple[str, ...]
) -> None:
    write_model(tmp_path)
    (tmp_path / "chat_template.jinja").write_text(template, encoding="utf-8")
    assert facts_of(tmp_path).capabilities == ("chat", "completion", *more)


def test_named_templates_count_together(tmp_path: Path) -> None:
    write_model(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    named = [{"name": "default", "template": "x"}, {"name": "tool_use", "template": "{{ tools }}"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert facts_of(tmp_path).capabilities == ("chat", "completion", "tools")


@pytest.mark.parametrize(
    "names", [("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt")]
)
def test_every_form_of_tokenizer_will_do_and_none_will_not(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    write_model(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    without = recognise(tmp_path)
    for name in names:
        (tmp_path / name).touch()
    assert without.problem == "There is no tokenizer: tokenizer.json is missing."
    assert without.facts == facts_of(tmp_path)


def test_a_model_that_wants_to_run_code_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path, config={**LLAMA, "model_file": "evil.py"})
    assert "evil.py" in (recognise(tmp_path).problem or "")


def test_a_broken_tokenizer_config_is_the_problem(tmp_path: Path) -> None:
    write_model(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    (tmp_path / "tokenizer_config.json").write_text("{", encoding="utf-8")
    recognised = recognise(tmp_path)
    assert recognised.facts is None
    assert "tokenizer_config.json is not valid JSON" in (recognised.problem or "")


@pytest.mark.parametrize(
    ("weight_form", "weights_bytes", "load_bytes", "value_bytes"),
    [
        ("stored", 11_328, 11_328, 2),
        ("float32-scales", 11_328 + 1728, 11_328 + 1728, 4),
        ("float32", 4 * 12_864, 4 * 12_864 + 11_328 + 2 * 4 * 6400, 4),
    ],
)
def test_need_by_weight_form(
    tmp_path: Path, weight_form: WeightForm, weights_bytes: int, load_bytes: int, value_bytes: int
) -> None:
    facts = facts_of(write_model(tmp_path, config=QUANTIZED, tensors=PACKED))
    assert TEXT.need(facts, spec(weight_form)) == MemoryNeed(
        weights_bytes=weights_bytes,
        kv_bytes=1024 * (2 * 2 * 2 * 16) * value_bytes,
        overhead_bytes=PROCESS_BYTES + PREFILL_TOKENS * LAYERS_ALIVE * 448 * value_bytes,
        load_peak_bytes=PROCESS_BYTES + load_bytes,
    )


def test_a_checkpoint_without_16_bit_floats_has_a_32_bit_cache(tmp_path: Path) -> None:
    wide = {name: ("F32", shape) for name, (_, shape) in DENSE.items()}
    facts = facts_of(write_model(tmp_path, tensors=wide))
    assert TEXT.need(facts, spec("stored")).kv_bytes == 1024 * (2 * 2 * 2 * 16) * 4


@pytest.mark.parametrize(
    ("kv_bits", "per_value"), [(8, (8 * 64 + 64) / 64), (4, (4 * 64 + 64) / 64)]
)
def test_a_quantized_kv_cache_takes_its_bits_and_a_scale_and_bias_for_each_group(
    tmp_path: Path, kv_bits: Literal[4, 8], per_value: float
) -> None:
    facts = facts_of(write_model(tmp_path))
    quantized = msgspec.structs.replace(spec("float32"), text=TextOptions(kv_bits=kv_bits))
    values = 1024 * 2 * 2 * 2 * 16
    assert TEXT.need(facts, quantized).kv_bytes == values * per_value / 8
    stored = msgspec.structs.replace(quantized, weight_form="stored")
    assert TEXT.need(facts, stored).kv_bytes == values * (kv_bits + 0.5) / 8


def test_adapter_draft_and_prefix_cache_are_part_of_the_need(tmp_path: Path) -> None:
    facts = facts_of(write_model(tmp_path / "one"))
    small = {**LLAMA, "num_hidden_layers": 1}
    draft = facts_of(write_model(tmp_path / "small", config=small))
    whole = msgspec.structs.replace(spec("float32"), prefix_cache_bytes=7)
    alone, drafting = TEXT.need(facts, spec("float32")), TEXT.need(draft, spec("float32"))
    assert TEXT.need(facts, whole, adapter_bytes=1000, draft=draft) == MemoryNeed(
        weights_bytes=alone.weights_bytes + 1000 + drafting.weights_bytes,
        kv_bytes=alone.kv_bytes + drafting.kv_bytes,
        overhead_bytes=alone.overhead_bytes,
        load_peak_bytes=alone.weights_bytes + 1000 + drafting.load_peak_bytes,
        prefix_bytes=7,
    )
    assert drafting.kv_bytes == alone.kv_bytes // 2


@pytest.mark.parametrize(
    ("backend", "quantized", "expected"),
    [
        ("metal", True, ("stored",)),
        ("cuda", True, ("stored",)),
        ("cpu", True, ("float32", "float32-scales")),
        ("cpu", False, ("float32", "stored")),
    ],
)
def test_the_weight_forms_of_a_device_come_fastest_first(
    tmp_path: Path, backend: Backend, quantized: bool, expected: tuple[WeightForm, ...]
) -> None:
    if quantized:
        write_model(tmp_path, config=QUANTIZED, tensors=PACKED)
    else:
        write_model(tmp_path)
    assert TEXT.weight_forms(facts_of(tmp_path), device(backend)) == expected


@pytest.mark.parametrize(
    ("config", "size"),
    [
        ({}, None),
        ({"vocab_size": 100}, 100),
        ({"text_config": {"vocab_size": 7}, "vocab_size": 9}, 7),
        ({"vocab_size": "many"}, None),
    ],
)
def test_the_vocabulary_is_what_the_config_says(
    tmp_path: Path, config: dict[str, object], size: int | None
) -> None:
    assert facts_of(write_model(tmp_path, config=LLAMA | config)).vocabulary_size == size
