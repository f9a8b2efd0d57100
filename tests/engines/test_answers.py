"""Whole answers of real tiny models: thoughts, calls, forms, chances, adapters, drafts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from mlx_gui.core.generation import (
    CallStarted,
    Delta,
    Done,
    Failed,
    GenerateRequest,
    Grammar,
    Message,
    Reasoning,
    Sampling,
    TextPart,
    TokenizeRequest,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from mlx_gui.core.model import TextOptions
from tests.engines.remote import RemoteEngine, Reply, ask
from tests.support.soak import mostly_in_soak
from tests.zoo.cache import checkpoint
from tests.zoo.reference import Question, greedy_answers

GREEDY = Sampling(temperature=0)
OFF = Reasoning(enabled=False)
FRANCE = "What is the capital of France?"
PARIS = "The capital of France is Paris."
WEATHER = Tool(
    "get_weather",
    "The weather in a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
CLOCK = Tool("get_time", "The time.", {"type": "object", "properties": {}})
PERSON = Grammar(
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
FORMS = (
    "Qwen3-tiny",
    "SmolLM3-tiny",
    "Mistral-Small-2501-tiny",
    "Llama-3.2-tiny",
    "gemma-3-text-tiny",
    "DeepSeek-R1-tiny",
    "SmolLM2-tiny",
)
"""One of each dialect that the zoo has."""
CALLING = {"Qwen3-tiny", "Mistral-Small-2501-tiny", "DeepSeek-R1-tiny"}
"""Those that call every time; the others answer in form or call."""
CALLERS = {
    "Qwen3-tiny-trained": "<tool_call>",
    "Mistral-Small-2501-tiny-trained": "[TOOL_CALLS]",
}
"""Models that have learnt to call, and the token that they begin calls with."""


@dataclass(slots=True)
class Said:
    """An answer put together."""

    content: str = ""
    reasoning: str = ""
    calls: list[list[str]] = field(default_factory=list)
    finish: str = ""
    ids: list[str] = field(default_factory=list)


def said(reply: Reply) -> Said:
    whole = Said()
    for event in reply.events:
        match event:
            case Delta(channel="content", text=text):
                whole.content += text
            case Delta(channel="reasoning", text=text):
                whole.reasoning += text
            case CallStarted(id=id, name=name):
                whole.calls.append([name, ""])
                whole.ids.append(id)
            case Delta(text=text, call=call):
                whole.calls[call][1] += text
            case Done(finish_reason=reason):
                whole.finish = reason
            case _:
                pass
    return whole


def greedy(*texts: str, **settings: Any) -> GenerateRequest:
    return ask(*texts, **{"sampling": GREEDY, "max_tokens": 120, **settings})


@pytest.fixture
def qwen3(engine: RemoteEngine) -> RemoteEngine:
    return engine.load(checkpoint("Qwen3-tiny-trained"), prefix_cache_bytes=1 << 28)


def test_a_thought_comes_apart_and_is_counted(qwen3: RemoteEngine) -> None:
    reply = qwen3.answer(greedy(FRANCE))
    answer = said(reply)
    assert answer.reasoning == "The user asks about France. Its capital is Paris."
    assert (answer.content, answer.finish) == (PARIS, "stop")
    assert 0 < reply.usage.reasoning_tokens < reply.usage.completion_tokens


def test_a_thought_can_be_switched_off_or_shown_as_it_is(qwen3: RemoteEngine) -> None:
    off = qwen3.answer(greedy(FRANCE, reasoning=OFF))
    assert (said(off).content, said(off).reasoning) == (PARIS, "")
    assert off.usage.reasoning_tokens == 0
    raw = said(qwen3.answer(greedy(FRANCE, reasoning=Reasoning(raw=True))))
    assert raw.reasoning == ""
    assert raw.content.startswith("<think>\nThe user asks")
    assert raw.content.endswith(f"</think>\n\n{PARIS}")


def test_a_thought_ends_where_its_budget_does(qwen3: RemoteEngine) -> None:
    cut = qwen3.answer(greedy(FRANCE, reasoning=Reasoning(budget_tokens=3)))
    assert cut.usage.reasoning_tokens <= 6  # the marker's own included
    assert said(cut).content


def test_a_template_that_cannot_switch_thinking_off_is_helped(engine: RemoteEngine) -> None:
    engine.load(checkpoint("DeepSeek-R1-Distill-Qwen-tiny"))
    reply = engine.answer(greedy(FRANCE, reasoning=OFF, max_tokens=20))
    assert said(reply).reasoning == ""


@pytest.mark.parametrize("name", CALLERS)
def test_a_trained_model_calls_a_tool_and_reads_its_result(name: str, engine: RemoteEngine) -> None:
    engine.load(checkpoint(name))
    question = Message("user", (TextPart("What is the weather in Paris?"),))
    asked = GenerateRequest((question,), GREEDY, 120, tools=(WEATHER,))
    called = said(engine.answer(asked))
    assert called.finish == "tool_calls"
    ((tool, arguments),) = called.calls
    assert (tool, json.loads(arguments)) == ("get_weather", {"city": "Paris"})

    turn = Message("assistant", (ToolCallPart(called.ids[0], tool, arguments),))
    result = Message("tool", (ToolResultPart(called.ids[0], "sunny, 21 degrees", tool),))
    told = GenerateRequest((question, turn, result), GREEDY, 120, tools=(WEATHER,))
    assert said(engine.answer(told)).content == "It is sunny in Paris, 21 degrees."

    without = said(engine.answer(GenerateRequest((question,), GREEDY, 120)))
    assert (without.content, without.calls) == ("I cannot look up the weather.", [])


@pytest.mark.parametrize("name", mostly_in_soak(FORMS, but=CALLING))
def test_every_family_can_be_made_to_call(name: str, engine: RemoteEngine) -> None:
    engine.load(checkpoint(name), context=2048)
    wild = Sampling(temperature=1.0, seed=5)
    for choice, names in (
        (ToolChoice("required", parallel=False), {"get_weather", "get_time"}),
        (ToolChoice("named", "get_time"), {"get_time"}),
    ):
        settings = {"tools": (WEATHER, CLOCK), "tool_choice": choice, "reasoning": OFF}
        answer = said(engine.answer(ask("Hello", sampling=wild, max_tokens=400, **settings)))
        ((tool, arguments),) = answer.calls
        assert tool in names
        if answer.finish == "tool_calls":  # random weights may write one string for ever
            assert isinstance(json.loads(arguments), dict)
        else:
            assert answer.finish == "length"
        assert answer.content == ""


def test_arguments_that_are_enforced_come_while_they_are_written(qwen3: RemoteEngine) -> None:
    choice = ToolChoice("named", "get_weather")
    question = greedy("What is the weather in Paris?", tools=(WEATHER,), tool_choice=choice)
    reply = qwen3.answer(question)
    pieces = [e.text for e in reply.events if isinstance(e, Delta) and e.channel == "tool_call"]
    assert len(pieces) > 2
    assert json.loads("".join(pieces)).keys() == {"city"}


def test_without_parallel_calls_the_answer_ends_after_the_first(qwen3: RemoteEngine) -> None:
    two = '<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>\n' * 2
    for parallel, count in ((True, 2), (False, 1)):
        choice = ToolChoice(parallel=parallel)
        request = greedy("Hello", tools=(CLOCK,), tool_choice=choice)
        assert len(qwen3.child.call(_read_as_answer, request, two)) == count


def test_arguments_that_nobody_enforces_come_while_they_are_written(qwen3: RemoteEngine) -> None:
    reply = qwen3.answer(greedy("What is the weather in Paris?", tools=(WEATHER,)))
    pieces = [e.text for e in reply.events if isinstance(e, Delta) and e.channel == "tool_call"]
    assert len(pieces) > 2
    assert json.loads("".join(pieces)) == {"city": "Paris"}


@pytest.mark.parametrize("name", CALLERS)
def test_a_call_that_is_cut_off_is_a_call_or_text_up_to_there(
    name: str, engine: RemoteEngine
) -> None:
    engine.load(checkpoint(name))
    question = greedy("What is the weather in Paris?", tools=(WEATHER,), reasoning=OFF)
    whole = engine.answer(question)
    lengths = range(1, whole.usage.completion_tokens - 1)
    cut = [said(engine.answer(structs.replace(question, max_tokens=n))) for n in lengths]
    assert all(answer.finish == "length" for answer in cut)
    assert {bool(answer.calls) for answer in cut} == {False, True}
    for answer in cut:
        if answer.calls:
            assert answer.content == ""
            assert '{"city": "Paris"}'.startswith(answer.calls[0][1])


@pytest.mark.parametrize("reasoning", [OFF, Reasoning()])
@pytest.mark.parametrize("name", CALLERS)
def test_beside_a_schema_a_model_calls_where_it_would_and_answers_in_form_else(
    name: str, reasoning: Reasoning, engine: RemoteEngine
) -> None:
    engine.load(checkpoint(name))
    both: dict[str, Any] = {"tools": (WEATHER,), "grammar": PERSON, "reasoning": reasoning}
    called = said(engine.answer(greedy("What is the weather in Paris?", **both)))
    assert (called.content, called.finish) == ("", "tool_calls")
    assert called.calls == [["get_weather", '{"city": "Paris"}']]
    twice = said(engine.answer(greedy("What is the weather in Paris and in Tokyo?", **both)))
    assert [json.loads(arguments)["city"] for _, arguments in twice.calls] == ["Paris", "Tokyo"]

    opening = TokenizeRequest(GenerateRequest(prompt=CALLERS[name]), special=False)
    (marker,) = engine.tokenize(opening).ids
    calls_not = Sampling(temperature=0, logit_bias={marker: -100.0})
    held = said(engine.answer(greedy("What is 2+2?", sampling=calls_not, **both)))
    assert (held.calls, held.finish) == ([], "stop")
    assert 0 <= json.loads(held.content)["answer"] <= 99
    if name == "Qwen3-tiny-trained":
        assert bool(called.reasoning and held.reasoning) == (reasoning is not OFF)


@pytest.mark.parametrize("name", mostly_in_soak(FORMS, but=set(FORMS) - CALLING))
def test_every_family_answers_in_form_or_calls(name: str, engine: RemoteEngine) -> None:
    engine.load(checkpoint(name), context=2048)
    both: dict[str, Any] = {"tools": (WEATHER, CLOCK), "grammar": PERSON, "reasoning": OFF}
    for seed in range(4):
        wild = Sampling(temperature=1.0, seed=seed)
        answer = said(engine.answer(ask("Hello", sampling=wild, max_tokens=200, **both)))
        if answer.calls:
            assert answer.content == ""
            assert {tool for tool, _ in answer.calls} <= {"get_weather", "get_time"}
        elif answer.finish == "stop":
            assert 0 <= json.loads(answer.content)["answer"] <= 99
        else:
            assert answer.finish == "length"


def test_earlier_calls_need_not_be_json(qwen3: RemoteEngine) -> None:
    question = Message("user", (TextPart("What is the weather in Paris?"),))
    turn = Message("assistant", (ToolCallPart("c", "get_weather", '{"city": "Par'),))
    result = Message("tool", (ToolResultPart("c", "Invalid JSON.", "get_weather"),))
    request = GenerateRequest((question, turn, result), GREEDY, 40, tools=(WEATHER,))
    ids = qwen3.tokenize(TokenizeRequest(request)).texts
    assert '"arguments": {"INVALID_JSON": "{\\"city\\": \\"Par"}' in "".join(ids)
    assert qwen3.answer(request).finish_reason


@pytest.mark.parametrize("reasoning", [OFF, Reasoning()])
def test_a_schema_holds_in_a_batch_and_after_a_thought(
    reasoning: Reasoning, qwen3: RemoteEngine
) -> None:
    held = greedy("Reply with JSON.", grammar=PERSON, reasoning=reasoning)
    wild = ask(
        "Reply with JSON.",
        sampling=Sampling(temperature=1.5, seed=3),
        max_tokens=200,
        grammar=PERSON,
        reasoning=reasoning,
    )
    free = greedy(FRANCE, reasoning=reasoning)
    alone = [said(qwen3.answer(request)) for request in (held, wild, free)]
    together = [said(reply) for reply in qwen3.answers([held, wild, free])]
    assert together == alone
    for answer in together[:2]:
        assert answer.finish == "stop"
        assert 0 <= json.loads(answer.content)["answer"] <= 99
    assert bool(together[0].reasoning) == (reasoning is not OFF)
    assert together[2].content == PARIS


def test_a_grammar_that_fails_ends_its_own_request_only(qwen3: RemoteEngine) -> None:
    qwen3.admit("held", greedy("Reply with JSON.", grammar=PERSON, reasoning=OFF))
    qwen3.admit("free", greedy(FRANCE, reasoning=OFF))
    qwen3.child.call(_break_grammar, "held")
    replies = qwen3.drain()
    (failure,) = [event for event in replies["held"].events if isinstance(event, Failed)]
    assert failure.error.code == "internal_error"
    assert said(replies["free"]).content == PARIS
    assert not qwen3.busy()


def test_a_parser_that_fails_ends_its_own_request_only(qwen3: RemoteEngine) -> None:
    qwen3.admit("unread", greedy(FRANCE, reasoning=OFF))
    qwen3.admit("read", greedy(FRANCE, reasoning=OFF))
    qwen3.child.call(_break_parser, "unread")
    replies = qwen3.drain()
    (failure,) = [event for event in replies["unread"].events if isinstance(event, Failed)]
    assert failure.error.code == "internal_error"
    assert "KeyError" in failure.error.message
    assert said(replies["read"]).content == PARIS
    assert not qwen3.busy()


def test_chances_are_of_the_content_and_in_the_order_of_its_tokens(qwen3: RemoteEngine) -> None:
    reply = qwen3.answer(greedy(FRANCE, top_logprobs=3))
    chances = [chance for e in reply.events if isinstance(e, Delta) for chance in e.logprobs]
    assert b"".join(chance.chosen.bytes for chance in chances).decode().endswith(PARIS)
    for chance in chances:
        assert len(chance.top) == 3
        assert chance.top[0].logprob >= chance.top[1].logprob >= chance.top[2].logprob
        assert chance.chosen.logprob <= 0
    none = qwen3.answer(greedy(FRANCE))
    assert not any(e.logprobs for e in none.events if isinstance(e, Delta))


def test_a_stop_string_counts_in_the_content_alone(qwen3: RemoteEngine) -> None:
    answer = said(qwen3.answer(greedy(FRANCE, stop=("capital",))))
    assert "capital" in answer.reasoning
    assert (answer.content, answer.finish) == ("The ", "stop")


def test_a_bias_can_forbid_a_word(qwen3: RemoteEngine) -> None:
    ids = qwen3.tokenize(TokenizeRequest(GenerateRequest(prompt=" Paris"))).ids
    sampling = Sampling(temperature=0, logit_bias={ids[0]: -100.0})
    reply = qwen3.answer(greedy(FRANCE, sampling=sampling, reasoning=OFF))
    assert "Paris" not in said(reply).content


def test_an_adapter_answers_as_plain_mlx_lm_with_it(engine: RemoteEngine) -> None:
    base, adapter = checkpoint("Qwen3-tiny-trained"), checkpoint("Qwen3-tiny-adapter")
    question = "What is 2+2?"
    engine.load(base, text=TextOptions(adapter=str(adapter)))
    answer = said(engine.answer(greedy(question, reasoning=OFF)))
    assert [answer.content] == ["2+2 equals 10."] == _plain(base, question, adapter=adapter)
    engine.load(base)
    assert said(engine.answer(greedy(question, reasoning=OFF))).content == "2+2 equals 4."


def test_an_adapter_of_another_base_is_refused_with_the_reason(engine: RemoteEngine) -> None:
    from mlx_gui.core.errors import LoadFailed

    adapter = TextOptions(adapter=str(checkpoint("Qwen3-tiny-adapter")))
    with pytest.raises(LoadFailed, match="does not fit"):
        engine.load(checkpoint("gemma-3-text-tiny"), text=adapter)


def test_a_smaller_draft_changes_nothing_but_the_pace(engine: RemoteEngine) -> None:
    base = checkpoint("Qwen3-tiny-trained")
    engine.load(base, text=TextOptions(draft=str(checkpoint("Qwen3-tiny-draft"))))
    assert said(engine.answer(greedy(FRANCE, reasoning=OFF))).content == PARIS
    held = said(engine.answer(greedy("Reply with JSON.", grammar=PERSON, reasoning=OFF)))
    assert json.loads(held.content).keys() == {"answer"}


def test_what_cannot_be_batched_is_answered_one_after_the_other(engine: RemoteEngine) -> None:
    folder = checkpoint("Llama-4-tiny")
    engine.load(folder)
    assert engine.credits() == 1
    assert "ChunkedKVCache" in engine.serial_because()
    texts = ("Hello", "2+2")
    replies = engine.answers([greedy(text, max_tokens=12) for text in texts])
    plain = _plain(folder, *texts, max_tokens=12)
    # mlx-lm's own detokenizer drops a space at the beginning.
    assert [said(reply).content.lstrip() for reply in replies] == [each.lstrip() for each in plain]


def test_a_quantized_cache_answers_as_plain_mlx_lm_with_it(engine: RemoteEngine) -> None:
    folder = checkpoint("Qwen3-tiny-wide")
    engine.load(folder, text=TextOptions(kv_bits=8), prefix_cache_bytes=1 << 28)
    assert engine.serial_because() == "A quantized KV cache cannot be batched."
    request = greedy("Hello", max_tokens=12, reasoning=Reasoning(raw=True))
    first, again = engine.answer(request), engine.answer(request)
    assert first.outcome() == again.outcome()
    assert again.usage.cached_tokens == again.usage.prompt_tokens - 1
    assert first.text == engine.child.call(_with_quantized_cache, folder, "Hello", 12)


def _plain(
    folder: Path, *texts: str, max_tokens: int = 120, adapter: Path | None = None
) -> list[str]:
    questions = [
        Question(
            checkpoint=str(folder),
            messages=[{"role": "user", "content": text}],
            max_tokens=max_tokens,
            adapter=None if adapter is None else str(adapter),
        )
        for text in texts
    ]
    return [answer.text for answer in greedy_answers(questions)]


# In the child


def _read_as_answer(request: GenerateRequest, text: str) -> Sequence[str]:
    """The names of the calls that an answer of this text makes, token by token."""
    from tests.engines import remote

    engine = remote._engines[0]
    prepared = engine.prepare("r", request)
    from mlx_gui.engines.text.answering import Answering

    model = engine._model()
    sequence = Answering(prepared, model.surroundings, model.prefixes)._sequences[0]
    events: list[Any] = []
    for token in model.loaded.tokenizer.encode(text, add_special_tokens=False):
        if not sequence.ended:
            events += sequence.token(token, None)
    return [event.name for event in events if isinstance(event, CallStarted)]


def _break_grammar(request_id: str) -> None:
    from tests.engines import remote

    guard = remote._engines[0]._answers[request_id]._guards[0]

    def fail(*_: object) -> None:
        raise ValueError("broken")

    guard._processors = [fail]


def _break_parser(request_id: str) -> None:
    from tests.engines import remote

    def fail(_: str) -> None:
        raise KeyError("broken")

    remote._engines[0]._answers[request_id]._sequences[0]._parser.feed = fail


def _with_quantized_cache(folder: Path, text: str, max_tokens: int) -> str:
    import mlx.core as mx
    from mlx_lm import load, stream_generate

    model, tokenizer, *_ = load(str(folder))
    model.set_dtype(mx.float32)
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True
    )
    settings = {"kv_bits": 8, "kv_group_size": 32, "quantized_kv_start": 0}
    tokens = [
        each.token
        for each in stream_generate(model, tokenizer, ids, max_tokens=max_tokens, **settings)
    ]
    return tokenizer.decode(tokens, skip_special_tokens=True)
