"""Calls in every dialect, good and bad."""

import pytest

from mlx_gui.core.generation import ToolChoice
from mlx_gui.parsers.base import Call, CallArguments, CallBegan, Dialect, Piece
from mlx_gui.parsers.dialects import dialect_of
from tests.unit.parsers.answers import (
    PARIS,
    ROME,
    TEMPLATES,
    called,
    content,
    deepseek,
    dialect,
    library,
    library_folder,
    parser,
    read,
    reasoning,
)

QWEN3 = dialect("Qwen3")
PARIS_JSON = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
HERMES_PARIS = f"<tool_call>\n{PARIS_JSON}\n</tool_call>"
FINAL = "<|channel|>final<|message|>"


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_a_dialect_writes_is_read_as_the_same_calls(name: str) -> None:
    of = dialect(name)
    calls = [PARIS, ROME] if of.form.several else [PARIS]
    text = of.form.render(calls)
    assert read(parser(of), [text]) == called(*calls)
    assert read(parser(of), text) == called(*calls)


@pytest.mark.parametrize("name", TEMPLATES)
def test_enforced_calls_come_out_while_they_are_written(name: str) -> None:
    of = dialect(name)
    calls = [PARIS, ROME] if of.form.several else [PARIS]
    stream = parser(of, constrained=True)
    deltas = [piece for letter in of.form.render(calls) for piece in stream.feed(letter)]
    assert len(deltas) > len(PARIS.arguments)
    assert read(parser(of, constrained=True), of.form.render(calls)) == called(*calls)


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name != "gpt-oss"])
def test_an_enforced_call_that_is_cut_off_in_its_name_is_content(name: str) -> None:
    of = dialect(name)
    cut = of.form.opening + of.form.before_name + "get_w"
    assert read(parser(of, constrained=True), cut) == content(cut)
    if of.form.several:
        whole = of.form.render([PARIS]).removesuffix(of.form.closing) + of.form.between
        second = of.form.before_name + "ad"
        assert read(parser(of, constrained=True), whole + second) == called(PARIS) + content(second)


