"""Prompts on real tokenizers, next to what plain transformers makes of the same messages."""

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlx_gui.core.errors import CapabilityMissing, ContextTooLong, InvalidRequest
from mlx_gui.core.generation import (
    DetokenizeRequest,
    GenerateRequest,
    Grammar,
    Message,
    Reasoning,
    ReasoningPart,
    TextPart,
    TokenizeRequest,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from mlx_gui.core.model import TextOptions
from mlx_gui.parsers.base import CallArguments, CallBegan, Piece, Text
from tests.engines import remote
from tests.engines.remote import RemoteEngine, ask
from tests.zoo.cache import checkpoint
from tests.zoo.families import FAMILIES

if TYPE_CHECKING:  # it brings MLX, which has no place in this process
    from mlx_gui.engines.text.prompt import Prompt

WEATHER = Tool("get_weather", "The weather.", {"type": "object", "properties": {}})
CALL = ToolCallPart("c1", "get_weather", '{"city": "Paris"}')
OPENAI_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {}},
    },
}
OPENAI_CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": {"city": "Paris"}},
}


# In the child


def _preparation() -> Any:
    return remote._engines[0]._model().preparation


def plain_ids(messages: list[dict[str, Any]], variables: dict[str, Any]) -> list[int]:
    tokenizer = remote._engines[0]._model().loaded.tokenizer._tokenizer
    return tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=False, **variables
    )


def decoded(ids: tuple[int, ...]) -> str:
    return remote._engines[0]._model().loaded.tokenizer.decode(list(ids))


def with_boundaries(request: GenerateRequest) -> list[str]:
    """The texts up to the boundaries of a prompt."""
    preparation = _preparation()
    preparation._with_boundaries = True
    prompt = preparation.prepare("r", request).payload
    return [decoded(prompt.ids[:boundary]) for boundary in prompt.boundaries]


def grammar_kind(request: GenerateRequest) -> str | None:
    """What a prompt is held to; a compiled grammar cannot leave the process."""
    grammar = _preparation().prepare("r", request).payload.grammar
    return grammar and grammar.kind


def streamed_arguments(request: GenerateRequest) -> list[Piece]:
    """What a parser gives of a call before it is complete."""
    answer = _preparation().prepare("r", request).payload.parser()
    answer.feed('<tool_call>\n{"name": "get_weather", "arguments": ')
    return answer.feed('{"ci')


def without_template(request: GenerateRequest) -> str:
    _preparation()._chat._stored = None
    return decoded(_preparation().prepare("r", request).payload.ids)


# Here


def user(text: str) -> Message:
    return Message("user", (TextPart(text),))


def system(text: str) -> Message:
    return Message("system", (TextPart(text),))


def assistant(text: str) -> Message:
    return Message("assistant", (TextPart(text),))


def prompt(engine: RemoteEngine, request: GenerateRequest) -> "Prompt":
    return engine.prepare("r", request).payload


def text(engine: RemoteEngine, request: GenerateRequest) -> str:
    return engine.child.call(decoded, prompt(engine, request).ids)


@pytest.fixture
def qwen3(engine: RemoteEngine) -> RemoteEngine:
    return engine.load(checkpoint("Qwen3-tiny"))


def load(engine: RemoteEngine, name: str, **options: Any) -> RemoteEngine:
    return engine.load(checkpoint(name), text=TextOptions(**options))


@pytest.mark.parametrize("name", FAMILIES)
def test_prompts_equal_those_of_plain_transformers(name: str, engine: RemoteEngine) -> None:
    load(engine, name)
    talk = [
        {"role": "user", "content": "Hello 🌸"},
        {"role": "assistant", "content": "Hi!"},
        {"role": "user", "content": "2+2?"},
    ]
    ours = (user("Hello 🌸"), assistant("Hi!"), user("2+2?"))
    briefly = {"role": "system", "content": "Be brief."}
    cases = [
        ((ours[0],), [talk[0]], {}, {}),
        (ours, talk, {}, {}),
        ((system("Be brief."), *ours), [briefly, *talk], {}, {}),
        (ours, talk, {"reasoning": Reasoning(enabled=False)}, {"enable_thinking": False}),
        (ours, talk, {"reasoning": Reasoning(enabled=True)}, {"enable_thinking": True}),
        (ours, talk, {"reasoning": Reasoning(effort="none")}, {"enable_thinking": False}),
    ]
    for messages, plain, settings, variables in cases:
        ids = prompt(engine, GenerateRequest(messages, **settings)).ids
        assert list(ids) == engine.child.call(plain_ids, plain, variables)


