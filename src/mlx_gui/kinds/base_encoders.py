"""What the cards of well-known models say of them, for conversions that lost the files that say it.

Keys are what a card has as `base_model`, in small letters. Read from the models' own repositories
on huggingface.co.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class BaseEncoder:
    """How its vectors are pooled and whether they have the length 1, what stands before a text."""

    pooling: tuple[Literal["cls", "mean", "max", "lasttoken"], ...]
    normalizes: bool = True
    longest_tokens: int | None = None
    prompts: Mapping[str, str] | None = None


_SEARCH = "Represent this sentence for searching relevant passages: "
_E5 = MappingProxyType({"query": "query: ", "passage": "passage: "})
_INSTRUCTED = MappingProxyType(
    {
        "query": "Instruct: Given a web search query, retrieve relevant passages that answer the "
        "query\nQuery:"
    }
)
_GEMMA = MappingProxyType(
    {
        "query": "task: search result | query: ",
        "document": "title: none | text: ",
        "Classification": "task: classification | query: ",
        "Clustering": "task: clustering | query: ",
        "Retrieval-query": "task: search result | query: ",
        "Retrieval-document": "title: none | text: ",
        "STS": "task: sentence similarity | query: ",
    }
)
_NOMIC = MappingProxyType({"query": "search_query: ", "document": "search_document: "})


def _many(names: str, encoder: BaseEncoder) -> dict[str, BaseEncoder]:
    return dict.fromkeys(names.split(), encoder)


BASE_ENCODERS: Mapping[str, BaseEncoder] = MappingProxyType(
    {
        **_many(
            "baai/bge-small-en-v1.5 baai/bge-base-en-v1.5 baai/bge-large-en-v1.5 "
            "mixedbread-ai/mxbai-embed-large-v1",
            BaseEncoder(("cls",), longest_tokens=512, prompts={"query": _SEARCH}),
        ),
        "baai/bge-m3": BaseEncoder(("cls",), longest_tokens=8192),
        "sentence-transformers/all-minilm-l6-v2": BaseEncoder(("mean",), longest_tokens=256),
        "sentence-transformers/all-minilm-l12-v2": BaseEncoder(("mean",), longest_tokens=128),
        **_many(
            "intfloat/e5-small-v2 intfloat/e5-base-v2 intfloat/e5-large-v2 "
            "intfloat/multilingual-e5-small intfloat/multilingual-e5-base "
            "intfloat/multilingual-e5-large",
            BaseEncoder(("mean",), longest_tokens=512, prompts=_E5),
        ),
        "intfloat/multilingual-e5-large-instruct": BaseEncoder(("mean",), longest_tokens=512),
        **_many(
            "snowflake/snowflake-arctic-embed-xs snowflake/snowflake-arctic-embed-s "
            "snowflake/snowflake-arctic-embed-m snowflake/snowflake-arctic-embed-l",
            BaseEncoder(("cls",), longest_tokens=512, prompts={"query": _SEARCH}),
        ),
        "snowflake/snowflake-arctic-embed-l-v2.0": BaseEncoder(
            ("cls",), longest_tokens=8192, prompts={"query": "query: "}
        ),
        **_many(
            "qwen/qwen3-embedding-0.6b qwen/qwen3-embedding-4b qwen/qwen3-embedding-8b",
            BaseEncoder(("lasttoken",), longest_tokens=32_768, prompts=_INSTRUCTED),
        ),
        "google/embeddinggemma-300m": BaseEncoder(("mean",), longest_tokens=2048, prompts=_GEMMA),
        "nomic-ai/modernbert-embed-base": BaseEncoder(
            ("mean",), longest_tokens=8192, prompts=_NOMIC
        ),
        "alibaba-nlp/gte-modernbert-base": BaseEncoder(("cls",), longest_tokens=8192),
    }
)
