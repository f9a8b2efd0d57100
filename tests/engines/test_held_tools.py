"""Which schemas of tools hold an enforced call, and which refuse it. llguidance runs in a child."""

from typing import Any

import pytest

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import GenerateRequest, Grammar, Tool, ToolChoice
from mlx_gui.parsers.dialects import dialect_of
from tests.engines.parts import compiler, tokenizer
from tests.engines.remote import RemoteEngine
from tests.zoo.cache import checkpoint

PLAIN = Tool("plain", "", {"type": "object", "properties": {"a": {"type": "integer"}}})
ODD = Tool("odd", "", {"type": "object", "properties": {"a": {"not": {}, "type": "integer"}}})
STRICT = Tool("odd", "", ODD.parameters, strict=True)
PATTERN = Tool("odd", "", {"properties": {"a": {"type": "string", "pattern": "(?=a)"}}})
BROKEN = Tool("odd", "", {"properties": {"a": {"$ref": "#/$defs/none"}}})
WIDE = Tool("odd", "", {"properties": {f"p{index}": {} for index in range(3000)}})
REQUIRED = ToolChoice("required")
ODD_ONE = ToolChoice("named", "odd")
PLAIN_ONE = ToolChoice("named", "plain")
FORM = Grammar("json_schema", '{"type": "array", "uniqueItems": true}')


def places(request: GenerateRequest) -> tuple[str, ...]:
    """In the child: what the form of the answer does not enforce."""
    from mlx_gui.engines.text.answer_form import compiled_form

    folder = checkpoint("Qwen3-tiny")
    compiled = compiled_form(
        request,
        dialect_of("{{ tools }} <tool_call>", lambda _: False, None),
        grammars=compiler(folder),
        token_id=lambda token: tokenizer(folder).get_vocab().get(token),
    )
    assert compiled is not None
    return compiled.not_enforced


@pytest.mark.parametrize(
    ("tools", "choice", "left"),
    [
        ((PLAIN,), REQUIRED, ()),
        ((PLAIN, ODD), REQUIRED, ("odd#/properties/a/not",)),
        ((ODD,), ODD_ONE, ("odd#/properties/a/not",)),
        ((PLAIN, PATTERN), REQUIRED, ("odd#/properties/a/pattern",)),
        ((PLAIN, ODD), PLAIN_ONE, ()),
        ((PLAIN, STRICT), PLAIN_ONE, ()),
        ((PLAIN, BROKEN), PLAIN_ONE, ()),
        ((PLAIN, BROKEN), REQUIRED, ("odd#",)),
        ((PLAIN, WIDE), REQUIRED, ("odd#",)),
        ((Tool("now"),), REQUIRED, ()),
    ],
)
def test_a_call_is_held_to_what_can_be_enforced(
    engine: RemoteEngine, tools: tuple[Tool, ...], choice: ToolChoice, left: tuple[str, ...]
) -> None:
    asked = GenerateRequest(tools=tools, tool_choice=choice)
    assert engine.child.call(places, asked) == left


@pytest.mark.parametrize(
    ("tools", "choice", "said"),
    [
        ((STRICT,), ODD_ONE, "tool odd cannot be enforced: .*#/properties/a/not"),
        ((PLAIN, STRICT), REQUIRED, "tool odd cannot be enforced: .*#/properties/a/not"),
        ((BROKEN,), REQUIRED, "tool odd cannot be enforced: .*/\\$defs/none"),
        ((PLAIN, BROKEN), ODD_ONE, "tool odd cannot be enforced: .*/\\$defs/none"),
        (
            (Tool("odd", "", {"properties": {"a": {"multipleOf": 999_999_937}}}, strict=True),),
            REQUIRED,
            "tool odd cannot be enforced: .*#/properties/a/multipleOf",
        ),
    ],
)
def test_a_call_is_refused_if_it_is_strict_or_nothing_could_be_called(
    engine: RemoteEngine, tools: tuple[Tool, ...], choice: ToolChoice, said: str
) -> None:
    with pytest.raises(InvalidRequest, match=said):
        engine.child.call(places, GenerateRequest(tools=tools, tool_choice=choice))


@pytest.mark.parametrize("tool", [ODD, STRICT])
def test_beside_a_form_of_the_answer_no_tool_is_refused(engine: RemoteEngine, tool: Tool) -> None:
    asked = GenerateRequest(grammar=FORM, tools=(PLAIN, tool))
    assert engine.child.call(places, asked) == ("#/uniqueItems", "odd#/properties/a/not")


def many(count: int, more: dict[str, Any]) -> GenerateRequest:
    tools = [Tool(f"t{n}", "", {"properties": {f"a{n}": more}}) for n in range(count)]
    return GenerateRequest(tools=tuple(tools), tool_choice=REQUIRED)


def test_two_thousand_tools_are_held_or_named(engine: RemoteEngine) -> None:
    few = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    held = engine.child.call(places, many(2000, few))
    assert held[0] == "t0#/properties/a0/uniqueItems"
    large = {"enum": ["x" * 300]}
    assert engine.child.call(places, many(2000, large))[:2] == ("t0#", "t1#")


def text_tool(kind: Any, text: str, **more: Any) -> Tool:
    """A tool that takes text, as the families describe it."""
    parameters = {
        "type": "object",
        "properties": {"input": {"type": "string"}},
        "required": ["input"],
        "additionalProperties": False,
    }
    return Tool("odd", "", parameters, grammar=Grammar(kind, text), **more)


@pytest.mark.parametrize(
    ("tool", "left"),
    [
        (text_tool("regex", "[a-z]+|[0-9]$"), ()),
        (text_tool("regex", "(.|\\n)+"), ()),
        (text_tool("lark", 'start: "a" LF\n%import common.LF'), ("odd#/format",)),
    ],
)
def test_a_text_is_held_to_its_regex_and_a_grammar_is_named(
    engine: RemoteEngine, tool: Tool, left: tuple[str, ...]
) -> None:
    for choice in (REQUIRED, ODD_ONE):
        assert engine.child.call(places, GenerateRequest(tools=(tool,), tool_choice=choice)) == left


@pytest.mark.parametrize("choice", [ToolChoice(), REQUIRED, PLAIN_ONE])
@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("lark", "start: foo", "tool odd cannot be used: .*unknown name"),
        ("regex", "(?=a)", "tool odd cannot be used: .*look-around"),
        ("lark", "x" * 300_000, "300000 characters; 200000 are allowed"),
    ],
)
def test_a_grammar_that_does_not_compile_is_refused_whether_it_is_called_or_not(
    engine: RemoteEngine, choice: ToolChoice, kind: Any, text: str, said: str
) -> None:
    tools = (PLAIN, text_tool(kind, text))
    with pytest.raises(InvalidRequest, match=said):
        engine.child.call(places, GenerateRequest(tools=tools, tool_choice=choice))
