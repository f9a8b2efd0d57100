"""One answer on its way: from sampled tokens to events."""

import secrets
from collections.abc import Iterable
from typing import Literal

import msgspec

from mlx_gui.core.generation import (
    CallStarted,
    Channel,
    Delta,
    Done,
    Event,
    FinishReason,
    TokenLogprob,
)
from mlx_gui.engines.text.detokenizing import TextStream
from mlx_gui.engines.text.stops import StopText
from mlx_gui.parsers.base import AnswerParser, CallArguments, CallBegan, Piece, Text
from mlx_gui.parsers.repeats import Repeats


class TextSequence:
    """Answer number `index` of a request: collects its text and finds its end.

    Stop strings end the content; in a thought or in the arguments of a call they mean nothing.
    With `one_call` the answer ends where a second call would begin, with `repeats` where a call
    would be made again. The text begins with `echo`; where that is `scored`, the chances of all
    tokens are told, with their places in the text: also of those without text, and of the end.
    """

    def __init__(
        self,
        index: int,
        *,
        text: TextStream,
        parser: AnswerParser,
        stops: StopText,
        one_call: bool,
        repeats: Repeats | None = None,
        echo: str = "",
        scored: bool = False,
    ) -> None:
        self.index = index
        self.completion_tokens = 0
        self.reasoning_tokens = 0
        self.ended = False
        self._text = text
        self._parser = parser
        self._stops = stops
        self._one_call = one_call
        self._repeats = repeats
        self._echo = echo
        self._scored = scored
        self._written = len(echo)
        self._calls = 0
        self._untold_tokens = 0
        self._untold_logprobs: list[TokenLogprob] = []

    def token(
        self,
        token: int,
        finish: Literal["stop", "length"] | None,
        logprob: TokenLogprob | None = None,
    ) -> list[Event]:
        """The events of one sampled token; `finish` is set on the last, "stop" for an end token.

        An end token counts, but does not read. The last event is Done exactly if the answer ended.
        """
        self.completion_tokens += 1
        thought = self._parser.thinking
        pieces: list[Piece] = []
        if logprob is not None:
            if self._scored:
                logprob = msgspec.structs.replace(logprob, offset=self._written)
            self._untold_logprobs.append(logprob)
        if finish != "stop":
            self._untold_tokens += 1
            text = self._text.add(token)
            self._written += len(text)
            pieces += self._parser.feed(text)
        self.reasoning_tokens += thought or self._parser.thinking
        if finish is not None:
            pieces += self._parser.feed(self._text.finish())
            pieces += self._parser.finish()
        events = [*self.echoed(), *self._tell(pieces)]
        if finish is not None and not self.ended:
            events += [*self._content(self._stops.flush()), *self._cut_off()]
            events += self._end("tool_calls" if self._calls and finish == "stop" else finish)
        return events

    def cancelled(self) -> list[Event]:
        """The events that end an answer nobody waits for."""
        return self._end("cancelled")

    def echoed(self, logprobs: tuple[TokenLogprob, ...] = ()) -> list[Event]:
        """The events of the text that the answer begins with, once, and of chances in it."""
        echo, self._echo = self._echo, ""
        told = echo or logprobs
        return [Delta(self.index, echo, token_count=0, logprobs=logprobs)] if told else []

    def unwritten(self) -> list[Event]:
        """The events of an answer that has no tokens."""
        return [*self.echoed(), *self._end("length")]

    def _tell(self, pieces: Iterable[Piece]) -> list[Event]:
        events: list[Event] = []
        for piece in self._without_repeats(pieces):
            if self.ended:
                break
            match piece:
                case Text(channel="content", text=text):
                    text, stopped = self._stops.feed(text)
                    events += self._content(text)
                    if stopped:
                        events += self._end("stop")
                case Text(text=text):
                    events += self._delta("reasoning", text)
                case CallBegan(name):
                    events += self._call(name)
                case CallArguments(text):
                    events += self._delta("tool_call", text)
        if self._repeats is not None and self._repeats.over and not self.ended:
            events += self._end("tool_calls")
        return events

    def _without_repeats(self, pieces: Iterable[Piece]) -> Iterable[Piece]:
        """The pieces up to the call that was made before."""
        repeats = self._repeats
        if repeats is None:
            yield from pieces
            return
        for piece in pieces:
            if repeats.over:
                return
            yield from repeats.pass_on(piece)

    def _call(self, name: str) -> list[Event]:
        before = self._content(self._stops.flush())
        if self._calls and self._one_call:
            return [*before, *self._end("tool_calls")]
        self._calls += 1
        call_id = f"call_{secrets.token_hex(12)}"
        return [*before, CallStarted(self.index, self._calls - 1, call_id, name)]

    def _content(self, text: str) -> list[Event]:
        return self._delta("content", text)

    def _cut_off(self) -> list[Event]:
        """The chances of tokens whose character was not finished, in content."""
        if not self._text.cut or self._calls or self._parser.thinking:
            return []
        logprobs, self._untold_logprobs = tuple(self._untold_logprobs), []
        return [Delta(self.index, "", token_count=0, logprobs=logprobs)] if logprobs else []

    def _delta(self, channel: Channel, text: str) -> list[Event]:
        if not text:
            return []
        count, self._untold_tokens = self._untold_tokens, 0
        logprobs, self._untold_logprobs = tuple(self._untold_logprobs), []
        return [
            Delta(
                self.index,
                text,
                channel,
                count,
                max(self._calls - 1, 0) if channel == "tool_call" else 0,
                logprobs if channel == "content" else (),
            )
        ]

    def _end(self, reason: FinishReason) -> list[Event]:
        self.ended = True
        done = Done(self.index, reason, self._stops.matched)
        logprobs, self._untold_logprobs = tuple(self._untold_logprobs), []
        if not self._scored or not logprobs:
            return [done]
        return [Delta(self.index, "", token_count=0, logprobs=logprobs), done]