@pytest.mark.parametrize("name", ["Qwen3-tiny", "SmolLM3-tiny", "Mistral-Small-2501-tiny"])
def test_tools_and_calls_equal_those_of_plain_transformers(name: str, engine: RemoteEngine) -> None:
    load(engine, name)
    messages = (
        user("Weather?"),
        Message("assistant", (ReasoningPart("I look."), CALL)),
        Message("tool", (ToolResultPart("c1", "sunny"),)),
    )
    plain = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "", "reasoning_content": "I look.",
         "tool_calls": [OPENAI_CALL]},
        {"role": "tool", "content": "sunny", "tool_call_id": "c1", "name": "get_weather"},
    ]  # fmt: skip
    ids = prompt(engine, GenerateRequest(messages, tools=(WEATHER,))).ids
    assert list(ids) == engine.child.call(plain_ids, plain, {"tools": [OPENAI_TOOL]})
    # Nothing is told of tools that may not be called.
    none = GenerateRequest(messages, tools=(WEATHER,), tool_choice=ToolChoice("none"))
    assert list(prompt(engine, none).ids) == engine.child.call(plain_ids, plain, {})


def test_families_that_think_have_their_markers(engine: RemoteEngine) -> None:
    markers = {}
    for name in ("Qwen3-tiny", "SmolLM3-tiny", "DeepSeek-R1-tiny", "Llama-3.2-tiny"):
        load(engine, name)
        thinking = prompt(engine, ask("Hello")).thinking
        markers[name] = thinking and (thinking.markers.start, thinking.markers.end)
    think = ("<think>", "</think>")
    assert markers == {
        "Qwen3-tiny": think,
        "SmolLM3-tiny": think,
        "DeepSeek-R1-tiny": think,
        "Llama-3.2-tiny": None,
    }


def test_an_open_thought_at_the_end_of_a_prompt_is_seen(engine: RemoteEngine) -> None:
    def stage(request: GenerateRequest) -> str:
        return prompt(engine, request).thinking.stage

    load(engine, "DeepSeek-R1-Distill-Qwen-tiny")
    assert stage(ask("What does <think> mean?")) == "thinking"
    assert prompt(engine, ask("Hello")).parser().thinking
    load(engine, "Qwen3-tiny")
    assert stage(ask("What does <think> mean?")) == "before"
    off = prompt(engine, ask("Hello", reasoning=Reasoning(enabled=False)))
    assert (off.thinking.stage, off.thinking.budget_tokens) == ("before", 0)
    assert stage(GenerateRequest(prompt="a<think>b")) == "thinking"
    assert stage(GenerateRequest(prompt="a<think>b</think>")) == "before"


def test_settings_of_the_model_are_defaults_for_requests(engine: RemoteEngine) -> None:
    load(
        engine,
        "Qwen3-tiny",
        template="{{ greeting }} {{ tone }} {{ enable_thinking }} {{ reasoning_effort }} "
        "{{ thinking_budget }} {{ messages[0].content }} {{ eos_token }}",
        template_arguments={"greeting": "Hi", "tone": "kind", "messages": "no"},
        reasoning=Reasoning(enabled=False, budget_tokens=7),
    )
    assert text(engine, ask("a")) == "Hi kind False  7 a <|im_end|>"
    told = ask("a", template_arguments={"tone": "stern"}, reasoning=Reasoning(effort="low"))
    assert text(engine, told) == "Hi stern True low 7 a <|im_end|>"
    assert text(engine, ask("a", template="own {{ messages[0].content }}")) == "own a"