@pytest.mark.parametrize(
    ("name", "text", "calls"),
    [
        ("Qwen3", '<tool_call>{"name":"add","arguments":{}}</tool_call>', [Call("add", "{}")]),
        ("Qwen3", '<tool_call>{"name": "add"}</tool_call>', [Call("add", "{}")]),
        (
            "Qwen3",
            '<tool_call>{"name": "add", "arguments": "{\\"a\\": 1}"}</tool_call>',
            [Call("add", '{"a": 1}')],
        ),
        (
            "Qwen3",
            '<tool_call>{"name": "get_weather", "arguments": {"city": "a\nb"}}</tool_call>',
            [Call("get_weather", '{"city": "a\\nb"}')],
        ),
        (
            "Qwen3",
            '<tool_call>{"name": "get_weather", "arguments": {"city": "</tool_call>"}}</tool_call>',
            [Call("get_weather", '{"city": "</tool_call>"}')],
        ),
        ("Qwen3", '<tool_call>\n{"name": "add", "arguments": {"a": 1}}', [Call("add", '{"a": 1}')]),
        ("Mistral", '[TOOL_CALLS] [{"name": "add", "arguments": {}}]', [Call("add", "{}")]),
        ("Mistral", "[TOOL_CALLS]add[ARGS]{}", [Call("add", "{}")]),
        ("Mistral, named", "[TOOL_CALLS]add[CALL_ID]x1[ARGS]{}", [Call("add", "{}")]),
        (
            "Llama 3",
            '<|python_tag|>{"type": "function", "name": "add", "parameters": {"a": 1}}',
            [Call("add", '{"a": 1}')],
        ),
        ("Llama 3", ' {"name": "add", "parameters": {}}\n', [Call("add", "{}")]),
        (
            "Llama 3",
            '<|python_tag|>{"name": "add", "parameters": {}}; {"name": "add", "parameters": {}}',
            [Call("add", "{}")] * 2,
        ),
        (
            "DeepSeek V3",
            deepseek("tool calls begin")
            + deepseek("tool call begin")
            + "add"
            + deepseek("tool sep")
            + '{"a": 1}'
            + deepseek("tool call end"),
            [Call("add", '{"a": 1}')],
        ),
        ("Gemma 3", '```tool_code\nget_weather(city="Paris")\n```', [PARIS]),
        ("Gemma 3", '```tool_code\nprint(get_weather(city="Paris"))\n```', [PARIS]),
        ("Gemma 3", '[get_weather(city="Paris"), add(a=1)]', [PARIS, Call("add", '{"a": 1}')]),
        ("without tools", '```json\n{"name": "add", "arguments": {}}\n```', [Call("add", "{}")]),
        (
            "gpt-oss",
            ' to=functions.add<|channel|>commentary json<|message|>{"a": 1}<|call|>',
            [Call("add", '{"a": 1}')],
        ),
    ],
)
def test_variants_that_models_write_are_calls_too(name: str, text: str, calls: list[Call]) -> None:
    assert read(parser(dialect(name)), [text]) == called(*calls)
    assert read(parser(dialect(name)), text) == called(*calls)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Qwen3", "<tool_call>\n{not json}\n</tool_call>"),
        ("Qwen3", '<tool_call>\n{"name": "get_wea'),
        ("Qwen3", '<tool_call>{"name": "unknown", "arguments": {}}</tool_call>'),
        ("Qwen3", '<tool_call>{"name": "add", "arguments": [1]}</tool_call>'),
        ("Qwen3", '<tool_call>{"name": 5, "arguments": {}}</tool_call>'),
        ("Qwen3", '<tool_call>{"arguments": {}}</tool_call>'),
        ("Qwen3", "<tool_call>"),
        ("Qwen3", "<tool_call>" + "[" * 5000 + "</tool_call>"),
        ("Mistral", '[TOOL_CALLS][{"name": "add", "arguments": '),
        ("Mistral", '[TOOL_CALLS][{"name": "unknown", "arguments": {}}]'),
        ("Mistral", "[TOOL_CALLS]add[ARGS]no"),
        ("Mistral", "[TOOL_CALLS]!![ARGS]{}"),
        ("Mistral", "[TOOL_CALLS]" + "x" * 300),
        ("Llama 3", '{"answer": 42}'),
        ("Llama 3", "<|python_tag|>import os"),
        ("Llama 3", ";-)"),
        ("DeepSeek V3", deepseek("tool calls begin") + "x" + deepseek("tool calls end")),
        ("Gemma 3", "```tool_code\nimport os\n```"),
        ("Gemma 3", '```tool_code\nget_weather("Paris")\n```'),
        ("Gemma 3", "```tool_code\nadd(a={[]: 1})\n```"),
        ("Gemma 3", "[1, 2]"),
        (
            "gpt-oss",
            "<|channel|>commentary to=functions.add <|constrain|>json<|message|>no<|call|>",
        ),
        ("gpt-oss", "<|channel|>commentary to=functions.ad"),
        ("gpt-oss", "<|channel|>commentary to=functions.unknown<|message|>{}<|call|>"),
        ("gpt-oss", "<|channel|>" + "x" * 300),
        ("gpt-oss", "<|start|>" + "x" * 300 + "<|channel|>" + "y" * 300),
    ],
)
def test_what_is_no_call_is_content_with_its_markers(name: str, text: str) -> None:
    assert read(parser(dialect(name)), [text]) == content(text)
    assert read(parser(dialect(name)), text) == content(text)


