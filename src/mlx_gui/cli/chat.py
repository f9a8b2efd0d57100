"""A conversation: its turns, and how an answer is asked for and shown."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TextIO

from mlx_gui.cli.output import console
from mlx_gui.client import (
    AS_THE_MODEL,
    AnswerOptions,
    AnswerPiece,
    ChatMessage,
    ChatStream,
    ChatUsage,
    Client,
    asking,
)

# A model's text must not steer the terminal: all control characters but tab and newline go.
_CONTROLS = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)} - {ord("\t"), ord("\n")})
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


@dataclass(slots=True)
class Chat:
    """A conversation: its turns so far, and how the next answer is asked for.

    With `raw` each question is a prompt of its own, which no template touches. `show_thinking`
    None shows thoughts on a terminal only. `sees` says whether the model takes pictures, which are
    asked about as data URLs.
    """

    client: Client
    model: str
    _: KW_ONLY
    options: AnswerOptions = AS_THE_MODEL
    raw: bool = False
    verbose: bool = False
    show_thinking: bool | None = None
    system: str | None = None
    sees: bool = False
    turns: list[ChatMessage] = field(default_factory=list[ChatMessage])

    def ask(self, question: str, pictures: Sequence[str] = ()) -> bool:
        """Whether the answer came to its end; False when Ctrl-C stopped it.

        What was answered until then stays part of the conversation; after an error the question is
        as if never asked.
        """
        printer, pace = Printer(show_thinking=self.show_thinking), Pace()
        usage, stopped = None, False
        try:
            with self._stream(question, pictures) as stream:
                for piece in stream:
                    pace.note_text()
                    printer.write(piece)
                usage = stream.usage
        except KeyboardInterrupt:
            stopped = True
        finally:
            printer.end(stopped=stopped)
        if printer.answer:
            asked, answered = asking(question, pictures), printer.answer
            self.turns = [*self.turns, asked, ChatMessage("assistant", answered)]
        if self.verbose and usage is not None:
            console(stderr=True).print(pace.sentence(usage), style="dim")
        return not stopped

    def whole_answer(self, question: str, pictures: Sequence[str] = ()) -> dict[str, object]:
        """The API's own object of the answer, which is not shown."""
        if self.raw:
            return self.client.whole_completion(self.model, question, self.options)
        messages = self.messages(question, pictures)
        return self.client.whole_chat(self.model, messages, self.options)

    def messages(
        self, question: str | None = None, pictures: Sequence[str] = ()
    ) -> list[ChatMessage]:
        """The whole conversation, with one more question if there is one."""
        system = [] if self.system is None else [ChatMessage("system", self.system)]
        asked = [] if question is None else [asking(question, pictures)]
        return [*system, *self.turns, *asked]

    def _stream(self, question: str, pictures: Sequence[str]) -> ChatStream:
        if self.raw:
            return self.client.complete(self.model, question, self.options)
        return self.client.chat(self.model, self.messages(question, pictures), self.options)


class Printer:
    """Shows one answer. Where stdout is no terminal, it gets the answer only.

    A thought that is shown is dim on a terminal, and on stderr where stdout is none.
    """

    def __init__(self, *, show_thinking: bool | None) -> None:
        self.answer = ""
        self._on_terminal = sys.stdout.isatty()
        self._shows_thoughts = self._on_terminal if show_thinking is None else show_thinking
        self._thinking = False

    def write(self, piece: AnswerPiece) -> None:
        """Show more of the answer, or of the thought before it."""
        if piece.thought:
            if self._shows_thoughts:
                self._begin_thought()
                write(piece.text, self._thoughts())
            return
        self._end_thought()
        self.answer += piece.text
        write(piece.text)

    def end(self, *, stopped: bool) -> None:
        """The answer's line ends, even one that was broken off before it had begun."""
        was_thinking = self._thinking
        self._end_thought()
        begun = bool(self.answer) and not self.answer.endswith("\n")
        if (stopped and not was_thinking) or begun:
            write("\n")

    def _begin_thought(self) -> None:
        if not self._thinking:
            self._thinking = True
            self._style(_DIM)
            write("Thinking: ", self._thoughts())

    def _end_thought(self) -> None:
        if self._thinking:
            self._thinking = False
            self._style(_PLAIN)
            write("\n\n", self._thoughts())

    def _thoughts(self) -> TextIO:
        return sys.stdout if self._on_terminal else sys.stderr

    def _style(self, code: str) -> None:
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        if self._on_terminal and not plain:
            sys.stdout.write(code)


class Pace:
    """When the text of an answer came."""

    def __init__(self) -> None:
        self._asked_s = time.perf_counter()
        self._first_s: float | None = None
        self._last_s = self._asked_s

    def note_text(self) -> None:
        self._last_s = time.perf_counter()
        if self._first_s is None:
            self._first_s = self._last_s

    def sentence(self, usage: ChatUsage) -> str:
        """The decode rate, the tokens and the time to the first of them."""
        first_s = self._last_s if self._first_s is None else self._first_s
        return pace_sentence(usage, first_s - self._asked_s, self._last_s - first_s)


def pace_sentence(usage: ChatUsage, first_s: float, decode_s: float) -> str:
    """`41.2 tok/s, 128 tokens after a prompt of 33, first token after 0.21 s`."""
    parts = [
        f"{usage.completion_tokens} tokens after a prompt of {usage.prompt_tokens}",
        f"first token after {first_s:.2f} s",
    ]
    if usage.completion_tokens > 1 and decode_s > 0:
        parts.insert(0, f"{(usage.completion_tokens - 1) / decode_s:.1f} tok/s")
    return ", ".join(parts)


def printable(text: str) -> str:
    """`text` without control characters, which would steer the terminal."""
    return text.translate(_CONTROLS)


def write(text: str, stream: TextIO | None = None) -> None:
    """Shows `text` at once, on stdout unless `stream` says otherwise."""
    target = stream or sys.stdout
    target.write(printable(text) if target.isatty() else text)
    target.flush()
