"""Embeddings, JSON ↔ core, nothing else."""

from base64 import b64encode

import msgspec
from fastapi import Response

from mlx_gui.api.openai.embeddings.wire import EmbeddingsRequest
from mlx_gui.api.vectors import Vectors, floats, written
from mlx_gui.core.errors import InvalidRequest
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
    if body.prompt_name is not None and body.input_type is not None:
        raise InvalidRequest(
            "`prompt_name` and `input_type` both say what stands before the texts.",
            hint="Send one of them.",
            param="input_type",
        )
    return EmbedRequest(
        tuple(each if isinstance(each, str) else tuple(each) for each in body.input),
        body.dimensions,
        prompt=body.prompt_name,
        purpose=body.input_type,
        truncate=body.truncate,
    )


def answer(body: EmbeddingsRequest, model_id: str, vectors: Vectors) -> Response:
    """The whole answer of that model, an `EmbeddingList`. Raises WorkerFailed for a part of one."""
    in_order, tokens = vectors.in_order(), vectors.usage.prompt_tokens
    packed = body.encoding_format == "base64"

    def embedding(index: int, vector: bytes) -> object:
        shown = b64encode(vector).decode() if packed else floats(vector)
        return {"object": "embedding", "index": index, "embedding": shown}

    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    rest = msgspec.json.encode({"model": model_id, "usage": usage})
    return written(b'{"object":"list","data":[', in_order, embedding, after=b"]," + rest[1:])
