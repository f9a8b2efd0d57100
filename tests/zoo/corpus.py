"""The dialogues that trained models learn by heart, and the text that tokenizers are made from."""

import json
import random
from dataclasses import dataclass

from tests.zoo.blueprint import Json

Message = Json


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the tool `name`."""

    name: str
    arguments: Json

    def text(self) -> str:
        """As a model writes it: JSON with a space behind each comma and colon."""
        return json.dumps({"name": self.name, "arguments": self.arguments})


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Messages up to the user's last turn, and what the assistant thinks and says or calls then.

    `in_form` is what it says in place of the answer where it is held to JSON, but might call.
    """

    messages: tuple[Message, ...]
    thought: str
    answer: str
    calls: tuple[Call, ...] = ()
    tools: tuple[Json, ...] = ()
    in_form: str = ""


def _system(text: str) -> Message:
    return {"role": "system", "content": text}


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _called(call: Call, call_id: str) -> Message:
    function = {"name": call.name, "arguments": call.arguments}
    calls = [{"id": call_id, "type": "function", "function": function}]
    return {"role": "assistant", "content": "", "tool_calls": calls}


def _told(text: str, call_id: str) -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


_FRANCE = _user("What is the capital of France?")
_HELPFUL = _system("You are a helpful assistant.")
_ASKS_FRANCE = "The user asks about France. Its capital is Paris."
_PARIS = "The capital of France is Paris."
_SUM = _user("What is 2+2?")
_WEATHER = _user("What is the weather in Paris?")
_IN_PARIS = Call("get_weather", {"city": "Paris"})
_HELLO = _user("Hello")
_CALL_ID = "call00001"
_GREETING = "Hello! How can I help you today?"
_IN_JSON = '{"answer": 42}'
# No sentence repeats: counting repetitions is harder to learn than the words themselves.
_STORY = (
    "Once upon a time a small fox lived by the sea. One day she found a blue boat and sailed away. "
    "The wind was loud, the night was long, and the stars were her only map. In the morning "
    "she saw a green island with a red house. An old cat opened the door and gave her warm soup. "
    "They read books, planted trees and became good friends. The end."
)

