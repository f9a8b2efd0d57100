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
