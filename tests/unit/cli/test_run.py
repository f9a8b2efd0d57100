"""`mlx-gui run` without a terminal and without a server: the turns of a conversation."""

from collections.abc import Iterator, Sequence
from typing import Self

import pytest

from mlx_gui.cli.run import Chat
from mlx_gui.client import ChatMessage, ChatUsage, Client
from mlx_gui.core.errors import WorkerFailed


class ScriptedStream:
    """Gives its pieces; a piece that is an exception is raised."""

    finish_reason = "stop"

    def __init__(self, pieces: Sequence[str | BaseException]) -> None:
        self.usage: ChatUsage | None = None
        self._pieces = pieces

    def __iter__(self) -> Iterator[str]:
        for piece in self._pieces:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
        self.usage = ChatUsage(prompt_tokens=3, completion_tokens=len(self._pieces))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""


class ScriptedClient(Client):
    """Answers with the next of its scripts and keeps what it was asked."""

    def __init__(self, *answers: Sequence[str | BaseException]) -> None:
        self.asked: list[list[ChatMessage]] = []
        self._answers = iter(answers)

    def chat(self, model: str, messages: Sequence[ChatMessage], **_: object) -> ScriptedStream:  # type: ignore[override]
        self.asked.append(list(messages))
        return ScriptedStream(next(self._answers))


def chat_with(client: Client, *, verbose: bool = False, system: str | None = None) -> Chat:
    return Chat(
        client,
        "org/tiny",
        temperature=None,
        max_tokens=None,
        seed=None,
        verbose=verbose,
        messages=[] if system is None else [ChatMessage("system", system)],
    )


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