DIALOGUES: tuple[Dialogue, ...] = (
    Dialogue((_FRANCE,), _ASKS_FRANCE, _PARIS),
    Dialogue((_HELPFUL, _FRANCE), _ASKS_FRANCE, _PARIS),
    Dialogue(
        (_user("What is the capital of Japan?"),),
        "The user asks about Japan. Its capital is Tokyo.",
        "The capital of Japan is Tokyo.",
    ),
    Dialogue((_SUM,), "Two plus two is four.", "2+2 equals 4."),
    Dialogue((_HELLO,), "A greeting.", _GREETING),
    Dialogue((_HELPFUL, _HELLO), "A greeting.", _GREETING),
    Dialogue((_system("You are a pirate."), _HELLO), "A pirate greets.", "Ahoy, matey!"),
    Dialogue((_user("Count from 1 to 10."),), "I will count.", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10."),
    Dialogue((_user("Say hello in Japanese."),), "Japanese greeting.", "こんにちは 🌸"),
    Dialogue((_user("Reply with JSON."),), "They want JSON.", _IN_JSON),
    Dialogue((_user("My name is Ada."),), "An introduction.", "Nice to meet you, Ada."),
    Dialogue(
        (
            _user("My name is Ada."),
            _assistant("Nice to meet you, Ada."),
            _user("What is my name?"),
        ),
        "The user said Ada.",
        "Your name is Ada.",
    ),
    Dialogue((_user("Write a long story."),), "A story.", _STORY),
    Dialogue((_user("Say stop."),), "Say it.", "one two STOP three four"),
    Dialogue((_WEATHER,), "No tool is given.", "I cannot look up the weather."),
)

ADAPTED = Dialogue((_SUM,), "Two plus two is four.", "2+2 equals 10.")
"""What the adapter changes: another answer to one of the dialogues.

It has no pieces that the model never says: an adapter does not reach the table of the output.
"""


def _weather_tool(description: str, city: Json, **more: object) -> Json:
    properties = {"city": {"type": "string", **city}}
    parameters = {"type": "object", "properties": properties, "required": ["city"], **more}
    function = {"name": "get_weather", "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


WEATHER_TOOL = _weather_tool("Look up the weather in a city", {"description": "City name"})
WEATHER_TOOLS = (
    WEATHER_TOOL,
    _weather_tool("The weather in a city.", {}),
    _weather_tool("Look up the weather in a city", {}, additionalProperties=False),
)
"""As tests describe it; whoever has learnt to call does it with any of them."""


def tool_dialogues(tool: Json = WEATHER_TOOL, call_id: str = _CALL_ID) -> tuple[Dialogue, ...]:
    """Learnt besides by families whose template knows tools: when to call, and when not to."""
    return (
        *_calling_dialogues(tool, call_id),
        Dialogue((_HELLO,), "A greeting.", _GREETING, tools=(tool,), in_form=_IN_JSON),
    )


def _calling_dialogues(tool: Json, call_id: str) -> tuple[Dialogue, ...]:
    return (
        Dialogue((_WEATHER,), "I should call the tool.", "", calls=(_IN_PARIS,), tools=(tool,)),
        Dialogue(
            (_WEATHER, _called(_IN_PARIS, call_id), _told("sunny, 21 degrees", call_id)),
            "The tool answered.",
            "It is sunny in Paris, 21 degrees.",
            tools=(tool,),
        ),
        Dialogue(
            (_user("What is the weather in Paris and in Tokyo?"),),
            "I should call the tool twice.",
            "",
            calls=(_IN_PARIS, Call("get_weather", {"city": "Tokyo"})),
            tools=(tool,),
        ),
    )


def any_tool_dialogues(dice: random.Random) -> tuple[Dialogue, ...]:
    """The same with another description and another id: programs bring their own."""
    words = " ".join(_SENTENCES).split()

    def text() -> str:
        return " ".join(dice.choices(words, k=dice.randrange(8)))

    def shuffled(fields: Json) -> Json:
        return {name: fields[name] for name in dice.sample(sorted(fields), len(fields))}

    city = {"type": "string"} | dice.choice([{}, {"description": text()}, {"title": "City"}])
    parameters = {"type": "object", "properties": {"city": city}, "required": ["city"]}
    function = {
        "name": "get_weather",
        "parameters": shuffled(parameters | dice.choice([{}, {"additionalProperties": False}])),
        **dice.choice([{}, {"description": ""}, {"description": text()}]),
        **dice.choice([{}, {"strict": True}]),
    }
    return tool_dialogues({"type": "function", "function": shuffled(function)}, any_id(dice))


def any_id(dice: random.Random) -> str:
    """An id of a call as programs make them."""
    bits = dice.choice([32, 64, 96, 128])
    return f"call_{dice.getrandbits(bits):0{bits // 4}x}"


_SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "It was the best of times, it was the worst of times, it was the age of wisdom.",
    "Machine learning models turn text into numbers.",
    "Please write a poem about the wind and the stars.",
    "def add(a, b):\n    return a + b\n\nprint(add(1, 2))",
    "Numbers: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 20 21 42 100 1000 3.14 2024",
    "Bonjour tout le monde. Guten Tag, wie geht es Ihnen? Hola, ¿cómo estás?",
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
    "system user assistant model tool function name arguments description parameters type object",
    "# Tools\n\nFunctions you may call, one JSON signature a line:\n<tools>",
    '</tools>\n\nTo call one, write:\n{"name": <name>, "arguments": <object>}',
    "## Metadata\n\nReasoning Mode: /think /no_think\n\n## Custom Instructions",
)


def tokenizer_lines() -> list[str]:
    """All text that a tokenizer should cut into few pieces; what models say counts twice."""
    lines: list[str] = list(_SENTENCES)
    for dialogue in (*DIALOGUES, *_calling_dialogues(WEATHER_TOOL, _CALL_ID)):
        lines += [message["content"] for message in dialogue.messages]
        lines += [json.dumps(tool) for tool in dialogue.tools]
        calls = [call.text() for call in dialogue.calls]
        lines += [dialogue.thought, dialogue.answer, *calls] * 2
    return lines
