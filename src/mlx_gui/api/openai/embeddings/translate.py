"""Embeddings, JSON ↔ core, nothing else."""

import struct
from base64 import b64encode

from mlx_gui.api.answers import broken_off
from mlx_gui.api.openai.embeddings.wire import (
    Embedding,
    EmbeddingList,
    EmbeddingsRequest,
    EmbeddingUsage,
)
from mlx_gui.core.errors import InvalidRequest, from_info
from mlx_gui.core.generation import Event, Failed, Result, Usage
from mlx_gui.kinds.embedding import EmbedRequest


def to_core(body: EmbeddingsRequest) -> EmbedRequest:
    """The canonical request. Raises InvalidRequest for a text without anything in it."""
    for number, text in enumerate(body.input):
        if isinstance(text, str) and not text:
            raise InvalidRequest(
                f"Input {number} is empty.",
                hint="Send a text of at least one character.",
                param="input",
            )
    inputs = tuple(each if isinstance(each, str) else tuple(each) for each in body.input)
    return EmbedRequest(inputs, body.dimensions)


class Vectors:
    """Gathers the vectors of an answer."""

    def __init__(self) -> None:
        self._vectors: dict[int, bytes] = {}
        self._usage: Usage | None = None

    def feed(self, event: Event) -> None:
        """Take the next event. Raises what a Failed carries."""
        match event:
            case Result(index=index, value=vector):
                self._vectors[index] = vector
            case Usage():
                self._usage = event
            case Failed(error=info):
                raise from_info(info)
            case _:
                pass

    def answer(self, body: EmbeddingsRequest, model_id: str) -> EmbeddingList:
        """The whole answer of that model. Raises WorkerFailed when vectors are missing."""
        if self._usage is None or len(self._vectors) < len(body.input):
            raise broken_off()
        shown = _base64 if body.encoding_format == "base64" else _floats
        tokens = self._usage.prompt_tokens
        return EmbeddingList(
            data=[
                Embedding(index=index, embedding=shown(vector))
                for index, vector in sorted(self._vectors.items())
            ],
            model=model_id,
            usage=EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens),
        )


def _floats(vector: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(vector) // 4}f", vector))


def _base64(vector: bytes) -> str:
    return b64encode(vector).decode()
