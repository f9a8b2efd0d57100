"""What the endpoints of OpenAI's family translate alike, JSON ↔ core."""

import time
from dataclasses import dataclass
from typing import cast
from uuid import uuid4

import msgspec

from mlx_gui.api.json_schema import check_schema
from mlx_gui.api.openai.errors import error_body
from mlx_gui.api.openai.wire import (
    MAX_TOKEN_ID,
    AnswerFields,
    CompletionTokensDetails,
    CompletionUsage,
    FormatFields,
    GenerationFields,
    PromptTokensDetails,
    ResponseFormat,
    SamplingFields,
)
from mlx_gui.api.sse import frame
from mlx_gui.api.validation import parse_json_text
from mlx_gui.core.errors import InvalidRequest, MlxGuiError
from mlx_gui.core.generation import (
    GenerateRequest,
    Grammar,
    GrammarKind,
    Prepared,
    Sampling,
    Usage,
)
from mlx_gui.version import __version__

STREAM_END = frame(b"[DONE]")
MAX_TOKENS_OF_ALL = 2**22
"""What several answers may have together, where the request says how long one may be."""


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """What every chunk of an answer repeats; `created` is Unix time."""

    id: str
    created: int
    model: str
    system_fingerprint: str


def new_head(kind: str, model_id: str) -> AnswerHead:
    """The head of an answer that begins now; its id starts with `kind`."""
    return AnswerHead(
        id=f"{kind}-{uuid4().hex}",
        created=int(time.time()),
        model=model_id,
        system_fingerprint=f"mlx-gui-{__version__}",
    )


def with_generation(
    request: GenerateRequest, body: GenerationFields, *, max_tokens: int | None, prompts: int = 1
) -> GenerateRequest:
    """`request` with what chat and raw completions share. Raises InvalidRequest."""
    if body.stream_options is not None and not body.stream:
        raise InvalidRequest(
            "`stream_options` is only allowed with `stream`.",
            hint="Set `stream` to true or leave `stream_options` out.",
            param="stream_options",
        )
    n = body.n or 1
    _check_amount(prompts * n, max_tokens or 0, param="n" if n > 1 else "max_tokens")
    return msgspec.structs.replace(
        request,
        sampling=sampling(body),
        max_tokens=max_tokens,
        stop=tuple(body.stop or ()),
        n=n,
        grammar=_grammar(body),
        ignore_eos=body.ignore_eos or False,
    )


def completion_usage(usage: Usage, prepared: Prepared) -> CompletionUsage:
    """The token counts of an answer."""
    return CompletionUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        prompt_tokens_details=PromptTokensDetails(
            cached_tokens=usage.cached_tokens,
            image_tokens=usage.image_tokens,
            truncated_messages=prepared.truncated_messages,
        ),
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=usage.reasoning_tokens),
    )


def includes_usage(body: AnswerFields) -> bool:
    """Whether a stream ends with a chunk of token counts."""
    return body.stream_options is not None and bool(body.stream_options.include_usage)


def error_frames(error: MlxGuiError, request_id: str) -> bytes:
    """How a stream that has begun ends by `error`."""
    return frame(error_body(error, request_id)) + STREAM_END


def sampling(body: SamplingFields) -> Sampling:
    """Raises InvalidRequest for a key of `logit_bias` that is no token id."""
    return Sampling(
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=None if body.top_k is None else max(body.top_k, 0),
        min_p=body.min_p,
        repetition_penalty=body.repetition_penalty,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        logit_bias={_token_id(key): bias for key, bias in (body.logit_bias or {}).items()},
        seed=body.seed,
    )


def _check_amount(answers: int, max_tokens: int, *, param: str) -> None:
    """One answer is bounded by the context."""
    if answers > 1 and answers * max_tokens > MAX_TOKENS_OF_ALL:
        raise InvalidRequest(
            f"{answers} answers of up to {max_tokens} tokens may be {answers * max_tokens} tokens; "
            f"{MAX_TOKENS_OF_ALL} are the most.",
            hint="Ask for fewer answers by `n`, or for shorter ones by `max_tokens`.",
            param=param,
        )


def _token_id(key: str) -> int:
    if key.isascii() and key.isdigit() and len(key) <= 10 and int(key) <= MAX_TOKEN_ID:
        return int(key)
    raise InvalidRequest(
        f"`logit_bias` should have token ids as keys, not {key[:40]!r}.",
        hint=f"A key is a whole number from 0 to {MAX_TOKEN_ID}, as a string.",
        param="logit_bias",
    )


def _grammar(body: FormatFields) -> Grammar | None:
    """The one form that is asked for, if any. Raises InvalidRequest where there are two."""
    given = _formats(body)
    if len(given) > 1:
        first, second = list(given)[:2]
        raise InvalidRequest(
            f"`{first}` and `{second}` exclude each other.",
            hint="Ask for one form of the answer.",
            param=second,
        )
    return next(iter(given.values()), None)


def _formats(body: FormatFields) -> dict[str, Grammar]:
    """Every form that the request names, by its field."""
    found: dict[str, Grammar] = {}

    def add(field: str, kind: GrammarKind, text: str | None) -> None:
        if text is not None:
            found[field] = Grammar(kind, text)

    if body.response_format is not None and body.response_format.type != "text":
        found["response_format"] = _response_format(body.response_format)
    add("json_schema", "json_schema", _schema_text(body.json_schema, param="json_schema"))
    add("regex", "regex", body.regex)
    add("grammar", "lark", body.grammar)
    add("guided_json", "json_schema", _schema_text(body.guided_json, param="guided_json"))
    add("guided_regex", "regex", body.guided_regex)
    add("guided_grammar", "lark", body.guided_grammar)
    add("guided_choice", "lark", _one_of(body.guided_choice))
    if (asked := body.structured_outputs) is not None:
        where = "structured_outputs"
        schema = _schema_text(asked.json_, param=f"{where}.json")
        add(f"{where}.json", "json_schema", schema)
        add(f"{where}.regex", "regex", asked.regex)
        add(f"{where}.choice", "lark", _one_of(asked.choice))
        add(f"{where}.grammar", "lark", asked.grammar)
        add(f"{where}.json_object", "json_object", "" if asked.json_object else None)
    return found


def _response_format(asked: ResponseFormat) -> Grammar:
    param = "response_format.json_schema.schema"
    if asked.json_schema is None and asked.schema_ is not None:
        schema = _schema_text(asked.schema_, param="response_format.schema")
        return Grammar("json_schema", cast(str, schema))
    if asked.type == "json_object":
        return Grammar("json_object")
    if asked.json_schema is None:
        raise InvalidRequest(
            "`response_format.json_schema` is required for the type json_schema.",
            hint='Send {"type": "json_schema", "json_schema": {"name": …, "schema": …}}.',
            param="response_format.json_schema",
        )
    schema = cast(str, _schema_text(asked.json_schema.schema_, param=param))
    return Grammar("json_schema", schema, strict=asked.json_schema.strict or False)


def _schema_text(schema: str | dict[str, object] | None, *, param: str) -> str | None:
    if schema is None:
        return None
    value = parse_json_text(schema, param=param) if isinstance(schema, str) else schema
    check_schema(value, param=param)
    return msgspec.json.encode(value).decode()


def _one_of(choices: list[str] | None) -> str | None:
    """A Lark grammar of these texts; its strings are escaped as those of JSON are."""
    if choices is None:
        return None
    return "start: " + " | ".join(msgspec.json.encode(choice).decode() for choice in choices)
