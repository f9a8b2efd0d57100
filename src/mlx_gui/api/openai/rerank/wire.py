"""The JSON of `/v1/rerank` and `/v2/rerank`, as Cohere and Jina have it. Others are ignored."""

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from mlx_gui.api.fields import Between, NonEmpty, Strict
from mlx_gui.api.openai.wire import Truncate
from mlx_gui.api.priority import Priority
from mlx_gui.api.validation import EXPLAINED

MAX_DOCUMENTS = 16_384


def _text(value: object) -> object:
    """A text, which may come as the `text` of an object."""
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).get("text")
    return value


def _as_query(value: object) -> object:
    text = _text(value)
    if not isinstance(text, str) or not text:
        raise PydanticCustomError(EXPLAINED, "Input should be a text with at least 1 character")
    return text


def _as_documents(value: object) -> list[str]:
    if not isinstance(value, list) or not value:
        raise PydanticCustomError(EXPLAINED, "Input should be a list of at least 1 document")
    documents = cast("list[Any]", value)
    if len(documents) > MAX_DOCUMENTS:
        raise PydanticCustomError(
            EXPLAINED,
            "Input should have at most {most} documents, not {count}",
            {"most": MAX_DOCUMENTS, "count": len(documents)},
        )
    texts = [_text(each) for each in documents]
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise PydanticCustomError(
                EXPLAINED,
                "Input should be texts or objects with a `text`; number {number} is neither",
                {"number": number},
            )
    return cast("list[str]", texts)


class RerankDocument(BaseModel):
    """A document as an object."""

    text: str


class RerankBody(Strict):
    """A query, and up to 16,384 documents: texts, or objects with a `text`.

    `top_n` of the results are told, with `return_documents` each with its text. The end of too long
    a document is left out, unless `truncate` is false. A model that makes vectors tells by these.
    `instruction` says what a good answer is, to models that were trained to be told, like
    Qwen3-Reranker.
    """

    model: NonEmpty
    query: Annotated[str, BeforeValidator(_as_query, json_schema_input_type=str | RerankDocument)]
    documents: Annotated[
        list[str],
        BeforeValidator(_as_documents, json_schema_input_type=list[str | RerankDocument]),
    ]
    top_n: Annotated[int, Between(1, 2**31 - 1)] | None = None
    return_documents: bool | None = None
    truncate: Truncate = None
    instruction: str | None = None
    max_tokens_per_doc: int | None = Field(default=None, description="Left out.")
    rank_fields: list[str] | None = Field(default=None, description="Left out.")
    priority: Priority | None = None


class RerankResult(BaseModel):
    """How well document number `index` answers, the higher the better: 0 to 1 by a reranker."""

    index: int
    relevance_score: float
    document: RerankDocument | None = None


class RerankVersion(BaseModel):
    """That of the path."""

    version: Literal["1", "2"]


class RerankMeta(BaseModel):
    """`scored_by` says what the scores are: a `reranker`'s, or the `cosine` of two vectors."""

    api_version: RerankVersion
    scored_by: Literal["reranker", "cosine"]


class RerankUsage(BaseModel):
    """Tokens read: of the query with each document by a reranker."""

    prompt_tokens: int
    total_tokens: int


class RerankAnswer(BaseModel):
    """The results, the best first."""

    id: str
    object: Literal["list"] = "list"
    model: str
    results: list[RerankResult]
    usage: RerankUsage
    meta: RerankMeta
