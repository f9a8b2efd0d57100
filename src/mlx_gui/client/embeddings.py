"""Vectors of texts."""

import base64
import struct
from collections.abc import Sequence

import msgspec

from mlx_gui.client.connection import Connection
from mlx_gui.client.encoding import encoded


class EmbedOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """How vectors are wanted, by the API's own names; None leaves it to the model."""

    dimensions: int | None = None
    prompt_name: str | None = None
    input_type: str | None = None
    truncate: bool | None = None


class EmbeddingCalls(Connection):
    """What is asked of embedding models."""

    def embed(
        self, model: str, texts: Sequence[str], options: EmbedOptions | None = None
    ) -> list[list[float]]:
        """A vector for each text, in their order."""
        wanted = msgspec.to_builtins(options or EmbedOptions())
        body = {"model": model, "input": list(texts), "encoding_format": "base64", **wanted}
        answer = msgspec.convert(self._whole("/v1/embeddings", encoded(body)), _Answer)
        vectors = (base64.b64decode(each.embedding) for each in answer.data)
        return [list(struct.unpack(f"<{len(each) // 4}f", each)) for each in vectors]


class _Embedding(msgspec.Struct):
    embedding: str


class _Answer(msgspec.Struct):
    data: list[_Embedding]
