"""What `/api/chat` and `/api/generate` ask alike ↔ core, nothing else."""

from dataclasses import dataclass
from typing import Any

import msgspec

from mlx_gui.api.ollama.wire import OllamaOptions, Question
from mlx_gui.api.schema_recursion import check_recursion
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import Grammar, Reasoning, Sampling, TokenChance, TokenLogprob


@dataclass(frozen=True, slots=True)
class Limits:
    """How an answer ends; `max_tokens` None means: as the context has room for."""

    max_tokens: int | None
    stop: tuple[str, ...]


def sampling(options: OllamaOptions | None) -> Sampling:
    """How the tokens are chosen. Ollama's seed -1 is none, and a top_k below 1 is off."""
    if options is None:
        return Sampling()
    chosen = Sampling(
        temperature=options.temperature,
        top_p=options.top_p,
        top_k=None if options.top_k is None else max(options.top_k, 0),
        min_p=options.min_p,
        repetition_penalty=options.repeat_penalty,
        presence_penalty=options.presence_penalty,
        frequency_penalty=options.frequency_penalty,
        seed=None if options.seed == -1 else options.seed,
    )
    if options.repeat_last_n == 0:
        return msgspec.structs.replace(
            chosen, repetition_penalty=1.0, presence_penalty=0.0, frequency_penalty=0.0
        )
    return chosen


def limits(options: OllamaOptions | None) -> Limits:
    """How the answer ends."""
    if options is None:
        return Limits(None, ())
    wanted = options.num_predict
    return Limits(wanted if wanted is not None and wanted > 0 else None, tuple(options.stop or ()))


def grammar(body: Question) -> Grammar | None:
    """What the answer must match: a schema, also in the words of OpenAI and llama.cpp.

    Raises InvalidRequest for a schema without an end.
    """
    match body.format:
        case None | "":
            return None
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            return _of_schema(schema)
        case {"type": "json_object" | "json_schema", "schema": schema}:
            return _of_schema(schema)
        case {"type": "json_object"}:
            return Grammar("json_object")
        case dict() as schema:
            return _of_schema(schema)
        case _:
            return Grammar("json_object")


def _of_schema(schema: object) -> Grammar:
    check_recursion(schema, param="format")
    return Grammar("json_schema", msgspec.json.encode(schema).decode())


def truncates(body: Question) -> bool:
    """Whether the oldest turns may be dropped: with Ollama unless it is forbidden."""
    return body.truncate is not False


def reasoning(body: Question) -> Reasoning:
    """Whether the model thinks. A level switches it on."""
    if isinstance(body.think, str):
        return Reasoning(enabled=True, effort=body.think)
    return Reasoning(enabled=body.think)


def top_logprobs(body: Question) -> int | None:
    """As in the canonical request. Raises InvalidRequest for a number without `logprobs`."""
    if body.logprobs:
        return body.top_logprobs or 0
    if body.top_logprobs:
        raise InvalidRequest(
            "`top_logprobs` is only allowed with `logprobs`.",
            hint="Set `logprobs` to true or leave `top_logprobs` out.",
            param="top_logprobs",
        )
    return None


def logprob_list(logprobs: list[TokenLogprob]) -> list[dict[str, Any]]:
    """Log-probabilities as Ollama lists them."""
    return [
        _chance(token.chosen)
        | ({"top_logprobs": [_chance(other) for other in token.top]} if token.top else {})
        for token in logprobs
    ]


def _chance(chance: TokenChance) -> dict[str, Any]:
    return {"token": chance.text, "logprob": chance.logprob, "bytes": list(chance.bytes)}
