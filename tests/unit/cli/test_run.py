"""`mlx-gui run` without a terminal and without a server: the turns of a conversation."""

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import pytest

from mlx_gui.cli.chat import Chat
from mlx_gui.client import AnswerPiece, ChatMessage, ChatUsage, Client
from mlx_gui.core.errors import WorkerFailed

Piece = str | AnswerPiece | BaseException


class ScriptedStream:
    """Gives its pieces; a piece that is an exception is raised."""

    finish_reason = "stop"

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.usage: ChatUsage | None = None
        self._pieces = pieces

    def __iter__(self) -> Iterator[AnswerPiece]:
        for piece in self._pieces:
            if isinstance(piece, BaseException):
                raise piece
            yield piece if isinstance(piece, AnswerPiece) else AnswerPiece(piece)
        self.usage = ChatUsage(prompt_tokens=3, completion_tokens=len(self._pieces))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""


class ScriptedClient(Client):
    """Answers with the next of its scripts and keeps what it was asked."""

    def __init__(self, *answers: Sequence[Piece]) -> None:
        self.asked: list[list[ChatMessage]] = []
        self._answers = iter(answers)

    def chat(self, model: str, messages: Sequence[ChatMessage], *_: object) -> ScriptedStream:  # type: ignore[override]
        self.asked.append(list(messages))
        return ScriptedStream(next(self._answers))

    def complete(self, model: str, prompt: str, *_: object) -> ScriptedStream:  # type: ignore[override]
        self.asked.append([ChatMessage("user", prompt)])
        return ScriptedStream(next(self._answers))


def chat_with(client: Client, **more: Any) -> Chat:
    return Chat(client, "org/tiny", **more)


HM = AnswerPiece("Hm, ", thought=True)
WELL = AnswerPiece("well", thought=True)


def test_every_question_brings_the_conversation_along(capsys: pytest.CaptureFixture[str]) -> None:
    client = ScriptedClient(["Hel", "lo."], ["Fine."])
    chat = chat_with(client, system="Be brief.")
    assert chat.ask("Hi")
    assert chat.ask("How are you?")
    assert client.asked[1] == [
        ChatMessage("system", "Be brief."),
        ChatMessage("user", "Hi"),
        ChatMessage("assistant", "Hello."),
        ChatMessage("user", "How are you?"),
    ]
    assert capsys.readouterr().out == "Hello.\nFine.\n"


def test_an_answer_that_ends_its_line_gets_no_second_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert chat_with(ScriptedClient(["a\n", "b\n"])).ask("Hi")
    assert capsys.readouterr().out == "a\nb\n"


def test_an_answer_that_was_stopped_stays_as_far_as_it_came() -> None:
    client = ScriptedClient(["Once ", "upon", KeyboardInterrupt()], ["On."])
    chat = chat_with(client)
    assert not chat.ask("Tell a story.")
    chat.ask("Go on.")
    assert [message.content for message in client.asked[1]] == [
        "Tell a story.",
        "Once upon",
        "Go on.",
    ]


def test_a_question_stopped_before_any_answer_is_forgotten() -> None:
    client = ScriptedClient([KeyboardInterrupt()], ["Yes."])
    chat = chat_with(client)
    assert not chat.ask("Hm")
    chat.ask("Well?")
    assert [message.content for message in client.asked[1]] == ["Well?"]


def test_a_question_that_failed_is_forgotten_and_its_text_ends_its_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = ScriptedClient(["Hal", WorkerFailed("The worker ended.")], ["Yes."])
    chat = chat_with(client)
    with pytest.raises(WorkerFailed):
        chat.ask("Hm")
    assert capsys.readouterr().out == "Hal\n"
    chat.ask("Well?")
    assert [message.content for message in client.asked[1]] == ["Well?"]


def test_verbose_says_the_pace_apart_from_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    chat_with(ScriptedClient(["a", " b", " c"]), verbose=True).ask("Hi")
    out, err = capsys.readouterr()
    assert out == "a b c\n"
    assert "3 tokens after a prompt of 3" in err


def test_a_thought_is_not_part_of_the_answer_nor_of_the_conversation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = ScriptedClient([HM, WELL, "Yes."], ["No."])
    chat = chat_with(client)
    assert chat.ask("Is it?")
    assert capsys.readouterr() == ("Yes.\n", "")
    chat.ask("Really?")
    assert client.asked[1][1] == ChatMessage("assistant", "Yes.")


def test_a_thought_that_is_asked_for_in_a_pipe_goes_to_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    chat_with(ScriptedClient([HM, WELL, "Yes."]), show_thinking=True).ask("Is it?")
    assert capsys.readouterr() == ("Yes.\n", "Thinking: Hm, well\n\n")


class TerminalLike(io.StringIO):
    def isatty(self) -> bool:
        return True


Show = Callable[..., str]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Show:
    """What a terminal shows of the next answer of a chat."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def show(chat: Chat) -> str:
        screen = TerminalLike()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", screen)
            chat.ask("Is it?")
        return screen.getvalue()

    return show


def test_on_a_terminal_a_thought_is_dim_and_the_answer_is_not(shown: Show) -> None:
    chat = chat_with(ScriptedClient([HM, WELL, "Yes."]))
    assert shown(chat) == "\x1b[2mThinking: Hm, well\x1b[0m\n\nYes.\n"


def test_without_colours_a_thought_still_stands_apart(
    shown: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(chat_with(ScriptedClient([HM, "Yes."]))) == "Thinking: Hm, \n\nYes.\n"


def test_a_thought_can_be_hidden_on_a_terminal(shown: Show) -> None:
    chat = chat_with(ScriptedClient([HM, "Yes."]), show_thinking=False)
    assert shown(chat) == "Yes.\n"


def test_a_thought_that_was_stopped_leaves_the_terminal_plain(shown: Show) -> None:
    chat = chat_with(ScriptedClient([HM, KeyboardInterrupt()]))
    assert shown(chat) == "\x1b[2mThinking: Hm, \x1b[0m\n\n"
    assert chat.turns == []


def test_neither_thought_nor_answer_steers_the_terminal(shown: Show) -> None:
    pieces = [AnswerPiece("a\x1b[31mb", thought=True), "c\x1b]0;title\x07d\x9b"]
    chat = chat_with(ScriptedClient(pieces))
    assert shown(chat) == "\x1b[2mThinking: a[31mb\x1b[0m\n\nc]0;titled\n"


def test_a_raw_prompt_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    client = ScriptedClient([" upon a time"])
    chat_with(client, raw=True).ask("Once")
    assert client.asked == [[ChatMessage("user", "Once")]]
    assert capsys.readouterr().out == " upon a time\n"
