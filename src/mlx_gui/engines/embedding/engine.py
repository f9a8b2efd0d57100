"""The engine for embedding models, on mlx-vlm's encoders."""

from collections.abc import Callable, Sequence
from pathlib import Path

import mlx.core as mx
from mlx_vlm.embedding_loader import load_embedding_model

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import WorkerRequest
from mlx_gui.core.model import LoadSpec
from mlx_gui.engines.base import Engine, LoadReport, StillWanted, cannot_answer
from mlx_gui.engines.embedding.pooling import pooled
from mlx_gui.engines.embedding.stages import load_stages
from mlx_gui.engines.embedding.tokens import token_vectors
from mlx_gui.engines.encoder.answers import Likenesses, Vectors
from mlx_gui.engines.encoder.batches import Item
from mlx_gui.engines.encoder.engine import Asked, EncoderEngine, Rows
from mlx_gui.engines.encoder.loading import Encoder, load_encoder
from mlx_gui.engines.encoder.prompts import prompt_text
from mlx_gui.engines.encoder.reading import Reader
from mlx_gui.kinds.embedding import EmbeddingOptions, EmbedRequest
from mlx_gui.kinds.reranker import RerankRequest


def create() -> Engine:
    """An engine without a model yet."""
    return EmbeddingEngine()


def warm() -> None:
    """This module has imported what a load would, but for the model's own architecture."""


class EmbeddingEngine(EncoderEngine):
    """Makes vectors of texts."""

    def __init__(self) -> None:
        super().__init__()
        self._stages: Sequence[Callable[[mx.array], mx.array]] = ()

    def read_model(self, spec: LoadSpec, report: LoadReport) -> Encoder:
        encoder = load_encoder(spec, report, load_embedding_model)
        # Some architectures have the layers behind the pooling as their own.
        own: Sequence[Callable[[mx.array], mx.array]] | None = getattr(encoder.model, "dense", None)
        options = _options(spec)
        self._stages = own or load_stages(Path(spec.path), options.dense, spec.model_id)
        return encoder

    def asked(self, request: WorkerRequest, still_wanted: StillWanted) -> Asked:
        if isinstance(request, RerankRequest):
            return self._compared(request, still_wanted)
        if not isinstance(request, EmbedRequest):
            raise cannot_answer(self.spec)
        options = _options(self.spec)
        dimensions = request.dimensions or options.dimensions
        if dimensions > options.dimensions:
            raise InvalidRequest(
                f"{self.spec.model_id} makes vectors of {options.dimensions} dimensions, "
                f"not {dimensions}.",
                hint="Ask for fewer, or leave `dimensions` out.",
                param="dimensions",
            )
        reader = self._reader(request.truncate)
        items = self._items(request, reader, still_wanted)
        normalizes = options.normalizes if request.normalize is None else request.normalize
        return Asked(items, Vectors(dimensions, normalizes), reader.cuts)

    def compute(self, rows: Rows) -> mx.array:
        tokens = token_vectors(self.encoder.model, rows)
        vectors = pooled(tokens, rows.mask, rows.lengths, modes=_options(self.spec).pooling)
        for stage in self._stages:
            vectors = stage(vectors)
        return vectors

    def _compared(self, request: RerankRequest, still_wanted: StillWanted) -> Asked:
        """The documents, and as the last input the query, each behind the prompt that it has."""
        count = len(request.documents)
        reader = self._reader(request.truncate, param="documents")
        before = self._before(purpose="document")
        items = list(reader.texts([before + each for each in request.documents], still_wanted))
        if request.instruction is not None:
            reader.cuts.append("instruction")
        alone = self._reader(False, param="query")
        (query,) = alone.texts([self._before(purpose="query") + request.query], still_wanted)
        return Asked([*items, Item(count, query.ids)], Likenesses(count), reader.cuts)

    def _before(self, *, purpose: str) -> str:
        options = _options(self.spec)
        return prompt_text(options.prompts, name=None, purpose=purpose, default=None) or ""

    def _reader(self, truncate: bool | None, *, param: str = "input") -> Reader:
        options = _options(self.spec)
        return Reader(
            self.encoder.tokenizer,
            self.encoder.vocabulary,
            options.longest_tokens,
            truncate=options.truncate if truncate is None else truncate,
            param=param,
            cuts=[],
        )

    def _items(
        self, request: EmbedRequest, reader: Reader, still_wanted: StillWanted
    ) -> list[Item]:
        options = _options(self.spec)
        before = prompt_text(
            options.prompts,
            name=request.prompt,
            purpose=request.purpose,
            default=options.default_prompt,
        )
        if before is None:
            reader.cuts.append("input_type")
        texts = {
            number: (before or "") + each
            for number, each in enumerate(request.inputs)
            if isinstance(each, str)
        }
        if before and request.prompt is not None and len(texts) < len(request.inputs):
            raise InvalidRequest(
                "A prompt cannot be put before token ids.",
                hint="Send texts, or leave `prompt_name` out.",
                param="prompt_name",
            )
        ids = [
            reader.ids(number, each)
            for number, each in enumerate(request.inputs)
            if not isinstance(each, str)
        ]
        return [*reader.texts([*texts.values()], still_wanted, numbers=[*texts]), *ids]


def _options(spec: LoadSpec) -> EmbeddingOptions:
    assert isinstance(spec.options, EmbeddingOptions), "its kind has planned the load"
    return spec.options
