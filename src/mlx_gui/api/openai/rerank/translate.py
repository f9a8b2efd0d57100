"""Reranking, JSON ↔ core, nothing else."""

import struct
from typing import Literal

from mlx_gui.api.openai.rerank.wire import (
    RerankAnswer,
    RerankBody,
    RerankDocument,
    RerankMeta,
    RerankResult,
    RerankUsage,
    RerankVersion,
)
from mlx_gui.api.vectors import Vectors
from mlx_gui.core.model import Capability, Model
from mlx_gui.kinds.reranker import RerankRequest


def to_core(body: RerankBody) -> RerankRequest:
    """The canonical request."""
    return RerankRequest(
        body.query,
        tuple(body.documents),
        truncate=body.truncate is not False,
        instruction=body.instruction or None,
    )


def left_out(body: RerankBody) -> list[str]:
    """The fields that change nothing."""
    return [
        name for name in ("max_tokens_per_doc", "rank_fields") if getattr(body, name) is not None
    ]


def needed(model: Model) -> Capability:
    """What of the model's capabilities answers: one that makes vectors compares them."""
    embeds = model.facts is not None and "embedding" in model.facts.capabilities
    return "embedding" if embeds else "reranking"


def answer(
    body: RerankBody, scores: Vectors, *, id: str, model: Model, version: Literal["1", "2"]
) -> RerankAnswer:
    """The whole answer. Raises WorkerFailed for a part of one."""
    told = [struct.unpack("<f", each)[0] for each in scores.in_order()]
    order = sorted(range(len(told)), key=lambda index: (-told[index], index))[: body.top_n]
    tokens = scores.usage.prompt_tokens
    return RerankAnswer(
        id=id,
        model=model.id,
        results=[
            RerankResult(
                index=index,
                relevance_score=told[index],
                document=RerankDocument(text=body.documents[index])
                if body.return_documents
                else None,
            )
            for index in order
        ],
        usage=RerankUsage(prompt_tokens=tokens, total_tokens=tokens),
        meta=RerankMeta(
            api_version=RerankVersion(version=version),
            scored_by="cosine" if needed(model) == "embedding" else "reranker",
        ),
    )
