"""How well documents answer a query, by a classifier or by a chat that says yes or no."""

from pathlib import Path
from typing import Any, Protocol

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx_vlm.reranker_loader import load_sequence_classification_model

from mlx_gui.core.errors import LoadFailed
from mlx_gui.engines.base import StillWanted
from mlx_gui.engines.encoder.batches import Ids, Item
from mlx_gui.engines.encoder.engine import Rows
from mlx_gui.engines.encoder.loading import Encoder
from mlx_gui.engines.encoder.reading import Reader
from mlx_gui.engines.text.mlx_lm import load_model
from mlx_gui.kinds.judges import Judge
from mlx_gui.kinds.reranker import RerankRequest


class Scorer(Protocol):
    """What of a reranker depends on how it was trained. `reads_instructions` of a request."""

    reads_instructions: bool

    def items(
        self, request: RerankRequest, reader: Reader, still_wanted: StillWanted
    ) -> list[Item]:
        """The query with each document, as tokens. Raises as `Reader.texts` does."""
        ...

    def scores(self, rows: Rows) -> mx.array:
        """[rows], 0 to 1."""
        ...


class Classifier:
    """Reads a query with a document; the score is the chance of its one label."""

    reads_instructions = False

    def __init__(self, encoder: Encoder) -> None:
        self._model = encoder.model

    def items(
        self, request: RerankRequest, reader: Reader, still_wanted: StillWanted
    ) -> list[Item]:
        return list(reader.pairs(request.query, request.documents, still_wanted))

    def scores(self, rows: Rows) -> mx.array:
        output = self._model(rows.ids, attention_mask=rows.mask, token_type_ids=rows.types)
        return mx.sigmoid(output.logits.astype(mx.float32))


class JudgingChat:
    """Is asked whether a document answers; the score is the chance of yes against that of no.

    What stands in a text is never one of the special tokens around it. Raises LoadFailed where the
    tokenizer lacks one of the words.
    """

    reads_instructions = True

    def __init__(self, encoder: Encoder, judge: Judge, model_id: str) -> None:
        self._model = encoder.model
        self._judge = judge
        tokenizer = encoder.tokenizer
        self._before, self._behind = (
            np.array(tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.int32)
            for text in (judge.before, judge.behind)
        )
        self._yes, self._no = (tokenizer.token_to_id(word) for word in (judge.yes, judge.no))
        if self._yes is None or self._no is None:
            raise LoadFailed(
                f"The tokenizer of {model_id} has no token {judge.yes!r} or {judge.no!r}, which "
                "the model answers with.",
                hint="The model's files do not fit together; install it again.",
            )
        tokenizer.encode_special_tokens = True
        # What it adds around a text is for other uses of the same tokenizer.
        tokenizer.post_processor = None

    def items(
        self, request: RerankRequest, reader: Reader, still_wanted: StillWanted
    ) -> list[Item]:
        reader.longest_tokens -= len(self._before) + len(self._behind)
        without_document = len(reader.tokenizer.encode(self._asked(request, "")))
        if without_document >= reader.longest_tokens:
            with_ = " with its instruction" if request.instruction else ""
            raise reader.query_too_long(without_document, with_=with_)
        texts = [self._asked(request, document) for document in request.documents]
        return [
            Item(item.index, self._within(item.ids)) for item in reader.texts(texts, still_wanted)
        ]

    def scores(self, rows: Rows) -> mx.array:
        # What stands behind a text is padding, which no token of the text looks at.
        hidden = self._model.model(rows.ids)
        last = hidden[mx.arange(hidden.shape[0]), rows.lengths - 1]
        tied = "lm_head" not in self._model
        head = self._model.model.embed_tokens.as_linear if tied else self._model.lm_head
        logits = head(last).astype(mx.float32)
        return mx.sigmoid(logits[:, self._yes] - logits[:, self._no])[:, None]

    def _asked(self, request: RerankRequest, document: str) -> str:
        return self._judge.form.format(
            instruction=request.instruction or self._judge.instruction,
            query=request.query,
            document=document,
        )

    def _within(self, ids: Ids) -> Ids:
        return np.concatenate([self._before, ids, self._behind])


def load_classifier(folder: Path, *, lazy: bool, config: dict[str, Any]) -> nn.Module:
    """A model with one label."""
    # The weights have one label, which its kind has seen; a config may name its default of two.
    labelled = {**config, "num_labels": 1, "id2label": {"0": "LABEL_0"}}
    return load_sequence_classification_model(folder, lazy=lazy, config=labelled)


def load_chat(folder: Path, *, lazy: bool, config: dict[str, Any]) -> nn.Module:
    """A model that writes."""
    model, _ = load_model(folder, lazy=lazy, model_config=config)
    return model