def test_templates_that_want_turns_get_them(engine: RemoteEngine) -> None:
    load(engine, "gemma-3-text-tiny")
    request = GenerateRequest((system("Be brief."), user("a"), user("b"), assistant("c")))
    assert text(engine, request) == (
        "<bos><start_of_turn>user\nBe brief.\n\na\n\nb<end_of_turn>\n"
        "<start_of_turn>model\nc<end_of_turn>\n<start_of_turn>model\n"
    )
    first = GenerateRequest((assistant("first"), user("a")))
    assert text(engine, first) == (
        "<bos><start_of_turn>user\n<end_of_turn>\n<start_of_turn>model\nfirst<end_of_turn>\n"
        "<start_of_turn>user\na<end_of_turn>\n<start_of_turn>model\n"
    )


CALLS_LIKE_MISTRAL = """
{%- set ns = namespace(index=0) %}
{%- for message in messages if not (message.role == 'tool' or message.tool_calls) %}
    {%- if (message.role == 'user') != (ns.index % 2 == 0) %}
        {{- raise_exception('roles must alternate') }}
    {%- endif %}
    {%- set ns.index = ns.index + 1 %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'tool' or message.tool_calls %}
        {%- set id = message.tool_call_id or message.tool_calls[0].id %}
        {%- if id | length != 9 %}{{- raise_exception('ids have length 9') }}{%- endif %}
        {{- '<' + id + ':' + (message.content or message.tool_calls[0].function.name) + '>' }}
    {%- else %}
        {{- '[' + message.role + ':' + message.content + ']' }}
    {%- endif %}
{%- endfor %}{% if tools %}{% endif %}"""


def test_templates_that_want_ids_of_their_own_get_them(engine: RemoteEngine) -> None:
    load(engine, "Qwen3-tiny", template=CALLS_LIKE_MISTRAL)
    called = Message("assistant", (CALL,))
    result = Message("tool", (ToolResultPart("c1", "sunny"),))
    loop = (user("a"), called, result, assistant("b"), user("c"))
    told = text(engine, GenerateRequest(loop, tools=(WEATHER,)))
    before, id, between, same, after = re.split(r"(?<=<)(\w{9})", told)
    assert (before, between, after) == (
        "[user:a]<", ":get_weather><", ":sunny>[assistant:b][user:c]"
    )  # fmt: skip
    assert id == same
    assert text(engine, GenerateRequest((system("s"), called, result, assistant("b")))) == (
        f"[user:s]<{id}:get_weather><{id}:sunny>[assistant:b]"
    )
    # The user has spoken twice, with a call in between: it is told as text.
    told = text(engine, GenerateRequest((user("a"), called, user("b"))))
    assert told.startswith("[user:a][assistant:<tool_call>")
    assert told.endswith("</tool_call>][user:b]")


def test_tools_for_a_template_that_knows_none(engine: RemoteEngine) -> None:
    request = GenerateRequest((user("Weather?"),), tools=(WEATHER,))
    load(engine, "Llama-3.2-tiny")
    told = prompt(engine, request)
    assert "<tool_call>\n" in engine.child.call(decoded, told.ids)
    answer = told.parser()
    pieces = answer.feed('<tool_call>{"name": "get_weather", "arguments": {}}</tool_call>')
    assert pieces == [CallBegan("get_weather"), CallArguments("{}")]
    load(engine, "Llama-3.2-tiny", tool_prompt="refuse")
    with pytest.raises(CapabilityMissing, match="knows no tools"):
        prompt(engine, request)
    none = GenerateRequest((user("a"),), tools=(WEATHER,), tool_choice=ToolChoice("none"))
    assert prompt(engine, none).ids


