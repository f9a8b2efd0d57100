"""What OpenAI's endpoints refuse: each a 400 that names the field, before any model is asked."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from mlx_gui.api.notices import Notices
from mlx_gui.api.openai.chat.translate import to_core
from mlx_gui.api.openai.chat.wire import ChatCompletionRequest
from mlx_gui.api.openai.completions.translate import to_core as completions_to_core
from mlx_gui.api.openai.completions.wire import CompletionRequest
from mlx_gui.api.openai.tokens.translate import tokenize_request
from mlx_gui.api.openai.tokens.wire import TokenizeBody
from mlx_gui.api.pictures import Shown
from mlx_gui.api.validation import invalid_request, parse_json
from mlx_gui.core.errors import InvalidRequest
from tests.unit.api.parts import ScriptedDispatch

GOLDEN = Path(__file__).parent / "golden"
HELLO = {"role": "user", "content": "Hi"}
WEATHER = {"type": "function", "function": {"name": "weather"}}


def tool(**function: object) -> dict[str, object]:
    return {"tools": [{"type": "function", "function": {"name": "f", **function}}]}


def parameters(**schema: object) -> dict[str, object]:
    return tool(parameters=schema)


def said(**message: object) -> dict[str, object]:
    return {"messages": [HELLO, message]}


def named(name: str) -> dict[str, object]:
    return {"type": "function", "function": {"name": name}}


def schema(value: object) -> dict[str, object]:
    return {
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": value}}
    }


SHARED: list[tuple[dict[str, object], str, str]] = [
    ({"temperature": 2.1}, "temperature", "between 0 and 2, not 2.1"),
    ({"top_p": -0.1}, "top_p", "between 0 and 1, not -0.1"),
    ({"top_k": -2}, "top_k", "between -1 and 2147483647, not -2"),
    ({"top_k": 1.5}, "top_k", "valid integer, not 1.5"),
    ({"min_p": 1.1}, "min_p", "between 0 and 1, not 1.1"),
    ({"repetition_penalty": 0}, "repetition_penalty", "between 0.01 and 10, not 0"),
    ({"presence_penalty": 2.5}, "presence_penalty", "between -2 and 2, not 2.5"),
    ({"frequency_penalty": -2.5}, "frequency_penalty", "between -2 and 2, not -2.5"),
    ({"logit_bias": {"5": 101}}, "logit_bias.5", "between -100 and 100, not 101"),
    ({"logit_bias": {"5": "1"}}, "logit_bias.5", "valid number"),
    ({"logit_bias": {"-5": 1}}, "logit_bias", "token ids as keys, not '-5'"),
    ({"logit_bias": {"word": 1}}, "logit_bias", "token ids as keys, not 'word'"),
    ({"logit_bias": {"²": 1}}, "logit_bias", "token ids as keys"),
    ({"logit_bias": {"99999999999999999999": 1}}, "logit_bias", "token ids as keys"),
    ({"logit_bias": {"2147483648": 1}}, "logit_bias", "token ids as keys"),
    ({"logit_bias": [1]}, "logit_bias", "should be an object"),
    ({"n": 129}, "n", "between 1 and 128, not 129"),
    ({"n": 128, "max_tokens": 100_000}, "n", "128 answers of up to 100000 tokens may be 12800000"),
    ({"max_tokens": 2**31}, "max_tokens", "less than or equal to 2147483647"),
    ({"priority": 11}, "priority", "between -10 and 10, not 11"),
    ({"priority": "high"}, "priority", "a valid integer"),
    ({"priority": True}, "priority", "a valid integer"),
    ({"ignore_eos": "no"}, "ignore_eos", "valid boolean"),
    ({"stop": [5]}, "stop[0]", "valid string, not 5"),
    ({"stream_options": {}}, "stream_options", "only allowed with `stream`"),
    ({"regex": ""}, "regex", "at least 1 character"),
    ({"grammar": 5}, "grammar", "valid string, not 5"),
    ({"regex": "a", "grammar": "b"}, "grammar", "`regex` and `grammar` exclude each other"),
    ({"guided_choice": []}, "guided_choice", "at least 1 item"),
    ({"guided_choice": [""]}, "guided_choice[0]", "at least 1 character"),
    ({"guided_json": 5}, "guided_json", "should be a JSON schema, not 5"),
    ({"guided_json": "{"}, "guided_json", "not valid JSON"),
    ({"guided_json": "[" * 5000}, "guided_json", "nested too deeply"),
    ({"guided_json": "3"}, "guided_json", "should be a JSON schema"),
    (
        {"structured_outputs": {"regex": "a", "json": {}}},
        "structured_outputs.regex",
        "exclude each other",
    ),
    (
        {"response_format": {"type": "json_object"}, "regex": "a"},
        "regex",
        "`response_format` and `regex` exclude each other",
    ),
    ({"response_format": "json"}, "response_format", "should be an object"),
    ({"response_format": {"type": "xml"}}, "response_format.type", "'json_schema', not \"xml\""),
    (
        {"response_format": {"type": "json_schema"}},
        "response_format.json_schema",
        "is required for the type json_schema",
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
        "response_format.json_schema.schema",
        "is required",
    ),
    (schema([]), "response_format.json_schema.schema", "should be an object"),
    (
        schema({"type": "objekt"}),
        "response_format.json_schema.schema.type",
        "one of array, boolean, integer",
    ),
    (
        schema({"properties": {"a": {"anyOf": [{"minLength": -1}]}}}),
        "response_format.json_schema.schema.properties.a.anyOf[0].minLength",
        "a whole number from 0",
    ),
    (
        schema({"properties": {"a": {"required": True}}}),
        "response_format.json_schema.schema.properties.a.required",
        "a list of strings",
    ),
    (
        schema({"items": [{"$ref": 5}]}),
        "response_format.json_schema.schema.items[0].$ref",
        "a string",
    ),
    (schema({"oneOf": []}), "response_format.json_schema.schema.oneOf", "a list of schemas"),
    (schema({"$defs": []}), "response_format.json_schema.schema.$defs", "an object of schemas"),
    (schema({"not": 5}), "response_format.json_schema.schema.not", "a JSON schema"),
    (schema({"enum": "a"}), "response_format.json_schema.schema.enum", "a list"),
    (schema({"maximum": True}), "response_format.json_schema.schema.maximum", "a number"),
    (schema({"type": []}), "response_format.json_schema.schema.type", "one of"),
    (
        schema({"type": "array", "items": {"$ref": "#"}, "minItems": 1}),
        "response_format.json_schema.schema.items.$ref",
        "refers to '#', of which no value ever ends",
    ),
]

CHAT: list[tuple[dict[str, object], str, str]] = [
    ({"top_logprobs": 1}, "top_logprobs", "only allowed with `logprobs`"),
    ({"logprobs": False, "top_logprobs": 0}, "top_logprobs", "only allowed with `logprobs`"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "between 0 and 20, not 21"),
    ({"logprobs": 3}, "logprobs", "valid boolean, not 3"),
    ({"modalities": ["text", "audio"]}, "modalities", "writes text only"),
    ({"tools": {}}, "tools", "valid list"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type", "function, not 'web_search'"),
    ({"tools": [{"type": "function"}]}, "tools[0].function", "is required"),
    ({"tools": [{"function": {"name": "f"}}]}, "tools[0].type", "is required"),
    ({"tools": [WEATHER] * 129}, "tools", "at most 128 items"),
    (tool(name="a b"), "tools[0].function.name", "pattern"),
    (tool(name="a" * 65), "tools[0].function.name", "pattern"),
    (tool(name="a\n"), "tools[0].function.name", "pattern"),
    (tool(name=""), "tools[0].function.name", "pattern"),
    ({"tools": [WEATHER, WEATHER]}, "tools[1].function.name", "another tool has already"),
    (tool(parameters=[]), "tools[0].function.parameters", "should be an object"),
    (parameters(type="array"), "tools[0].function.parameters.type", "should be object"),
    (parameters(type="strange"), "tools[0].function.parameters.type", "one of"),
    (
        parameters(properties=["city"]),
        "tools[0].function.parameters.properties",
        "an object of schemas",
    ),
    (
        parameters(type="object", properties={"a": {"$ref": "#"}}, required=["a"]),
        "tools[0].function.parameters.properties.a.$ref",
        "refers to '#', of which no value ever ends",
    ),
    ({"tool_choice": "sometimes"}, "tool_choice", "'none', 'auto', 'required' or an object"),
    ({"tool_choice": "required"}, "tool_choice", "there are no tools"),
    ({"tool_choice": {"type": "magic"}}, "tool_choice.type", "'allowed_tools', not \"magic\""),
    ({"tool_choice": {"type": "custom"}}, "tool_choice.custom", "required for the type custom"),
    (
        {"tool_choice": {"type": "custom", "custom": {"name": "f"}}},
        "tool_choice.custom.name",
        "none of the tools",
    ),
    ({"tools": [{"type": "custom"}]}, "tools[0].custom", "is required"),
    (
        {"tools": [{"type": "custom", "custom": {"name": "f", "format": {"type": "grammar"}}}]},
        "tools[0].custom.format.grammar.syntax",
        "is required",
    ),
    (
        {"tools": [WEATHER, {"type": "custom", "custom": {"name": "weather"}}]},
        "tools[1].custom.name",
        "another tool has already",
    ),
    ({"tools": [tool(name=f"f{n}")["tools"][0] for n in range(2000)]}, "tools", "at most 128"),
    ({"tool_choice": {"type": "function"}}, "tool_choice.function", "is required"),
    ({"tool_choice": named("f")}, "tool_choice.function.name", "which none of the tools"),
    (
        {"tools": [WEATHER], "tool_choice": named("wether")},
        "tool_choice.function.name",
        "'wether', which none of the tools",
    ),
    ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools", "is required"),
    (
        {
            "tools": [WEATHER],
            "tool_choice": {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [named("weather"), named("time")]},
            },
        },
        "tool_choice.allowed_tools.tools[1].function.name",
        "'time', which none of the tools",
    ),
    (
        {"functions": [{"name": "f"}], "tools": [WEATHER]},
        "functions",
        "`functions` and `tools` exclude each other",
    ),
    ({"function_call": "auto", "tools": [WEATHER]}, "function_call", "exclude each other"),
    ({"functions": [{"name": "f"}] * 2}, "functions[1].name", "another tool has already"),
    ({"function_call": {"name": "f"}}, "function_call.name", "which none of the tools"),
    ({"function_call": "required"}, "function_call", "'none', 'auto' or an object"),
    ({"reasoning_effort": "enormous"}, "reasoning_effort", 'not "enormous"'),
    (
        {"reasoning_effort": "none", "enable_thinking": True},
        "reasoning_effort",
        "`enable_thinking` is true",
    ),
    ({"thinking_budget": -1}, "thinking_budget", "between 0 and 2147483647, not -1"),
    ({"reasoning_format": "xml"}, "reasoning_format", 'not "xml"'),
    (
        {"reasoning_format": "raw", "include_reasoning": False},
        "include_reasoning",
        "exclude each other",
    ),
    ({"chat_template": ""}, "chat_template", "at least 1 character"),
    ({"chat_template_kwargs": []}, "chat_template_kwargs", "should be an object"),
    ({"continue_final_message": True}, "continue_final_message", "role assistant, not user"),
    (said(role="user"), "messages[1].content", "is required for the role user"),
    (said(role="tool", tool_call_id="c1"), "messages[1].content", "is required for the role tool"),
    (said(role="tool", content="2"), "messages[1].tool_call_id", "is required for the role tool"),
    (
        said(role="user", content=[{"type": "text"}]),
        "messages[1].content[0].text",
        "is required",
    ),
    (
        said(role="user", content=[{"type": "smell"}]),
        "messages[1].content[0].type",
        "text, not 'smell'",
    ),
    (
        said(role="user", content=[{"type": "image_url", "image_url": {"url": "http://a/b"}}]),
        "messages[1].content[0]",
        "reads text only",
    ),
    (
        said(role="assistant", tool_calls=[{"type": "function", "id": "c1"}]),
        "messages[1].tool_calls[0].function",
        "is required",
    ),
    (
        said(role="assistant", tool_calls=[{"function": {"name": "f", "arguments": "{}"}}]),
        "messages[1].tool_calls[0].id",
        "is required",
    ),
    (
        said(
            role="assistant", tool_calls=[{"id": "c", "function": {"name": "f", "arguments": {}}}]
        ),
        "messages[1].tool_calls[0].function.arguments",
        "valid string",
    ),
    (
        said(role="assistant", function_call={"name": "f", "arguments": 5}),
        "messages[1].function_call.arguments",
        "valid string, not 5",
    ),
    (
        said(role="assistant", tool_calls=[{"type": "custom", "id": "c1", "function": None}]),
        "messages[1].tool_calls[0].custom",
        "is required",
    ),
    (said(role="assistant", reasoning=5), "messages[1].reasoning", "valid string, not 5"),
]

RAW: list[tuple[dict[str, object], str, str]] = [
    ({"prompt": None}, "prompt", "a string, a list of token ids, or a list of these, not null"),
    ({"prompt": 5}, "prompt", "a string, a list of token ids, or a list of these, not 5"),
    ({"prompt": {}}, "prompt", "a list of these, not an object"),
    ({"prompt": ""}, "prompt", "should not be empty; number 0 is."),
    ({"prompt": []}, "prompt", "should have at least 1 prompt."),
    ({"prompt": ["a", ""]}, "prompt", "should not be empty; number 1 is."),
    ({"prompt": [[1], []]}, "prompt", "should not be empty; number 1 is."),
    ({"prompt": ["a"] * 10_000}, "prompt", "at most 128 prompts, not 10000."),
    ({"prompt": [[1]] * 129}, "prompt", "at most 128 prompts, not 129."),
    ({"prompt": ["a", 5]}, "prompt", "text or token ids; number 1 is neither."),
    ({"prompt": [1.5]}, "prompt", "text or token ids; number 0 is neither."),
    ({"prompt": [1, "a"]}, "prompt", "between 0 and 2147483647; number 0 has others."),
    ({"prompt": [1, -1]}, "prompt", "between 0 and 2147483647; number 0 has others."),
    ({"prompt": [[1], [2**31]]}, "prompt", "between 0 and 2147483647; number 1 has others."),
    ({"prompt": [True]}, "prompt", "between 0 and 2147483647; number 0 has others."),
    (
        {"prompt": ["a"] * 128, "max_tokens": 32_769},
        "max_tokens",
        "may be 4194432 tokens; 4194304 are the most",
    ),
    ({"suffix": "end", "prompt": [1, 2]}, "suffix", "needs prompts of text"),
    ({"suffix": "end", "prompt": ["a", "b"], "echo": True, "logprobs": 0}, "suffix", "excludes"),
    ({"suffix": 5}, "suffix", "valid string, not 5"),
    ({"suffix": "", "prompt": ""}, "prompt", "should not be empty; number 0 is."),
    ({"best_of": 2}, "best_of", "should equal `n`, which is 1, not 2"),
    ({"best_of": 2, "n": 3}, "best_of", "should equal `n`, which is 3, not 2"),
    ({"logprobs": 6}, "logprobs", "between 0 and 5, not 6"),
    ({"logprobs": True}, "logprobs", "valid integer, not true"),
    ({"logprobs": -1}, "logprobs", "between 0 and 5, not -1"),
    ({"echo": True, "logprobs": 6}, "logprobs", "between 0 and 5, not 6"),
    ({"max_tokens": 0}, "max_tokens", "may be 0 only with `echo`"),
    ({"max_tokens": 0, "logprobs": 1, "echo": False}, "max_tokens", "may be 0 only with `echo`"),
    ({"max_tokens": -1, "echo": True}, "max_tokens", "greater than or equal to 0, not -1"),
    (
        {"prompt": "a" * 8193, "n": 128, "echo": True, "logprobs": 0},
        "prompt",
        "128 answers would repeat prompts of 1048704",
    ),
]

TOKENS: list[tuple[str, dict[str, object], str, str]] = [
    ("tokenize", {}, "prompt", "`prompt` or `messages` is required"),
    ("tokenize", {"prompt": "a", "messages": [HELLO]}, "messages", "exclude each other"),
    ("tokenize", {"prompt": ["a"]}, "prompt", "valid string, not a list"),
    ("tokenize", {"messages": []}, "messages", "at least 1 item"),
    (
        "tokenize",
        {"messages": [HELLO], "tool_choice": "required"},
        "tool_choice",
        "there are no tools",
    ),
    ("detokenize", {}, "tokens", "is required"),
    ("detokenize", {"tokens": "1"}, "tokens", "valid list"),
    ("detokenize", {"tokens": [-1]}, "tokens[0]", "greater than or equal to 0, not -1"),
    ("detokenize", {"tokens": [1, 2**40]}, "tokens[1]", "less than or equal to 2147483647"),
    ("detokenize", {"tokens": [1.5]}, "tokens[0]", "valid integer, not 1.5"),
]

ROWS = [
    *(("chat/completions", {"messages": [HELLO], **fields}, *rest) for fields, *rest in SHARED),
    *(("completions", {"prompt": "Hi", **fields}, *rest) for fields, *rest in SHARED),
    *(("chat/completions", {"messages": [HELLO], **fields}, *rest) for fields, *rest in CHAT),
    *(("completions", {"prompt": "Hi", **fields}, *rest) for fields, *rest in RAW),
    *TOKENS,
]


@pytest.mark.parametrize(
    ("path", "fields", "param", "message"),
    ROWS,
    ids=[f"{path}-{param}-{number}" for number, (path, _, param, _) in enumerate(ROWS)],
)
def test_bad_input_is_refused_and_the_field_named(
    address: str,
    dispatch: ScriptedDispatch,
    path: str,
    fields: dict[str, Any],
    param: str,
    message: str,
) -> None:
    answer = httpx.post(f"{address}/v1/{path}", json={"model": "org/one", **fields})

    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param)
    assert error["type"] == "invalid_request_error"
    assert error["code"] in ("invalid_request", "capability_missing")
    assert message in error["message"]
    assert error["hint"]
    assert not dispatch.asked


@pytest.mark.parametrize(
    "fields",
    [
        {"top_k": -1, "min_p": 0, "repetition_penalty": 0.01, "n": 128, "max_tokens": 32_768},
        {"presence_penalty": -2, "frequency_penalty": 2, "logit_bias": {"2147483647": -100}},
        {"temperature": None, "stop": None, "logit_bias": None, "response_format": None},
        {"response_format": {"type": "json_object"}, "priority": -10},
        {"user": "ada", "metadata": {"a": 5}, "store": True, "service_tier": ["odd"]},
    ],
)
def test_what_is_within_bounds_is_taken_everywhere(
    address: str, dispatch: ScriptedDispatch, fields: dict[str, object]
) -> None:
    chat = {"model": "org/one", "messages": [HELLO], **fields}
    raw = {"model": "org/one", "prompt": "Hi", **fields}

    assert httpx.post(f"{address}/v1/chat/completions", json=chat).status_code == 200
    assert httpx.post(f"{address}/v1/completions", json=raw).status_code == 200
    assert dispatch.asked[0].sampling == dispatch.asked[1].sampling


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": ["string", "null"], "exclusiveMinimum": True, "x-order": 5},
        {"properties": {"type": {"type": "string"}, "enum": {"enum": [1, None]}}},
        {"items": [{"type": "string"}, True], "additionalProperties": False},
        {"anyOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"pattern": "^a"}}},
    ],
)
def test_what_is_a_schema_is_taken(
    address: str, dispatch: ScriptedDispatch, schema: dict[str, object]
) -> None:
    body = {"model": "org/one", "messages": [HELLO], "guided_json": schema}

    assert httpx.post(f"{address}/v1/chat/completions", json=body).status_code == 200
    assert dispatch.asked[0].grammar is not None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["auto", "function", "json_schema", "object", "text", "tool", "assistant"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
FORMS: list[tuple[type[BaseModel], Callable[..., object], str]] = [
    (ChatCompletionRequest, partial(to_core, shown=Shown(Notices())), "requests"),
    (TokenizeBody, partial(tokenize_request, shown=Shown(Notices())), "requests"),
    (CompletionRequest, completions_to_core, "completions/requests"),
]
GOOD = [
    (wire, translate, path)
    for wire, translate, folder in FORMS
    for path in sorted((GOLDEN / folder).glob("*.json"))
    if not path.name.endswith(".core.json")
]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every member in `value`: the object or list that has it, and its key there."""
    match value:
        case dict():
            keys = list(value)
        case list():
            keys = list(range(len(value)))
        case _:
            return []
    return [place for key in keys for place in ((value, key), *places(value[key]))]


def refusal(
    wire: type[BaseModel], translate: Callable[..., object], body: object
) -> InvalidRequest | None:
    """Why `body` is refused. One that is taken must survive the way to a worker."""
    try:
        core = translate(wire.model_validate(body))
    except ValidationError as error:
        return invalid_request([{**each, "loc": ("body", *each["loc"])} for each in error.errors()])
    except InvalidRequest as error:
        return error
    assert msgspec.msgpack.encode(core)
    return None


@given(data=st.data())
def test_whatever_stands_in_a_field_it_is_taken_or_refused_and_nothing_else(
    data: st.DataObject,
) -> None:
    wire, translate, path = data.draw(st.sampled_from(GOOD))
    body = parse_json(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 2))):
        owner, key = data.draw(st.sampled_from(places(body)))
        owner[key] = data.draw(JSON)

    error = refusal(wire, translate, body)

    assert error is None or (error.hint and error.details["param"])
