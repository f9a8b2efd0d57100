"""What can be typed at the prompt of `mlx-gui run` besides questions."""

import json
from pathlib import Path
from typing import Any, cast

import pytest

from mlx_gui.cli.chat import Chat
from mlx_gui.cli.conversation import COMMANDS, BadCommand, is_command, obey
from mlx_gui.client import AnswerOptions, ChatMessage, Client


@pytest.fixture
def chat() -> Chat:
    return Chat(
        cast(Client, None),
        "org/tiny",
        system="Be brief.",
        turns=[ChatMessage("user", "Hi"), ChatMessage("assistant", "Hello")],
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/set", True),
        ("/help me", True),
        ("/nonsense", True),
        ("/etc/hosts is what?", False),
        ("/ alone", False),
        ("What does /set do?", False),
        ("/1", False),
    ],
)
def test_a_command_is_a_word_after_a_slash(line: str, expected: bool) -> None:
    assert is_command(line) is expected


@pytest.mark.parametrize(
    ("name", "value", "option", "expected"),
    [
        ("temperature", "0", "temperature", 0.0),
        ("top_p", "0.5", "top_p", 0.5),
        ("top_k", "7", "top_k", 7),
        ("min_p", "0.1", "min_p", 0.1),
        ("repeat_penalty", "1.1", "repetition_penalty", 1.1),
        ("max_tokens", "12", "max_tokens", 12),
        ("seed", "-1", "seed", -1),
        ("stop", "The End", "stop", ("The End",)),
        ("think", "off", "enable_thinking", False),
        ("effort", "high", "reasoning_effort", "high"),
        ("format", "json", "response_format", {"type": "json_object"}),
    ],
)
def test_an_option_is_set_typed_and_reset(
    chat: Chat, name: str, value: str, option: str, expected: object
) -> None:
    assert obey(chat, f"/set {name}  {value}") == f"{name} is {value}."
    assert getattr(chat.options, option) == expected
    assert obey(chat, f"/set {name}") == f"{name} is reset."
    assert chat.options == AnswerOptions()


def test_what_is_shown_is_set_as_well(chat: Chat) -> None:
    obey(chat, "/set show_thinking off")
    obey(chat, "/set verbose on")
    assert (chat.show_thinking, chat.verbose) == (False, True)
    obey(chat, "/set show_thinking")
    obey(chat, "/set verbose")
    assert (chat.show_thinking, chat.verbose) == (None, False)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/sett temperature 1", "/sett is not a command"),
        ("/set", "/set takes temperature, top_p"),
        ("/set flavour sweet", "/set takes temperature"),
        ("/set temperature hot", "hot is no value for temperature"),
        ("/set top_k 1.5", "1.5 is no value for top_k"),
        ("/set think maybe", "maybe is no value for think"),
        ("/set format /nowhere/schema.json", "cannot be read"),
        ("/save", "needs the name of a file"),
        ("/save /nowhere/file", "cannot be written"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(chat: Chat, line: str, said: str) -> None:
    with pytest.raises(BadCommand, match=said):
        obey(chat, line)
    assert chat.options == AnswerOptions()


def test_a_schema_is_read_from_its_file(chat: Chat, tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text('{"type": "object"}', encoding="utf-8")
    obey(chat, f"/set format {file}")
    assert chat.options.response_format == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}},
    }
    for content in ("{", "[]"):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(BadCommand, match=r"schema\.json"):
            obey(chat, f"/set format {file}")


def test_clear_forgets_the_conversation_but_not_the_system_message(chat: Chat) -> None:
    obey(chat, "/clear")
    assert chat.messages("Well?") == [
        ChatMessage("system", "Be brief."),
        ChatMessage("user", "Well?"),
    ]


def test_the_system_message_is_changed_within_the_conversation(chat: Chat) -> None:
    obey(chat, "/system Be a poet.")
    assert [message.content for message in chat.messages()] == ["Be a poet.", "Hi", "Hello"]
    obey(chat, "/system")
    assert [message.content for message in chat.messages()] == ["Hi", "Hello"]


def test_a_saved_conversation_is_json_and_overwrites_nothing(chat: Chat, tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    obey(chat, f"/save {file}")
    saved: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert saved["model"] == "org/tiny"
    assert [message["content"] for message in saved["messages"]] == ["Be brief.", "Hi", "Hello"]
    with pytest.raises(BadCommand, match="is there already"):
        obey(chat, f"/save {file}")


def test_show_tells_what_holds(chat: Chat) -> None:
    assert "as the model has them" in obey(chat, "/show")
    obey(chat, "/set top_k 3")
    shown = obey(chat, "/show")
    for part in ("org/tiny", '{"top_k": 3}', "Be brief.", "Turns    2"):
        assert part in shown


def test_help_names_every_command(chat: Chat) -> None:
    for name in (*COMMANDS, "/bye", '"""'):
        assert name in obey(chat, "/help") or name == "/help"
