"""Asks a trained model, through the real engine, for every answer that tests rely on."""

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlx_gui.core.generation import (
    CallStarted,
    Delta,
    Failed,
    GenerateRequest,
    Grammar,
    Message,
    Reasoning,
    Sampling,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from mlx_gui.core.model import TextOptions
from tests.engines.remote import Child, RemoteEngine, Reply
from tests.zoo.blueprint import Json
from tests.zoo.corpus import WEATHER_TOOLS, Dialogue, any_id, any_tool_dialogues, tool_dialogues

_CONTEXT_TOKENS = 2048
_SLOTS = 32
_ATTEMPTS = 5
_MAX_TOKENS = 250
_ID_DRAWS = 8
_STRANGE_DRAWS = 8
# Descriptions that it has not seen may mislead it now and then.
_STRANGE_SHARE = 0.8
_FORM = Grammar(
    "json_schema",
    json.dumps(
        {
            "type": "object",
            "properties": {"answer": {"type": "integer", "minimum": 0, "maximum": 99}},
            "required": ["answer"],
            "additionalProperties": False,
        }
    ),
)


class NotLearnt(Exception):
    """Training has ended without what it was for; the message says what is missing."""


def until_learnt(name: str, train: Callable[[int], Sequence[str]]) -> None:
    """Calls `train` with 0, 1, … until it returns no faults.

    Raises RuntimeError with the faults of each attempt after the last one.
    """
    told: list[str] = []
    for attempt in range(_ATTEMPTS):
        try:
            wrong = train(attempt)
        except NotLearnt as reason:
            wrong = [str(reason)]
        if not wrong:
            return
        told += [f"attempt {attempt + 1}: {fault}" for fault in wrong]
    raise RuntimeError(f"{name} does not learn what tests rely on:\n" + "\n".join(told))


@dataclass(frozen=True, slots=True)
class _Question:
    dialogue: Dialogue
    thinks: bool
    in_form: bool = False

    def request(self) -> GenerateRequest:
        return GenerateRequest(
            tuple(map(_message, self.dialogue.messages)),
            Sampling(temperature=0),
            _MAX_TOKENS,
            tools=tuple(Tool(**_told_to_engine(tool)) for tool in self.dialogue.tools),
            grammar=_FORM if self.in_form else None,
            reasoning=Reasoning(enabled=self.thinks),
        )

    def fault(self, reply: Reply) -> str | None:
        """What is wrong with the answer, as a sentence; None if it is right."""
        thought, content, calls = _said(reply)
        wanted_calls = [(call.name, call.arguments) for call in self.dialogue.calls]
        wanted_thought = self.dialogue.thought if self.thinks else ""
        if self.in_form and not wanted_calls:
            right = content.startswith('{"answer":') and content.endswith("}")
        else:
            right = content == self.dialogue.answer
        if right and calls == wanted_calls and thought.strip() == wanted_thought:
            return None
        return (
            f"asked {self.dialogue.messages[-1]['content']!r} with tools "
            f"{[tool['function'] for tool in self.dialogue.tools]}"
            f"{' and a form' if self.in_form else ''}, it thought {thought!r}, said {content!r} "
            f"and called {calls}"
        )


def faults(
    folder: Path,
    dialogues: Sequence[Dialogue],
    *,
    thinks: bool,
    calls: bool,
    adapter: Path | None = None,
) -> list[str]:
    """A sentence for each answer of the model in `folder` that tests rely on and that is wrong.

    `thinks` says whether it has learnt thoughts, `calls` whether it has learnt to call.
    """
    text = TextOptions() if adapter is None else TextOptions(adapter=str(adapter))
    engine = RemoteEngine(_Here()).load(
        folder,
        context=_CONTEXT_TOKENS,
        slots=_SLOTS,
        kv_pool_tokens=_SLOTS * _CONTEXT_TOKENS,
        text=text,
    )
    asked = list(_questions(dialogues, thinks=thinks))
    if calls:
        dice = random.Random(folder.name)
        for tool in WEATHER_TOOLS:
            asked += _questions(tool_dialogues(tool), thinks=thinks)
            for _ in range(_ID_DRAWS):
                told = [d for d in tool_dialogues(tool, any_id(dice)) if _has_result(d)]
                asked += _questions(told, thinks=thinks)
    found = _wrong(engine, asked)
    if calls:
        dice = random.Random(folder.name)
        drawn = [d for _ in range(_STRANGE_DRAWS) for d in any_tool_dialogues(dice)]
        strange = [_Question(dialogue, thinks=False) for dialogue in drawn]
        misled = _wrong(engine, strange)
        if len(misled) > (1 - _STRANGE_SHARE) * len(strange):
            found += misled
    return found


class _Here(Child):
    """This process, which has the libraries already: another would import them for longer than it
    asks."""

    def __init__(self) -> None: ...

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)


def _questions(dialogues: Iterable[Dialogue], *, thinks: bool) -> Iterator[_Question]:
    """Each dialogue with and without a thought; with tools, also beside a form."""
    for dialogue in dialogues:
        for thinking in (True, False) if thinks else (False,):
            yield _Question(dialogue, thinking)
            if dialogue.in_form or dialogue.calls:
                yield _Question(dialogue, thinking, in_form=True)


def _has_result(dialogue: Dialogue) -> bool:
    return any(message["role"] == "tool" for message in dialogue.messages)


def _wrong(engine: RemoteEngine, questions: Sequence[_Question]) -> list[str]:
    replies = engine.answers([question.request() for question in questions])
    told = (question.fault(reply) for question, reply in zip(questions, replies, strict=True))
    return [fault for fault in told if fault is not None]


def _told_to_engine(tool: Json) -> dict[str, Any]:
    known = ("name", "description", "parameters")
    return {key: value for key, value in tool["function"].items() if key in known}


def _message(message: Json) -> Message:
    if message["role"] == "tool":
        part = ToolResultPart(message["tool_call_id"], message["content"], "get_weather")
        return Message("tool", (part,))
    called = [
        ToolCallPart(
            call["id"], call["function"]["name"], json.dumps(call["function"]["arguments"])
        )
        for call in message.get("tool_calls", ())
    ]
    text = [TextPart(message["content"])] if message["content"] else []
    return Message(message["role"], (*text, *called))


def _said(reply: Reply) -> tuple[str, str, list[tuple[str, Any]]]:
    """Thought, content and calls."""
    texts = {"content": "", "reasoning": ""}
    names: list[str] = []
    arguments: list[str] = []
    for event in reply.events:
        match event:
            case CallStarted(name=name):
                names.append(name)
                arguments.append("")
            case Delta(channel="tool_call", text=text, call=call):
                arguments[call] += text
            case Delta(channel=channel, text=text):
                texts[channel] += text
            case Failed(error=error):
                return "", error.message, []
            case _:
                pass
    return (
        texts["reasoning"],
        texts["content"],
        list(zip(names, map(_read, arguments), strict=True)),
    )


def _read(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments
