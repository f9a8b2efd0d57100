"""Chat models that were trained to say in one word whether a document answers a query.

Nothing in their config tells them from models for conversations, and a name is no more than a
guess. Known are those of the table, by what the card of a conversion has as its `base_model` or by
the whole id of the repository. Read from the models' own cards on huggingface.co.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from mlx_gui.kinds.sentence_files import base_model


class Judge(msgspec.Struct, frozen=True):
    """What is read of a query and a document, and the two words whose chances are compared.

    `before` and `behind` have the special tokens of the model's format. Between them stand
    `instruction`, unless the request has its own, query and document as `form` has them.
    """

    before: str
    behind: str
    form: str
    instruction: str
    yes: str = "yes"
    no: str = "no"


_QWEN3 = Judge(
    before="<|im_start|>system\nJudge whether the Document meets the requirements based on the "
    'Query and the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
    "<|im_start|>user\n",
    behind="<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    form="<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}",
    instruction="Given a web search query, retrieve relevant passages that answer the query",
)

_JUDGES: Mapping[str, Judge] = MappingProxyType(
    dict.fromkeys(
        ("qwen/qwen3-reranker-0.6b", "qwen/qwen3-reranker-4b", "qwen/qwen3-reranker-8b"), _QWEN3
    )
)
"""Keys are in small letters."""

JUDGING_TYPES = ("qwen3",)
"""Every `model_type` of theirs."""


def judge_of(folder: Path, config: Mapping[str, object]) -> Judge | None:
    """How the model of `folder` is asked, where it is known to be one of them."""
    if config.get("model_type") not in JUDGING_TYPES:
        return None
    return _JUDGES.get(base_model(folder) or "") or _JUDGES.get(_repository(folder))


def _repository(folder: Path) -> str:
    """The id of the repository that `folder` is of, in small letters, as far as folders tell."""
    if folder.parent.name == "snapshots":
        return folder.parent.parent.name.removeprefix("models--").replace("--", "/").lower()
    return f"{folder.parent.name}/{folder.name}".lower()
