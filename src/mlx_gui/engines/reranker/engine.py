"""The engine for rerankers, on mlx-vlm's classifiers with one label and mlx-lm's chats."""

import mlx.core as mx

from mlx_gui.core.generation import WorkerRequest
from mlx_gui.core.model import LoadSpec
from mlx_gui.engines.base import Engine, LoadReport, StillWanted, cannot_answer
from mlx_gui.engines.encoder.answers import Scores
from mlx_gui.engines.encoder.engine import Asked, EncoderEngine, Rows
from mlx_gui.engines.encoder.loading import Encoder, load_encoder
from mlx_gui.engines.encoder.reading import Reader
from mlx_gui.engines.reranker.scoring import (
    Classifier,
    JudgingChat,
    Scorer,
    load_chat,
    load_classifier,
)
from mlx_gui.kinds.reranker import RerankerOptions, RerankRequest


def create() -> Engine:
    """An engine without a model yet."""
    return RerankerEngine()


def warm() -> None:
    """This module has imported what a load would, but for the model's own architecture."""


class RerankerEngine(EncoderEngine):
    """Reads a query with each of its documents; scores are chances, 0 to 1."""

    def __init__(self) -> None:
        super().__init__()
        self._scorer: Scorer | None = None

    def read_model(self, spec: LoadSpec, report: LoadReport) -> Encoder:
        judge = _options(spec).judge
        if judge is None:
            encoder = load_encoder(spec, report, load_classifier)
            self._scorer = Classifier(encoder)
        else:
            encoder = load_encoder(spec, report, load_chat)
            self._scorer = JudgingChat(encoder, judge, spec.model_id)
        return encoder

    def asked(self, request: WorkerRequest, still_wanted: StillWanted) -> Asked:
        if not isinstance(request, RerankRequest):
            raise cannot_answer(self.spec)
        options, scorer = _options(self.spec), self._loaded()
        cuts: list[str] = []
        if request.instruction is not None and not scorer.reads_instructions:
            cuts.append("instruction")
        reader = Reader(
            self.encoder.tokenizer,
            self.encoder.vocabulary,
            options.longest_tokens,
            truncate=options.truncate if request.truncate is None else request.truncate,
            param="documents",
            cuts=cuts,
        )
        return Asked(scorer.items(request, reader, still_wanted), Scores(), cuts)

    def compute(self, rows: Rows) -> mx.array:
        return self._loaded().scores(rows)

    def _loaded(self) -> Scorer:
        assert self._scorer is not None, "load comes first"
        return self._scorer


def _options(spec: LoadSpec) -> RerankerOptions:
    assert isinstance(spec.options, RerankerOptions), "its kind has planned the load"
    return spec.options
