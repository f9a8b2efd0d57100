"""What the files of embedding models say, and what is done where they say nothing."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlx_gui.core.errors import ModelUnsupported
from mlx_gui.core.model import MemoryNeed
from mlx_gui.kinds.base import LoadAsked, LoadPlanned
from mlx_gui.kinds.base_encoders import BASE_ENCODERS
from mlx_gui.kinds.embedding import EmbeddingFacts, EmbeddingKind, EmbeddingOptions
from mlx_gui.kinds.registry import recognise
from tests.unit.kinds.folders import write_model, write_safetensors

BERT: dict[str, Any] = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "vocab_size": 100,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 512,
}
TENSORS = {"embeddings.word_embeddings.weight": ("F32", (100, 64))}
MEAN = {"word_embedding_dimension": 64, "pooling_mode_mean_tokens": True}
STAGES = "sentence_transformers.models."


def module(name: str, path: str = "") -> dict[str, object]:
    return {"idx": 0, "name": "0", "path": path, "type": f"{STAGES}{name}"}


TRANSFORMER, POOLING = module("Transformer"), module("Pooling", "1_Pooling")


def folder_of(
    folder: Path,
    files: dict[str, Any] | None = None,
    *,
    config: dict[str, Any] | None = None,
    card: str = "",
) -> Path:
    write_model(folder, config={**BERT, **(config or {})}, tensors=TENSORS)
    for name, content in (files or {}).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    if card:
        (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


def facts_of(folder: Path) -> EmbeddingFacts:
    recognised = recognise(folder)
    assert recognised.problem is None
    assert recognised.facts is not None
    assert (recognised.facts.kind, recognised.facts.capabilities) == ("embedding", ("embedding",))
    assert isinstance(recognised.facts.own, EmbeddingFacts)
    return recognised.facts.own


def plan(folder: Path, *, room_bytes: int = 1 << 40, **settings: Any) -> LoadPlanned:
    recognised = recognise(folder)
    assert recognised.facts is not None
    usual: dict[str, Any] = {
        "context_tokens": "auto",
        "pooling": None,
        "normalize": "model",
        "prompts": {},
        "truncate": False,
    }
    asked: Any = SimpleNamespace(
        model=SimpleNamespace(id="test/model", path=str(folder)),
        facts=recognised.facts,
        device=SimpleNamespace(backend="cpu"),
        engine=EmbeddingKind.engine,
        room_bytes=room_bytes,
        settings=SimpleNamespace(**{**usual, **settings}),
        corrected=lambda _spec, need: need,
    )
    whole: LoadAsked = asked
    return EmbeddingKind().plan(whole)


def options(planned: LoadPlanned) -> EmbeddingOptions:
    assert isinstance(planned.spec.options, EmbeddingOptions)
    return planned.spec.options


def test_the_files_of_sentence_transformers_say_all(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        {
            "modules.json": [TRANSFORMER, POOLING, module("Normalize", "2_Normalize")],
            "1_Pooling/config.json": MEAN,
            "sentence_bert_config.json": {"max_seq_length": 256},
            "config_sentence_transformers.json": {
                "prompts": {"query": "query: ", "empty": "", "odd": 3},
                "default_prompt_name": "query",
            },
            "tokenizer_config.json": {"model_max_length": 512},
        },
    )
    facts = facts_of(folder)
    assert (facts.dimensions, facts.longest_tokens) == (64, 256)
    assert (facts.pooling, facts.normalizes, facts.dense) == (("mean",), True, ())
    assert (facts.prompts, facts.default_prompt) == ({"query": "query: "}, "query")


def test_without_a_stage_that_does_it_vectors_keep_their_length(tmp_path: Path) -> None:
    files = {"modules.json": [TRANSFORMER, POOLING], "1_Pooling/config.json": MEAN}
    folder = folder_of(tmp_path, files)
    assert facts_of(folder).normalizes is False
    assert options(plan(folder)).normalizes is False
    assert options(plan(folder, normalize="on")).normalizes is True


def test_a_pooling_alone_is_enough(tmp_path: Path) -> None:
    facts = facts_of(folder_of(tmp_path, {"1_Pooling/config.json": MEAN}))
    assert (facts.pooling, facts.normalizes) == (("mean",), True)


@pytest.mark.parametrize(
    ("config", "modes"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, ("cls",)),
        ({"pooling_mode_lasttoken": True}, ("lasttoken",)),
        ({"pooling_mode_weightedmean_tokens": True}, ("weightedmean",)),
        ({"pooling_mode": "mean_sqrt_len_tokens"}, ("mean_sqrt_len",)),
        ({"pooling_mode": ["cls", "max"]}, ("cls", "max")),
        (
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
            ("cls", "mean"),
        ),
    ],
)
def test_every_way_of_pooling_is_known(
    tmp_path: Path, config: dict[str, Any], modes: tuple[str, ...]
) -> None:
    facts = facts_of(folder_of(tmp_path, {"1_Pooling/config.json": config}))
    assert facts.pooling == modes
    assert facts.dimensions == 64 * len(modes)


def test_a_dense_layer_says_how_long_vectors_are(tmp_path: Path) -> None:
    files = {
        "modules.json": [TRANSFORMER, POOLING, module("Dense", "2_Dense")],
        "1_Pooling/config.json": MEAN,
        "2_Dense/config.json": {
            "in_features": 64,
            "out_features": 32,
            "activation_function": "torch.nn.modules.activation.Tanh",
        },
    }
    folder = folder_of(tmp_path, files)
    write_safetensors(
        folder / "2_Dense" / "model.safetensors", {"linear.weight": ("F32", (32, 64))}
    )
    facts = facts_of(folder)
    assert (facts.dimensions, facts.dense) == (32, ("2_Dense",))
    assert options(plan(folder)).dimensions == 32


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"modules.json": [{"type": "custom_st.Transformer", "path": ""}]}, "program code"),
        ({"modules.json": [TRANSFORMER, module("WordWeights", "1_W")]}, "'WordWeights'"),
        ({"modules.json": [TRANSFORMER, module("Pooling", "../../etc")]}, "names the folder"),
        ({"modules.json": {"a": 1}}, "modules.json is not a list"),
        ({"1_Pooling/config.json": {"pooling_mode": "magic"}}, "no way of pooling"),
        ({"1_Pooling/config.json": {}}, "no way of pooling"),
        ({"1_Pooling/config.json": {**MEAN, "include_prompt": False}}, "leaves prompts out"),
        ({"1_Pooling/config.json": [1]}, "not a JSON object"),
        (
            {
                "modules.json": [TRANSFORMER, module("Dense", "2_Dense")],
                "2_Dense/config.json": {"out_features": 3, "activation_function": "my.Code"},
            },
            "activation 'Code'",
        ),
    ],
)
def test_what_is_not_served_is_said(tmp_path: Path, files: dict[str, Any], said: str) -> None:
    recognised = recognise(folder_of(tmp_path, files))
    assert recognised.facts is None
    assert said in (recognised.problem or "")


@pytest.mark.parametrize(
    "card",
    [
        "---\nlicense: mit\nbase_model: BAAI/bge-small-en-v1.5\n---\n# Model",
        "---\nbase_model:\n- BAAI/bge-small-en-v1.5\ntags: [mlx]\n---\n",
        "---\nbase_model:\n  - 'BAAI/bge-small-en-v1.5'\n---\n",
    ],
)
def test_a_conversion_without_files_is_known_by_the_base_of_its_card(
    tmp_path: Path, card: str
) -> None:
    facts = facts_of(folder_of(tmp_path, card=card))
    assert (facts.pooling, facts.longest_tokens) == (("cls",), 512)
    assert set(facts.prompts) == {"query"}


def test_the_card_makes_an_embedding_model_of_what_would_write_text(tmp_path: Path) -> None:
    card = "---\nbase_model: Qwen/Qwen3-Embedding-0.6B\n---\n"
    config = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}
    assert facts_of(folder_of(tmp_path / "with", config=config, card=card)).pooling == (
        "lasttoken",
    )
    without = recognise(folder_of(tmp_path / "without", config=config))
    assert without.facts is not None
    assert without.facts.kind == "text"


@pytest.mark.parametrize(
    "card",
    [
        "",
        "base_model: BAAI/bge-small-en-v1.5",
        "---\nbase_model: somebody/bge-small-en-v1.5\n---\n",
    ],
)
def test_nothing_is_guessed_from_a_name(tmp_path: Path, card: str) -> None:
    folder = folder_of(tmp_path / "bge-small-en-v1.5-mean-pooling", card=card)
    assert facts_of(folder).pooling == ()
    with pytest.raises(ModelUnsupported) as refusal:
        plan(folder)
    assert "do not say how" in refusal.value.message
    assert "mlx-gui settings test/model pooling=mean" in refusal.value.hint
    assert options(plan(folder, pooling="cls")).pooling == ("cls",)


def test_all_known_bases_are_written_as_they_are_looked_up() -> None:
    assert all(name == name.lower() and each.pooling for name, each in BASE_ENCODERS.items())


@pytest.mark.parametrize(
    ("files", "config", "longest"),
    [
        ({}, {}, 512),
        ({"tokenizer_config.json": {"model_max_length": 384}}, {}, 384),
        ({"tokenizer_config.json": {"model_max_length": 10**30}}, {}, 512),
        ({"sentence_roberta_config.json": {"max_seq_length": 100}}, {}, 100),
        ({"sentence_bert_config.json": {"max_seq_length": 9000}}, {}, 512),
        ({}, {"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
    ],
)
def test_no_input_is_longer_than_the_model_has_positions_for(
    tmp_path: Path, files: dict[str, Any], config: dict[str, Any], longest: int
) -> None:
    folder = folder_of(tmp_path, {"1_Pooling/config.json": MEAN, **files}, config=config)
    assert facts_of(folder).longest_tokens == longest


def test_a_classifier_is_no_embedding_model(tmp_path: Path) -> None:
    config = {"architectures": ["BertForSequenceClassification"]}
    recognised = recognise(folder_of(tmp_path, config=config))
    assert recognised.facts is None or recognised.facts.kind != "embedding"


def test_settings_decide_prompts_and_lengths(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"1_Pooling/config.json": MEAN})
    planned = options(
        plan(folder, prompts={"query": "q: "}, context_tokens=64, truncate=True, normalize="off")
    )
    assert planned.prompts == {"query": "q: "}
    assert (planned.longest_tokens, planned.truncate, planned.normalizes) == (64, True, False)


def test_a_need_grows_with_the_longest_input_and_shrinks_with_the_room(tmp_path: Path) -> None:
    config = {"max_position_embeddings": 8192, "num_attention_heads": 16}
    folder = folder_of(tmp_path, {"1_Pooling/config.json": MEAN}, config=config)
    long, short = plan(folder), plan(folder, context_tokens=512)
    assert long.need.total_bytes > short.need.total_bytes + (1 << 30)
    assert options(long).longest_tokens == 8192
    fitted = plan(folder, room_bytes=short.need.total_bytes)
    assert options(fitted).longest_tokens == 512
    assert fitted.need.total_bytes == short.need.total_bytes


def test_a_need_is_of_weights_as_they_are_held(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"1_Pooling/config.json": MEAN})
    write_safetensors(
        folder / "model.safetensors", {"embeddings.word_embeddings.weight": ("F16", (100, 64))}
    )
    need: MemoryNeed = plan(folder).need
    assert (need.weights_bytes, need.kv_bytes) == (100 * 64 * 4, 0)
    assert need.load_peak_bytes < need.total_bytes
