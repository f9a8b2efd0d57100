"""Dialects of tests, and answers in them."""

import importlib
import importlib.util
import sys
import types
from collections.abc import Iterable, Sequence
from pathlib import Path

from mlx_gui.core.generation import GenerateRequest, Reasoning, Tool, ToolChoice
from mlx_gui.parsers.base import (
    AnswerParser,
    Call,
    CallArguments,
    CallBegan,
    Dialect,
    LibraryTools,
    Piece,
    Text,
)
from mlx_gui.parsers.dialects import dialect_of, parser_for

WEATHER = Tool(
    "get_weather",
    "The weather in a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
ADD = Tool("add", "", {"type": "object", "properties": {"a": {"type": "integer"}}})
TOOLS = (WEATHER, ADD)
AUTO = ToolChoice()


def library_folder() -> Path:
    """Where mlx-lm keeps its parsers, found without importing it."""
    spec = importlib.util.find_spec("mlx_lm")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "tool_parsers"


def library(name: str) -> LibraryTools:
    """One of mlx-lm's parsers, in a package of our own: theirs would import MLX."""
    package = "tool_parsers_of_the_library"
    if package not in sys.modules:
        sys.modules[package] = types.ModuleType(package)
        sys.modules[package].__path__ = [str(library_folder())]
    module = importlib.import_module(f"{package}.{name}")
    return LibraryTools(name, module.tool_call_start, module.tool_call_end, module.parse_tool_call)


BAR, SPACE = "\N{FULLWIDTH VERTICAL LINE}", "\N{LOWER ONE EIGHTH BLOCK}"


def deepseek(words: str) -> str:
    """One of DeepSeek's markers."""
    return f"<{BAR}{words}{BAR}>".replace(" ", SPACE)


# Each is what matters of the family's template.
TEMPLATES = {
    "Qwen3": "{{ tools }} <tool_call> <think> </think>",
    "Mistral": "{{ tools }} [TOOL_CALLS] [THINK] [/THINK]",
    "Mistral, named": "{{ tools }} [TOOL_CALLS] [ARGS]",
    "Llama 3": "{{ tools }} <|python_tag|>",
    "DeepSeek V3": "{{ tools }} <think> </think> ```json " + deepseek("tool calls begin"),
    "DeepSeek V3.1": "{{ tools }} <think> </think> " + deepseek("tool calls begin"),
    "Gemma 3": "{{ tools }} ```tool_code",
    "Granite": "{{ tools }} <|tool_call|>",
    "Phi-4-mini": "{{ tools }} <|tool_call|> <|/tool_call|>",
    "Cohere": "{{ tools }} <|START_ACTION|> <|START_THINKING|> <|END_THINKING|>",
    "Hunyuan": "{{ tools }} <tool_calls> <think> </think>",
    "gpt-oss": "{{ tools }} <|channel|> <|message|>",
    "without tools": "{{ messages }} <longcat_think> </longcat_think>",
}


def dialect(name: str) -> Dialect:
    """A dialect of `TEMPLATES`, in a vocabulary that has its markers and no others."""
    template = TEMPLATES[name]
    return dialect_of(template, lambda token: token in template, None)


def parser(
    of: Dialect,
    *,
    thinking: bool = False,
    constrained: bool = False,
    tools: Sequence[Tool] = TOOLS,
    choice: ToolChoice = AUTO,
    raw: bool = False,
) -> AnswerParser:
    request = GenerateRequest(tools=tuple(tools), tool_choice=choice, reasoning=Reasoning(raw=raw))
    return parser_for(of, request, prompt_ends_in_thought=thinking, constrained=constrained)


def read(parser: AnswerParser, texts: Iterable[str]) -> list[Piece]:
    """All pieces of an answer, those of one kind in a row made one."""
    merged: list[Piece] = []
    for piece in [*(piece for text in texts for piece in parser.feed(text)), *parser.finish()]:
        match merged[-1] if merged else None, piece:
            case Text(channel, before), Text(same, text) if channel == same:
                merged[-1] = Text(channel, before + text)
            case CallArguments(before), CallArguments(text):
                merged[-1] = CallArguments(before + text)
            case _:
                merged.append(piece)
    return merged


def content(text: str) -> list[Piece]:
    return [Text("content", text)]


def reasoning(text: str) -> list[Piece]:
    return [Text("reasoning", text)]


def called(*calls: Call) -> list[Piece]:
    return [
        piece for call in calls for piece in (CallBegan(call.name), CallArguments(call.arguments))
    ]


PARIS = Call("get_weather", '{"city": "Paris"}')
ROME = Call("get_weather", '{"city":"Rome"}')
