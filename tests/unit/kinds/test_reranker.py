"""Which folders are rerankers, and how long what they read may be."""

from pathlib import Path
from typing import Any

import pytest

from mlx_gui.kinds.registry import recognise
from mlx_gui.kinds.reranker import RerankerFacts
from tests.unit.kinds.folders import write_model

CONFIG: dict[str, Any] = {
    "architectures": ["XLMRobertaForSequenceClassification"],
    "model_type": "xlm-roberta",
    "hidden_size": 64,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 514,
    "pad_token_id": 1,
}
BODY = {"roberta.embeddings.word_embeddings.weight": ("F32", (100, 64))}


def folder_of(folder: Path, labels: int | None, **config: Any) -> Path:
    head = {} if labels is None else {"classifier.out_proj.weight": ("F32", (labels, 64))}
    return write_model(folder, config={**CONFIG, **config}, tensors={**BODY, **head})


def test_a_classifier_with_one_label_is_a_reranker(tmp_path: Path) -> None:
    recognised = recognise(folder_of(tmp_path, 1))
    assert recognised.problem is None
    assert recognised.facts is not None
    assert (recognised.facts.kind, recognised.facts.capabilities) == ("reranker", ("reranking",))
    assert isinstance(recognised.facts.own, RerankerFacts)
    assert recognised.facts.own.longest_tokens == 512


@pytest.mark.parametrize(
    ("labels", "said"), [(3, "classifying model with 3 labels"), (None, "no layer of labels")]
)
def test_other_classifiers_say_what_they_are(tmp_path: Path, labels: int | None, said: str) -> None:
    recognised = recognise(folder_of(tmp_path, labels))
    assert recognised.facts is None
    assert said in (recognised.problem or "")


CHAT: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 64,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 40_960,
}
CARD = "---\nbase_model: Qwen/Qwen3-Reranker-0.6B\n---\n# A conversion\n"


@pytest.mark.parametrize(
    ("path", "card"),
    [
        ("mlx-community/anything-4bit", CARD),
        ("mlx-community/anything-4bit", CARD.replace("base_model: ", "base_model:\n- ")),
        ("models--Qwen--Qwen3-Reranker-4B/snapshots/0123", "---\nlicense: mit\n---\n"),
        ("Qwen/Qwen3-Reranker-8B", ""),
    ],
)
def test_a_chat_is_a_reranker_where_it_is_known_to_be_one(
    tmp_path: Path, path: str, card: str
) -> None:
    folder = write_model(tmp_path / path, config=CHAT, tensors=BODY)
    (folder / "README.md").write_text(card)
    (folder / "modules.json").write_text("[]")
    recognised = recognise(folder)
    assert recognised.problem is None
    assert recognised.facts is not None
    assert recognised.facts.kind == "reranker"
    assert isinstance(recognised.facts.own, RerankerFacts)
    assert recognised.facts.own.judge is not None


@pytest.mark.parametrize("path", ["org/Qwen3-Reranker-0.6B", "my-reranker"])
def test_a_name_alone_makes_no_chat_a_reranker(tmp_path: Path, path: str) -> None:
    recognised = recognise(write_model(tmp_path / path, config=CHAT, tensors=BODY))
    assert recognised.facts is not None
    assert recognised.facts.kind == "text"


def test_a_chat_that_was_made_a_classifier_is_refused_with_the_reason(tmp_path: Path) -> None:
    config = {**CHAT, "architectures": ["Qwen3ForSequenceClassification"]}
    tensors = {**BODY, "score.weight": ("F32", (1, 64))}
    recognised = recognise(write_model(tmp_path, config=config, tensors=tensors))
    assert recognised.facts is None
    assert "which the library does not load" in (recognised.problem or "")
