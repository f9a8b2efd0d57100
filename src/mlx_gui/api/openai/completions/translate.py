"""OpenAI's raw completions, JSON ↔ core, nothing else."""

import codecs
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from mlx_gui.api.answers import Gathering, answered
from mlx_gui.api.openai.completions.wire import (
    DEFAULT_MAX_TOKENS,
    Completion,
    CompletionChoice,
    CompletionEnd,
    CompletionLogprobs,
    CompletionRequest,
)
from mlx_gui.api.openai.translate import (
    STREAM_END,
    AnswerHead,
    completion_usage,
    with_generation,
)
from mlx_gui.api.sse import frame
from mlx_gui.core.errors import InvalidRequest, from_info
from mlx_gui.core.generation import (
    Delta,
    Done,
    Event,
    Failed,
    GenerateRequest,
    Prepared,
    Reasoning,
    TokenLogprob,
    Usage,
)

MAX_SCORED = 2**20
"""What the prompts of one request may have together, in characters or ids, as often as each of
them is answered, where their tokens are scored."""


def to_core(body: CompletionRequest) -> tuple[GenerateRequest, ...]:
    """A canonical request for each prompt. Raises InvalidRequest."""
    _check(body)
    # Nothing is taken out of a raw answer: it may be cut anywhere and be of any form.
    plain = GenerateRequest(
        echo=body.echo or False,
        reasoning=Reasoning(raw=True),
        top_logprobs=body.logprobs,
    )
    prompts = [text if isinstance(text, str) else tuple(text) for text in body.prompt]
    max_tokens = DEFAULT_MAX_TOKENS if body.max_tokens is None else body.max_tokens
    request = with_generation(plain, body, max_tokens=max_tokens, prompts=len(prompts))
    suffix = body.suffix or ""
    return tuple(
        msgspec.structs.replace(request, prompt=prompt, suffix=suffix) for prompt in prompts
    )


def completion(head: AnswerHead, answer: Gathering, *, logprobs: bool) -> Completion:
    """The whole answer. Raises WorkerFailed when events are missing."""
    choices, usage = answer.complete()
    return Completion(
        id=head.id,
        created=head.created,
        model=head.model,
        system_fingerprint=head.system_fingerprint,
        choices=[
            CompletionChoice(
                index=index,
                text=choice.text,
                logprobs=LogprobsWriter().write(choice.logprobs) if logprobs else None,
                finish_reason=cast(CompletionEnd, choice.finish_reason),
            )
            for index, choice in enumerate(choices)
        ],
        usage=completion_usage(usage, answer.prepared),
    )


class ChunkEncoder:
    """Turns events into the frames of a streamed answer, as they come."""

    def __init__(self, head: AnswerHead, *, logprobs: bool, include_usage: bool) -> None:
        self._logprobs: dict[int, LogprobsWriter] | None = {} if logprobs else None
        self._include_usage = include_usage
        self._common: dict[str, Any] = {
            "id": head.id,
            "object": "text_completion",
            "created": head.created,
            "model": head.model,
            "system_fingerprint": head.system_fingerprint,
        }

    def encode(self, event: Event) -> bytes:
        """The frames that say `event`, none for most. Raises what a Failed carries."""
        match event:
            case Delta(channel="content") if event.text or event.logprobs:
                return self._chunk(event.index, event.text, tokens=event.logprobs)
            case Done(index=index, finish_reason=reason):
                return self._chunk(index, "", end=cast(CompletionEnd, answered(reason)))
            case Usage():
                return self._last(event)
            case Failed(error=info):
                raise from_info(info)
            case _:
                return b""

    def _chunk(
        self,
        index: int,
        text: str,
        *,
        tokens: Sequence[TokenLogprob] = (),
        end: CompletionEnd | None = None,
    ) -> bytes:
        logprobs = None
        if self._logprobs is not None and tokens:
            writer = self._logprobs.setdefault(index, LogprobsWriter())
            logprobs = writer.write(tokens).model_dump()
        choice = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": end}
        usage = {"usage": None} if self._include_usage else {}
        return frame(msgspec.json.encode({**self._common, "choices": [choice], **usage}))

    def _last(self, usage: Usage) -> bytes:
        if not self._include_usage:
            return STREAM_END
        counts = completion_usage(usage, Prepared(usage.prompt_tokens)).model_dump()
        chunk = {**self._common, "choices": list[Any](), "usage": counts}
        return frame(msgspec.json.encode(chunk)) + STREAM_END


class LogprobsWriter:
    """Writes the log-probabilities of one answer, which may come in pieces."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._offset = 0

    def write(self, tokens: Sequence[TokenLogprob]) -> CompletionLogprobs:
        """`tokens`, which follow those that were written before."""
        return CompletionLogprobs(
            tokens=[token.chosen.text for token in tokens],
            token_logprobs=[None if token.first else token.chosen.logprob for token in tokens],
            top_logprobs=[None if token.first else _likeliest(token) for token in tokens],
            text_offset=[self._place(token) for token in tokens],
        )

    def _place(self, token: TokenLogprob) -> int:
        """Where the token begins in the text, in characters; those cut apart begin once."""
        if token.offset is not None:
            return token.offset
        place = self._offset
        self._offset += len(self._decoder.decode(token.chosen.bytes))
        return place


def _likeliest(token: TokenLogprob) -> dict[str, float]:
    """By text, the chosen one included; of tokens that read alike the likeliest."""
    found: dict[str, float] = {}
    for chance in (*token.top, token.chosen):
        found.setdefault(chance.text, chance.logprob)
    return found


def _check(body: CompletionRequest) -> None:
    if body.suffix:
        _check_gap(body)
    elif "" in body.prompt:
        raise InvalidRequest(
            f"`prompt` should not be empty; number {body.prompt.index('')} is.",
            hint="Send some text; only with `suffix` there may be nothing before it. /docs has the "
            "fields.",
            param="prompt",
        )
    if body.best_of is not None and body.best_of != (body.n or 1):
        raise InvalidRequest(
            f"`best_of` should equal `n`, which is {body.n or 1}, not {body.best_of}.",
            hint="Every answer is given out; ask for more with `n`.",
            param="best_of",
        )
    if body.max_tokens == 0 and not body.echo:
        raise InvalidRequest(
            "`max_tokens` may be 0 only with `echo`: without either there is nothing to answer.",
            hint="Ask for at least one token, or set `echo`.",
            param="max_tokens",
        )
    if body.echo and body.logprobs is not None:
        _check_scored(body)


def _check_gap(body: CompletionRequest) -> None:
    if not all(isinstance(prompt, str) for prompt in body.prompt):
        raise InvalidRequest(
            "`suffix` needs prompts of text: what stands before and behind a gap is put together "
            "in tokens of the model.",
            hint="Send the prompt as text, or put the token ids together yourself, without "
            "`suffix`.",
            param="suffix",
        )
    if body.echo and body.logprobs is not None:
        raise InvalidRequest(
            "`suffix` excludes `echo` with `logprobs`: the tokens that are read are not those of "
            "the text.",
            hint="Leave one of the three out.",
            param="suffix",
        )


def _check_scored(body: CompletionRequest) -> None:
    """One prompt is bounded by the context."""
    answers = len(body.prompt) * (body.n or 1)
    amount = (body.n or 1) * sum(map(len, body.prompt))
    if answers > 1 and amount > MAX_SCORED:
        raise InvalidRequest(
            f"{answers} answers would repeat prompts of {amount} characters or tokens with their "
            f"log-probabilities; {MAX_SCORED} are the most.",
            hint="Send fewer prompts at once, or ask for fewer answers by `n`.",
            param="prompt",
        )