@pytest.mark.parametrize(
    ("name", "text", "pieces"),
    [
        (
            "Qwen3",
            '<tool_call>{"name": "add", "arguments": {"a": 1}, "id": {"x": "}"}}</tool_call>Hi',
            [*called(Call("add", '{"a": 1}')), *content("Hi")],
        ),
        (
            "Qwen3",
            '<tool_call>{"name": "add", "arguments": {"a": 1}</tool_call>Hi',
            [*called(Call("add", '{"a": 1}')), *content("Hi")],
        ),
        (
            "Qwen3",
            '<tool_call>{"name": "add", "arguments": {"a": 1} so</tool_call>Hi',
            [*called(Call("add", '{"a": 1}')), *content("soHi")],
        ),
        (
            "Qwen3",
            '<tool_call>{"name": "add", "arguments": {"a": 1}, "id": "x"}</tool_call>Hi',
            [*called(Call("add", '{"a": 1}')), *content("Hi")],
        ),
        (
            "Qwen3",
            '<tool_call>{"name": "add", "arguments": {"a": 1} so]</tool_call>Hi',
            [*called(Call("add", '{"a": 1}')), *content("so]Hi")],
        ),
        (
            "Qwen3",
            '<tool_call>{"name": "add", "arguments": {a: [1, </tool_call>Hi',
            [*called(Call("add", "{a: [1, ")), *content("Hi")],
        ),
        (
            "Qwen3",
            f'<tool_call>{{"name": "add", "arguments": {{"a": "1</tool_call>\n{HERMES_PARIS}',
            called(Call("add", '{"a": "1'), PARIS),
        ),
        (
            "Qwen3",
            '<tool_call>{"name": "add", "arguments": {"a": "1</tool_call> and so on',
            [*called(Call("add", '{"a": "1')), *content("and so on")],
        ),
        (
            "Qwen3",
            '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_c',
            [*called(Call("add", '{"a": 1}')), *content("</tool_c")],
        ),
        (
            "Gemma 3",
            f'```tool_code\n{{"name": "add", "arguments": {{a: [1, ```tool_code\n{PARIS_JSON}\n```',
            called(Call("add", "{a: [1, "), PARIS),
        ),
        (
            "Gemma 3",
            '```tool_code\n{"name": "add", "arguments": {a: [1, ```',
            called(Call("add", "{a: [1, ")),
        ),
        (
            "Mistral",
            '[TOOL_CALLS][{"name": "add", "arguments": {}}, {"name": "unknown", "arguments": {}}]',
            [*called(Call("add", "{}")), *content(', {"name": "unknown", "arguments": {}}]')],
        ),
        (
            "Mistral",
            '[TOOL_CALLS][{"name": "add", "arguments": {}}, so]',
            [*called(Call("add", "{}")), *content(", so]")],
        ),
        (
            "Mistral, named",
            '[TOOL_CALLS]add[ARGS]{"a": 1}[TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}',
            called(Call("add", '{"a": 1}'), PARIS),
        ),
        (
            "Llama 3",
            '{"name": "add", "parameters": {a}} Hi',
            [*called(Call("add", "{a}")), *content("Hi")],
        ),
        (
            "gpt-oss",
            "<|channel|>commentary to=functions.add<|message|> {no<|call|>",
            called(Call("add", "{no")),
        ),
    ],
)
def test_what_follows_an_opened_call_is_told_from_its_arguments(
    name: str, text: str, pieces: list[Piece]
) -> None:
    assert read(parser(dialect(name)), [text]) == pieces
    assert read(parser(dialect(name)), text) == pieces


STREAMED = [
    "Qwen3", "Mistral", "Mistral, named", "Llama 3", "Gemma 3", "Granite", "Phi-4-mini", "Cohere",
    "Hunyuan", "gpt-oss", "without tools",
]  # fmt: skip


@pytest.mark.parametrize("name", STREAMED)
def test_arguments_come_while_they_are_written(name: str) -> None:
    stream = parser(dialect(name))
    written = dialect(name).form.render([PARIS])
    cut = written[: written.index("ari")]
    deltas = [piece for letter in cut for piece in stream.feed(letter)]
    assert deltas[0] == CallBegan("get_weather")
    assert len(deltas) > 8


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_call_that_is_cut_off_is_not_lost(name: str) -> None:
    """Either it is told up to where it was cut, or its text is content."""
    of = dialect(name)
    written = of.form.render([PARIS])
    begin = written.index(PARIS.arguments) + 1
    for length in range(1, len(written)):
        cut = written[:length]
        pieces = read(parser(of), cut)
        assert pieces == read(parser(of), [cut])
        if pieces[:1] == [CallBegan("get_weather")]:
            arguments = PARIS.arguments[: max(length - begin + 1, 0)]
            # A call of gpt-oss may be without any, and its end is never read.
            assert pieces[1] == CallArguments(arguments or "{}")
            assert arguments or name == "gpt-oss"
        else:
            assert name not in STREAMED or length < begin
            assert pieces == content(cut) or (name == "gpt-oss" and "to=" not in cut)


def test_text_before_between_and_after_calls_is_content() -> None:
    text = f"I look.\n\n{HERMES_PARIS}\nAnd again: {HERMES_PARIS}\n\nDone."
    assert read(parser(QWEN3), text) == [
        *content("I look."),
        *called(PARIS),
        *content("And again:"),
        *called(PARIS),
        *content("Done."),
    ]


def test_a_good_call_right_behind_a_bad_one_counts() -> None:
    for bad in ("<tool_call>", "<tool_call>x</tool_call>", '<tool_call>{"a": "</tool_call>'):
        assert read(parser(QWEN3), f"{bad}\n{HERMES_PARIS}") == [*content(bad), *called(PARIS)]


