"""`mlx-gui run`: a conversation with a model in the terminal."""

import contextlib
import signal
import sys
import time
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, ModelName, Url
from mlx_gui.cli.output import console, report_error
from mlx_gui.client import ChatMessage, ChatStream, ChatUsage, Client
from mlx_gui.core.errors import MlxGuiError

FAREWELL = "/bye"
INTERRUPTED = 128 + signal.SIGINT
# A model's text must not steer the terminal: all control characters but tab and newline go.
_CONTROLS = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)} - {ord("\t"), ord("\n")})


def command(
    model: ModelName,
    prompt: Annotated[
        str | None, typer.Argument(metavar="PROMPT", help="Asked once; without it, a chat.")
    ] = None,
    *,
    system: Annotated[str | None, typer.Option("--system", help="What the model shall be.")] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="From 0, always the likeliest, to 2.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", help="Longest answer, in tokens.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="The same seed gives the same answer.")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Say after each answer how fast it was.")
    ] = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Ctrl-C stops an answer. Ctrl-D, /bye or Ctrl-C twice leaves the chat.

    Text that is piped in is added to the prompt, or is the prompt.
    """
    with connect(url, data_dir) as client:
        question = prompt if sys.stdin.isatty() else _with_piped(prompt)
        model_id = _make_ready(client, model)
        chat = Chat(
            client,
            model_id,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
            verbose=verbose,
            messages=[] if system is None else [ChatMessage("system", system)],
        )
        if question is None:
            _converse(chat)
        elif not chat.ask(question):
            raise typer.Exit(INTERRUPTED)


@dataclass(slots=True)
class Chat:
    """A conversation: its turns so far, and how the next answer is asked for."""

    client: Client
    model: str
    _: KW_ONLY
    temperature: float | None
    max_tokens: int | None
    seed: int | None
    verbose: bool
    messages: list[ChatMessage]

    def ask(self, question: str) -> bool:
        """Whether the answer came to its end; False when Ctrl-C stopped it.

        What was answered until then stays part of the conversation; after an error the question is
        as if never asked.
        """
        turns = [*self.messages, ChatMessage("user", question)]
        answer, usage, stopped, pace = "", None, False, Pace()
        try:
            with self._stream(turns) as stream:
                for text in stream:
                    pace.note_text()
                    answer += text
                    _write(text)
                usage = stream.usage
        except KeyboardInterrupt:
            stopped = True
        finally:
            if stopped or (answer and not answer.endswith("\n")):
                _write("\n")
        if answer:
            self.messages = [*turns, ChatMessage("assistant", answer)]
        if self.verbose and usage is not None:
            console(stderr=True).print(pace.sentence(usage), style="dim")
        return not stopped

    def _stream(self, turns: list[ChatMessage]) -> ChatStream:
        return self.client.chat(
            self.model,
            turns,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            seed=self.seed,
        )


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


def _with_piped(prompt: str | None) -> str:
    piped = sys.stdin.read().strip()
    question = "\n\n".join(part for part in (prompt, piped) if part)
    if not question:
        raise typer.BadParameter("Nothing was piped in and no PROMPT is given.")
    return question


def _make_ready(client: Client, name: str) -> str:
    """The model's full id, once it is loaded; a refusal comes before any question is typed."""
    found = client.model(name)
    if found.state not in ("ready", "busy"):
        with console(stderr=True).status(f"Loading {found.id}"):
            client.load(found.id)
    return found.id


def _converse(chat: Chat) -> None:
    with contextlib.suppress(ImportError):  # not every build of Python has it
        import readline  # noqa: F401  # pyright: ignore[reportUnusedImport] - input() edits with it

    hints = console(stderr=True)
    hints.print(f"{chat.model}: Ctrl-C stops an answer, {FAREWELL} leaves.", style="dim")
    leaving = False
    while True:
        try:
            question = input(">>> ").strip()
        except EOFError:
            _write("\n")
            return
        except KeyboardInterrupt:
            _write("\n")
            if leaving:
                return
            leaving = True
            hints.print(f"Ctrl-C again, Ctrl-D or {FAREWELL} leaves.", style="dim")
            continue
        leaving = False
        if question == FAREWELL:
            return
        if question:
            _ask_or_report(chat, question)


def _ask_or_report(chat: Chat, question: str) -> None:
    try:
        chat.ask(question)
    except MlxGuiError as error:
        report_error(error.message, error.hint)


def _write(text: str) -> None:
    sys.stdout.write(printable(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()
