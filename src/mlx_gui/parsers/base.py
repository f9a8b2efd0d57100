"""What parsers take and give, and what one model's answers look like.

Text comes as the model writes it, cut anywhere. What goes out is the same however it was cut.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from mlx_gui.core.generation import Tool


@dataclass(frozen=True, slots=True)
class Text:
    """Text that the client sees."""

    channel: Literal["content", "reasoning"]
    text: str


@dataclass(frozen=True, slots=True)
class CallBegan:
    """A tool call; whoever passes it on gives it an id."""

    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """JSON text, or a part of it, of the arguments of the last call that began."""

    text: str


Piece = Text | CallBegan | CallArguments


class AnswerParser(Protocol):
    """Reads one answer."""

    @property
    def thinking(self) -> bool:
        """Whether the answer is inside a thought right now."""
        ...

    def feed(self, text: str) -> list[Piece]:
        """What `text` completes."""
        ...

    def finish(self) -> list[Piece]:
        """What was held back, once no more text comes."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """A whole call; `arguments` is the text of a JSON object."""

    name: str
    arguments: str


class NotACall(ValueError):
    """The text does not hold calls in this syntax."""


class CutString(NotACall):
    """The text ends inside a string, so that an end marker behind it may be part of that string."""


@dataclass(frozen=True, slots=True)
class Block:
    """A finished block of calls: how much of the text it took, and its calls, none if malformed."""

    length: int
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenedCall:
    """A call of which name and beginning are known, and whose arguments begin at place `at`.

    Its block is between `start` and `end`, which may be empty. `in_object` says that the arguments
    are a member of an object, and `in_list` that this stands in a list.
    """

    name: str
    at: int
    start: str
    end: str
    in_object: bool = False
    in_list: bool = False


class BlockReader(Protocol):
    """Reads one block of calls, from its start marker on."""

    def feed(self, text: str) -> Block | None:
        """The block, as soon as its end or its fault is known."""
        ...

    def finish(self) -> Block:
        """The block, once no more text comes."""
        ...


@dataclass(frozen=True, slots=True)
class CallForm:
    """How a model writes calls: `opening`, the calls with `between` them, `closing`.

    A call is `before_name`, its name, `before_arguments`, a JSON object, `after_arguments`.
    """

    before_name: str
    before_arguments: str
    after_arguments: str
    opening: str = ""
    between: str = ""
    closing: str = ""
    several: bool = True

    def render(self, calls: Sequence[Call]) -> str:
        """`calls` as the model would write them."""
        written = (
            f"{self.before_name}{call.name}{self.before_arguments}"
            f"{call.arguments}{self.after_arguments}"
            for call in calls
        )
        return f"{self.opening}{self.between.join(written)}{self.closing}"


class CallSyntax(Protocol):
    """One dialect of tool calls. `starts` begin a block anywhere, `heads` only a whole answer's.

    Right after a block, `heads` count again.
    """

    @property
    def starts(self) -> tuple[str, ...]: ...

    @property
    def heads(self) -> tuple[str, ...]: ...

    @property
    def form(self) -> CallForm: ...

    @property
    def markers(self) -> tuple[str, ...]:
        """Texts of tokens that calls are marked with."""
        ...

    def reader(self, start: str, tools: Sequence[Tool]) -> BlockReader:
        """A reader for a block that begins with `start`."""
        ...

    def opened(self, start: str, text: str) -> OpenedCall | None:
        """The call that a block begins with, once `text`, which begins with `start`, has its name.

        None also for what only its whole text tells to be a call. It is the same for a longer text,
        and a reader ends no block before.
        """
        ...


@dataclass(frozen=True, slots=True)
class LibraryTools:
    """A parser of the library for what is between its markers; it also takes OpenAI's tools.

    It gives one call or several, each with `name` and `arguments`, and may raise what it likes.
    """

    name: str
    start: str
    end: str
    parse: Callable[[str, list[dict[str, Any]]], Any]


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one model's answers look like. `think_start` and `think_end` are None together.

    `form` is how calls are written when a grammar enforces them, `calls` how they are read when
    none does; None is harmony, which has a parser of its own. `markers` are the texts of tokens
    that detokenizing must keep visible.
    """

    form: CallForm
    calls: CallSyntax | None
    markers: tuple[str, ...] = ()
    think_start: str | None = None
    think_end: str | None = None

    @property
    def thought(self) -> tuple[str, str] | None:
        """Both markers of a thought."""
        if self.think_start is None or self.think_end is None:
            return None
        return self.think_start, self.think_end