def test_without_tools_or_with_the_choice_none_nothing_is_a_call() -> None:
    assert read(parser(QWEN3, tools=()), HERMES_PARIS) == content(HERMES_PARIS)
    none = parser(QWEN3, choice=ToolChoice("none"))
    assert read(none, HERMES_PARIS) == content(HERMES_PARIS)
    harmony = "<|channel|>commentary to=functions.add<|message|>{}<|call|>"
    assert read(parser(dialect("gpt-oss"), tools=()), harmony) == content(harmony)


def test_a_call_behind_a_thought_counts_and_one_inside_does_not() -> None:
    text = f"<think>\n{HERMES_PARIS}\n</think>\n\n{HERMES_PARIS}"
    assert read(parser(QWEN3), text) == [*reasoning(HERMES_PARIS), *called(PARIS)]


def test_harmony_sorts_its_messages() -> None:
    text = (
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>"
        "I look.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather "
        '<|constrain|>json<|message|>{"city": "Paris"}'
    )
    assert read(parser(dialect("gpt-oss")), text) == [
        *reasoning("Hm."),
        *content("I look."),
        *called(PARIS),
    ]
    assert read(parser(dialect("gpt-oss"), thinking=True), f"Hm.<|end|>{FINAL}Hi.") == [
        *reasoning("Hm."),
        *content("Hi."),
    ]
    assert read(parser(dialect("gpt-oss")), "No header.") == content("No header.")


GLM = "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Paris</arg_value></tool_call>"
LIBRARY_CALLS = {
    "function_gemma": "<start_function_call>call:get_weather{city:<escape>Paris<escape>}"
    "<end_function_call>",
    "gemma4": '<|tool_call>call:get_weather{city:<|"|>Paris<|"|>}<tool_call|>',
    "glm47": GLM,
    "kimi_k2": "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0"
    '<|tool_call_argument_begin|>{"city": "Paris"}<|tool_call_end|><|tool_calls_section_end|>',
    "kimi_k3": '<|open|>tools<|sep|><|open|>call tool="get_weather" index="1"<|sep|>'
    '<|open|>argument key="city" type="string"<|sep|>Paris<|close|>argument<|sep|>'
    "<|close|>call<|sep|><|close|>tools<|sep|>",
    "laguna": GLM,
    "longcat": "<longcat_tool_call>get_weather<longcat_arg_key>city</longcat_arg_key>"
    "<longcat_arg_value>Paris</longcat_arg_value></longcat_tool_call>",
    "minicpm5": '<function name="get_weather"><param name="city">Paris</param></function>',
    "minimax_m2": '<minimax:tool_call><invoke name="get_weather"><parameter name="city">Paris'
    "</parameter></invoke></minimax:tool_call>",
    "muse_spark": '<atem:function_calls><atem:invoke name="get_weather">'
    '<atem:parameter name="city">Paris</atem:parameter></atem:invoke></atem:function_calls>',
    "pythonic": '<|tool_call_start|>[get_weather(city="Paris")]<|tool_call_end|>',
    "qwen3_coder": "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n"
    "</function>\n</tool_call>",
}


def library_dialect(name: str) -> Dialect:
    return dialect_of("{{ tools }}", lambda _: False, library(name))


@pytest.mark.parametrize("name", LIBRARY_CALLS)
def test_every_parser_of_the_library_is_used(name: str) -> None:
    of = library_dialect(name)
    text = f"I look. {LIBRARY_CALLS[name]}"
    assert read(parser(of), text) == [*content("I look."), *called(PARIS)]


@pytest.mark.parametrize("name", LIBRARY_CALLS)
def test_a_call_that_the_library_cannot_read_or_that_is_cut_off_is_content(name: str) -> None:
    of = library_dialect(name)
    whole = LIBRARY_CALLS[name]
    for text in (whole[:-1], whole.replace("get_weather", "unknown"), whole[:24]):
        assert read(parser(of), text) == content(text)


@pytest.mark.parametrize("name", LIBRARY_CALLS)
def test_enforced_calls_of_library_dialects_are_read_as_written(name: str) -> None:
    of = library_dialect(name)
    text = of.form.render([PARIS, ROME])
    assert read(parser(of, constrained=True), text) == called(PARIS, ROME)


def test_no_parser_of_the_library_is_forgotten() -> None:
    shipped = {path.stem for path in library_folder().glob("*.py")} - {"__init__"}
    assert shipped == {*LIBRARY_CALLS, "json_tools", "mistral"}
