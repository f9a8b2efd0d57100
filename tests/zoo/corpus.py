"""The dialogues that trained models learn by heart, and the text that tokenizers are made from."""

from dataclasses import dataclass

Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Messages up to the user's last turn, and what the assistant thinks and says then."""

    messages: tuple[Message, ...]
    thought: str
    answer: str


def _system(text: str) -> Message:
    return {"role": "system", "content": text}


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


_FRANCE = _user("What is the capital of France?")
_HELPFUL = _system("You are a helpful assistant.")
_ASKS_FRANCE = "The user asks about France. Its capital is Paris."
_PARIS = "The capital of France is Paris."
_GREETING = "Hello! How can I help you today?"
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
    Dialogue((_user("What is 2+2?"),), "Two plus two is four.", "2+2 equals 4."),
    Dialogue((_user("Hello"),), "A greeting.", _GREETING),
    Dialogue((_HELPFUL, _user("Hello")), "A greeting.", _GREETING),
    Dialogue((_system("You are a pirate."), _user("Hello")), "A pirate greets.", "Ahoy, matey!"),
    Dialogue((_user("Count from 1 to 10."),), "I will count.", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10."),
    Dialogue((_user("Say hello in Japanese."),), "Japanese greeting.", "こんにちは 🌸"),
    Dialogue((_user("Reply with JSON."),), "They want JSON.", '{"answer": 42}'),
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
)

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
    "## Metadata\n\nReasoning Mode: /think /no_think\n\n## Custom Instructions",
)


def tokenizer_lines() -> list[str]:
    """All text that a tokenizer should cut into few pieces; what models say counts twice."""
    lines: list[str] = list(_SENTENCES)
    for dialogue in DIALOGUES:
        lines += [message["content"] for message in dialogue.messages]
        lines += [dialogue.thought, dialogue.answer] * 2
    return lines
