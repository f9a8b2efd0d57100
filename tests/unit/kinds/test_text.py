"""What text models need, and in which form they are held."""

import json
from pathlib import Path

import msgspec
import pytest

from mlx_gui.core.device import Backend, BlasFacts, DeviceFacts
from mlx_gui.core.fill_tokens import FILL_TOKENS, FillTokens
from mlx_gui.core.model import (
    KVLayout,
    LoadSpec,
    ModelFacts,
    TextFacts,
    TextOptions,
    WeightForm,
)
from mlx_gui.kinds.registry import KINDS, kind_of, recognise
from mlx_gui.kinds.text_plan import text_facts
from mlx_gui.kinds.weight_forms import weight_forms
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
    return LoadSpec("one", "/one", "text", TEXT.engine, weight_form, TextOptions(context, 8))


def device(backend: Backend) -> DeviceFacts:
    return DeviceFacts(backend, "some", 8_000_000_000, None, {}, {})


def test_each_kind_has_a_name_of_its_own() -> None:
    assert [kind_of(kind.name) for kind in KINDS] == list(KINDS)


def test_facts_of_a_dense_model(tmp_path: Path) -> None:
    assert facts_of(write_model(tmp_path)) == ModelFacts(
        kind="text",
        model_type="llama",
        capabilities=("chat", "completion"),
        parameter_count=6464,
        stored_bytes=12_928,
        largest_tensor_parameters=6400,
        own=TextFacts(
            context_length=4096,
            kv=KVLayout(2 * 2 * 2 * 16 * 2, layers=2),
            has_chat_template=True,
            activations_per_token=64 + 3 * 128,
            attention_heads=4,
            head_size=16,
            tokenizer_bytes=2,
        ),
        quantization=None,
        float16_bytes=12_928,
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
    assert text_facts(facts).has_chat_template is has_template
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


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("tokens", FILL_TOKENS, ids=lambda tokens: tokens.before)
def test_the_tokenizer_tells_whether_gaps_can_be_filled(
    tmp_path: Path, tokens: FillTokens, name: str, ascii_only: bool
) -> None:
    write_model(tmp_path)
    added = [{"id": number, "content": mark} for number, mark in enumerate(tokens.marks)]
    written = json.dumps({"added_tokens": added}, ensure_ascii=ascii_only)
    (tmp_path / name).write_text(written, encoding="utf-8")
    assert facts_of(tmp_path).capabilities == ("chat", "completion", "fill_in_the_middle")
    lacking = json.dumps({"added_tokens": added[1:]}, ensure_ascii=ascii_only)
    (tmp_path / name).write_text(lacking, encoding="utf-8")
    assert facts_of(tmp_path).capabilities == ("chat", "completion")


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


def test_weights_that_mlx_lm_does_not_read_do_not_count(tmp_path: Path) -> None:
    seen = {**DENSE, "vision_tower.patch.weight": ("BF16", (64, 64))}
    plain, seeing = write_model(tmp_path / "plain"), write_model(tmp_path / "sees", tensors=seen)
    assert facts_of(seeing) == facts_of(plain)
    reads_all = {**LLAMA, "model_type": "muse_spark"}
    whole = facts_of(write_model(tmp_path / "all", config=reads_all, tensors=seen))
    assert whole.stored_bytes == facts_of(plain).stored_bytes + 2 * 64 * 64


@pytest.mark.parametrize(
    ("backend", "packs", "mode", "expected"),
    [
        ("metal", False, "affine", ("stored",)),
        ("cuda", False, "affine", ("stored",)),
        ("cpu", False, None, ("float32", "stored")),
        ("cpu", True, None, ("float32", "stored")),
        ("cpu", False, "affine", ("float32", "float32-scales")),
        ("cpu", True, "affine", ("float32-scales",)),
        ("cpu", True, "mxfp4", ("float32", "float32-scales")),
    ],
)
def test_the_weight_forms_of_a_device_come_fastest_first(
    tmp_path: Path,
    backend: Backend,
    packs: bool,
    mode: str | None,
    expected: tuple[WeightForm, ...],
) -> None:
    if mode is None:
        write_model(tmp_path)
    else:
        quantization = {**QUANTIZED["quantization"], "mode": mode}
        write_model(tmp_path, config={**QUANTIZED, "quantization": quantization}, tensors=PACKED)
    blas = BlasFacts("libopenblas.so.0", "shim.so", packed=packs)
    computes = msgspec.structs.replace(device(backend), blas=blas if backend == "cpu" else None)
    assert weight_forms(facts_of(tmp_path), computes) == expected


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
    assert (
        text_facts(facts_of(write_model(tmp_path, config=LLAMA | config))).vocabulary_size == size
    )
