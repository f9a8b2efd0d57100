"""The engine for rerankers, on mlx-vlm's classifiers with one label."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_vlm.reranker_loader import load_sequence_classification_model

from mlx_gui.core.generation import WorkerRequest
from mlx_gui.core.model import LoadSpec
from mlx_gui.engines.base import Engine, LoadReport, StillWanted, cannot_answer
from mlx_gui.engines.encoder.answers import Scores
from mlx_gui.engines.encoder.engine import Asked, EncoderEngine, Rows
from mlx_gui.engines.encoder.loading import Encoder, load_encoder
from mlx_gui.engines.encoder.reading import Reader
from mlx_gui.kinds.reranker import RerankerOptions, RerankRequest


def create() -> Engine:
    """An engine without a model yet."""
    return RerankerEngine()


def warm() -> None:
    """This module has imported what a load would, but for the model's own architecture."""


class RerankerEngine(EncoderEngine):
    """Reads a query with each of its documents; the score is the label's chance, 0 to 1."""

    def read_model(self, spec: LoadSpec, report: LoadReport) -> Encoder:
        return load_encoder(spec, report, _load)

    def asked(self, request: WorkerRequest, still_wanted: StillWanted) -> Asked:
        if not isinstance(request, RerankRequest):
            raise cannot_answer(self.spec)
        options = self.spec.options
        assert isinstance(options, RerankerOptions), "its kind has planned the load"
        reader = Reader(
            self.encoder.tokenizer,
            self.encoder.vocabulary,
            options.longest_tokens,
            truncate=options.truncate if request.truncate is None else request.truncate,
            param="documents",
            cuts=[],
        )
        items = list(reader.pairs(request.query, request.documents, still_wanted))
        return Asked(items, Scores(), reader.cuts)

    def compute(self, rows: Rows) -> mx.array:
        output = self.encoder.model(rows.ids, attention_mask=rows.mask, token_type_ids=rows.types)
        return mx.sigmoid(output.logits.astype(mx.float32))


def _load(folder: Path, *, lazy: bool, config: dict[str, Any]) -> nn.Module:
    # The weights have one label, which its kind has seen; a config may name its default of two.
    labelled = {**config, "num_labels": 1, "id2label": {"0": "LABEL_0"}}
    return load_sequence_classification_model(folder, lazy=lazy, config=labelled)
