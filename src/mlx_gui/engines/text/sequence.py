"""One answer on its way: from sampled tokens to events."""

import time

from mlx_gui.core.generation import Delta, Done, FinishReason, GenerationEvent, Prefill, Usage
from mlx_gui.engines.base import PreparedRequest
from mlx_gui.engines.text.detokenizing import Decode, TextStream
from mlx_gui.engines.text.stops import StopText


class TextSequence:
    """Collects the text, finds its end, keeps the times."""

    def __init__(self, prepared: PreparedRequest, decode: Decode) -> None:
        self.request_id = prepared.request_id
        self._prompt_tokens = prepared.prompt_tokens
        self._text = TextStream(decode)
        self._stops = StopText(prepared.request.stop)
        self._completion_tokens = 0
        self._untold_tokens = 0
        self._prefill_began_s: float | None = None
        self._decode_began_s: float | None = None
        self._decoded_s: float | None = None

    def prefilled(self, done_tokens: int, began_s: float) -> Prefill:
        """`done_tokens` of the prompt are in the cache, by a step that began at `began_s`."""
        if self._prefill_began_s is None:
            self._prefill_began_s = began_s
        return Prefill(done_tokens, self._prompt_tokens)

    def token(self, token: int, finish: FinishReason | None) -> list[GenerationEvent]:
        """The events of one sampled token; `finish` is set on the last, "stop" for a stop token.

        A stop token counts, but does not read. The last event is Usage exactly if the answer ended.
        """
        self._decoded_s = time.monotonic()
        self._decode_began_s = self._decode_began_s or self._decoded_s
        self._completion_tokens += 1
        if finish == "stop":
            return self._end("", finish)
        self._untold_tokens += 1
        text, stopped = self._stops.feed(self._text.add(token))
        if stopped:
            return self._end(text, "stop", flush=False)
        if finish is not None:
            return self._end(text, finish)
        return self._delta(text)

    def cancelled(self) -> list[GenerationEvent]:
        """The events that end an answer nobody waits for."""
        return [Done(0, "cancelled"), self._usage()]

    def _end(self, text: str, finish: FinishReason, *, flush: bool = True) -> list[GenerationEvent]:
        if flush:
            rest, stopped = self._stops.feed(self._text.finish())
            text += rest
            if stopped:
                finish = "stop"
            else:
                text += self._stops.flush()
        return [*self._delta(text), Done(0, finish, self._stops.matched), self._usage()]

    def _delta(self, text: str) -> list[GenerationEvent]:
        if not text:
            return []
        count, self._untold_tokens = self._untold_tokens, 0
        return [Delta(0, text, token_count=count)]

    def _usage(self) -> Usage:
        began_s, first_s, last_s = self._prefill_began_s, self._decode_began_s, self._decoded_s
        return Usage(
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._completion_tokens,
            prefill_ms=_between_ms(began_s, first_s),
            decode_ms=_between_ms(first_s, last_s),
        )


def _between_ms(start_s: float | None, end_s: float | None) -> float:
    return 0.0 if start_s is None or end_s is None else (end_s - start_s) * 1000