def test_models_without_a_template_have_a_default(engine: RemoteEngine) -> None:
    load(engine, "SmolLM2-tiny")
    assert engine.child.call(without_template, ask("Hello")) == (
        "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    )
    load(engine, "gemma-3-text-tiny")
    assert engine.child.call(without_template, ask("Hello")) == ("<bos>user: Hello\n\nassistant:")


def test_named_and_processor_templates_are_found(engine: RemoteEngine, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(checkpoint("SmolLM2-tiny"), folder)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "chat_template.json").write_text('{"chat_template": "processor"}')
    engine.load(folder)
    assert text(engine, ask("Hello")) == "processor"
    config["chat_template"] = [
        {"name": "default", "template": "default"},
        {"name": "tool_use", "template": "{{ tools | length }} tools"},
    ]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    engine.load(folder)
    assert text(engine, ask("Hello")) == "default"
    assert text(engine, ask("Hello", tools=(WEATHER,))) == "1 tools"


def test_a_format_in_python_takes_what_it_knows(engine: RemoteEngine, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(checkpoint("DeepSeek-R1-tiny"), folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["chat_template_type"] = "deepseek_v32"
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    engine.load(folder)
    bar = "\N{FULLWIDTH VERTICAL LINE}"
    told = text(engine, ask("Hello", reasoning=Reasoning(effort="low", budget_tokens=5)))
    assert told.replace(bar, "|") == "<|begin▁of▁sentence|><|User|>Hello<|Assistant|><think>"
    off = text(engine, ask("Hello", "Hi", "So?", reasoning=Reasoning(enabled=False)))
    assert off.replace(bar, "|").endswith(
        "<|Assistant|></think>Hi<|end▁of▁sentence|><|User|>So?<|Assistant|></think>"
    )


def test_required_calls_come_with_a_grammar(qwen3: RemoteEngine) -> None:
    for choice in (ToolChoice("required"), ToolChoice("named", "get_weather")):
        request = ask("Hello", tools=(WEATHER,), tool_choice=choice)
        assert qwen3.child.call(grammar_kind, request) == "lark"
        assert qwen3.child.call(streamed_arguments, request) == [CallArguments('{"ci')]
    own = ask("Hello", grammar=Grammar("regex", "[a-z]+"))
    assert qwen3.child.call(grammar_kind, own) == "regex"
    assert qwen3.child.call(grammar_kind, ask("Hello", tools=(WEATHER,))) is None


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (GenerateRequest(), "no messages"),
        (GenerateRequest(prompt=""), "prompt is empty"),
        (GenerateRequest(prompt=()), "prompt is empty"),
        (GenerateRequest(prompt=(5, 999_999)), "no token 999999"),
        (GenerateRequest(prompt=(-1,)), "no token -1"),
        (ask("a", template=""), ""),
        (ask("a", template="{{ raise_exception('Not so.') }}"), "Not so"),
        (ask("a", template="{% for %}"), "refuses"),
        (ask("a", template=" "), ""),
        (ask("a", template="{{ '' }}"), "prompt is empty"),
        (ask("a", tool_choice=ToolChoice("required")), "no tools"),
        (
            ask("a", tools=(WEATHER,), tool_choice=ToolChoice("named", "other")),
            "no tool other; the tools are: get_weather",
        ),
        (ask("a", continue_final=True), "no beginning"),
        (ask("a", "b", continue_final=True, template="x"), "leaves out the beginning"),
        (GenerateRequest((Message("assistant", (ToolCallPart("c", "f", "["),)),)), ""),
    ],
)
def test_what_cannot_be_prepared_is_refused(
    request_: GenerateRequest, said: str, qwen3: RemoteEngine
) -> None:
    if not said:
        assert prompt(qwen3, request_).ids
        return
    with pytest.raises(InvalidRequest, match=said):
        prompt(qwen3, request_)


def test_a_strict_schema_that_cannot_be_enforced_is_refused_by_the_name_of_its_tool(
    engine: RemoteEngine,
) -> None:
    load(engine, "Qwen3-tiny")
    strange = Tool("strange", "", {"properties": {"a": {"not": {"type": "string"}}}}, strict=True)
    request = ask("a", tools=(WEATHER, strange), tool_choice=ToolChoice("required"))
    with pytest.raises(InvalidRequest, match=r"tool strange cannot be enforced: .*/not"):
        prompt(engine, request)


def test_no_text_breaks_the_preparation(qwen3: RemoteEngine) -> None:
    for said in ("\ud800 half", "\x00", "<|im_end|>", "\u2063", "\ufeff"):
        for request in (ask(said), GenerateRequest(prompt=said)):
            assert prompt(qwen3, request).ids
    for request in (ask("🌸" * 100_000), GenerateRequest(prompt="a b " * 100_000)):
        with pytest.raises(ContextTooLong):
            prompt(qwen3, request)


def test_the_beginning_of_an_answer_is_continued(qwen3: RemoteEngine) -> None:
    begun = text(qwen3, ask("Count.", "1, 2,", continue_final=True))
    assert begun == "<|im_start|>user\nCount.<|im_end|>\n<|im_start|>assistant\n1, 2,"


def test_raw_prompts_are_taken_as_they_are_and_echoed(qwen3: RemoteEngine) -> None:
    made = prompt(qwen3, GenerateRequest(prompt="Hello you", echo=True))
    assert qwen3.child.call(decoded, made.ids) == made.echo == "Hello you"
    again = prompt(qwen3, GenerateRequest(prompt=made.ids, echo=True))
    assert (again.ids, again.echo) == (made.ids, "Hello you")
    assert prompt(qwen3, GenerateRequest(prompt="Hello you")).echo == ""
    answer = made.parser()
    assert answer.feed("plain") == [Text("content", "plain")]


def test_ids_that_end_inside_of_a_character_read_up_to_there(engine: RemoteEngine) -> None:
    for name in ("Qwen3-tiny", "gemma-3-text-tiny"):
        load(engine, name)
        said = "a 🦊 and \ufffd"
        known = engine.tokenize(TokenizeRequest(GenerateRequest(prompt=said), special=False)).ids
        whole = [
            engine.detokenize(DetokenizeRequest(known[:end])).text for end in range(len(known))
        ]
        assert all(said.startswith(each) for each in whole)
        assert engine.detokenize(DetokenizeRequest(known)).text == said
        fox = engine.tokenize(TokenizeRequest(GenerateRequest(prompt="🦊"), special=False)).ids
        cut = GenerateRequest(prompt=fox[:-1], echo=True)
        assert prompt(engine, cut).echo == ""


def test_the_first_token_of_a_text_is_not_doubled(engine: RemoteEngine) -> None:
    load(engine, "gemma-3-text-tiny")
    assert text(engine, GenerateRequest(prompt="Hello")) == "<bos>Hello"
    assert text(engine, GenerateRequest(prompt="<bos>Hello")) == "<bos>Hello"


def test_old_turns_are_dropped_when_asked(qwen3: RemoteEngine) -> None:
    turns = [user("word " * 40) if i % 2 == 0 else assistant("word " * 40) for i in range(20)]
    messages = (system("Be brief."), *turns, user("What now?"))
    with pytest.raises(ContextTooLong, match=r"prompt has \d+ tokens, the context holds 512"):
        prompt(qwen3, GenerateRequest(messages))
    cut = qwen3.prepare("r", GenerateRequest(messages, truncate=True))
    assert 0 < cut.told.truncated_messages < 20
    assert cut.told.truncated_messages % 2 == 0
    left = qwen3.child.call(decoded, cut.payload.ids)
    assert left.startswith("<|im_start|>system\nBe brief.<|im_end|>")
    assert "What now?" in left
    assert cut.payload.max_tokens >= 512 // 4
    with pytest.raises(ContextTooLong) as refused:
        prompt(qwen3, GenerateRequest((user("word " * 2000),), truncate=True))
    assert refused.value.details["context_tokens"] == 512


def test_boundaries_are_where_later_prompts_go_on_alike(engine: RemoteEngine) -> None:
    load(engine, "Qwen3-tiny")
    assert prompt(engine, ask("Hello")).boundaries == ()
    request = GenerateRequest((system("Be brief."), user("Hello")))
    told = engine.child.call(with_boundaries, request)
    begin = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n"
    assert told == [begin, f"{begin}Hello<|im_end|>\n"]


def test_tokenizing_shows_the_prompt(qwen3: RemoteEngine) -> None:
    shown = qwen3.tokenize(TokenizeRequest(ask("Hello", tools=(WEATHER,))))
    assert shown.ids == prompt(qwen3, ask("Hello", tools=(WEATHER,))).ids
