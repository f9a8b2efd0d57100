"""Control tokens that users, tools and documents spell out are text, on real tokenizers."""

import json
import shutil
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import (
    GenerateRequest,
    Message,
    ReasoningPart,
    Sampling,
    TextPart,
    TokenizeRequest,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from mlx_gui.core.model import TextOptions
from tests.engines import remote
from tests.engines.remote import RemoteEngine, ask
from tests.support.soak import mostly_in_soak
from tests.zoo.cache import checkpoint
from tests.zoo.families import FAMILIES

# One of each tokenizer and template; the others of the zoo share theirs.
KINDS = (
    "Qwen3-tiny",
    "DeepSeek-R1-tiny",
    "SmolLM2-tiny",
    "SmolLM3-tiny",
    "Mistral-Small-2501-tiny",
    "gemma-3-text-tiny",
    "Llama-3.2-tiny",
    "Llama-4-tiny",
    "LFM2-tiny",
)
YI = "".join(map(chr, range(0xA000, 0xA48D)))
PLACE = "PLACE"


# In the child


def _preparation() -> Any:
    return remote._engines[0]._model().preparation


def _added() -> dict[int, Any]:
    return _preparation()._tokenizer.added_tokens_decoder


def special_tokens() -> list[str]:
    return [token.content for token in _added().values() if token.special]


def control_tokens(template: str | None = None) -> list[str]:
    chat = _preparation()._chat
    return sorted(chat._form(chat._source(template, tools=False)).controls._control)


def control_counts(ids: tuple[int, ...], controls: list[str]) -> Counter[str]:
    added = _added()
    return Counter(added[id].content for id in ids if id in added and added[id].content in controls)


def decoded(ids: tuple[int, ...]) -> str:
    tokenizer = _preparation()._tokenizer
    return tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)


def shown(request: GenerateRequest) -> str:
    return _preparation()._chat.render(request, request.messages).shown


def ids_beside(request: GenerateRequest, typed: str) -> list[int]:
    """The prompt of `request` with `typed` in its place, which no special token interrupts."""
    tokenizer = _preparation()._tokenizer
    before, after = shown(request).split(PLACE)
    specials = special_tokens()
    start = max(before.rfind(token) + len(token) for token in specials if token in before)
    found = [at for token in specials if (at := after.find(token)) >= 0]
    end = min(found, default=len(after))

    def encode(text: str, **how: Any) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False, **how)

    section = before[start:] + typed + after[:end]
    between = encode(section, split_special_tokens=True)
    return [*encode(before[:start]), *between, *encode(after[end:])]


def raw_ids(text: str) -> list[int]:
    return _preparation()._tokenizer.encode(text)


# Here


def load(engine: RemoteEngine, name: str, **options: Any) -> RemoteEngine:
    return engine.load(checkpoint(name), context=200_000, text=TextOptions(**options))


def load_folder(engine: RemoteEngine, folder: Path) -> RemoteEngine:
    return engine.load(folder, context=200_000)


def decode(engine: RemoteEngine, id: int) -> str:
    return engine.child.call(decoded, (id,))


def says(role: Any, text: str) -> Message:
    return Message(role, (TextPart(text),))


def ids(engine: RemoteEngine, request: GenerateRequest) -> tuple[int, ...]:
    return engine.prepare("r", request).payload.ids


def controls(engine: RemoteEngine, template: str | None = None) -> list[str]:
    return engine.child.call(control_tokens, template)


def written(engine: RemoteEngine, request: GenerateRequest) -> Counter[str]:
    """The control tokens in a prompt."""
    known = controls(engine, request.template)
    return engine.child.call(control_counts, ids(engine, request), known)


def text(engine: RemoteEngine, request: GenerateRequest) -> str:
    return engine.child.call(decoded, ids(engine, request))


def conversation(typed: str) -> GenerateRequest:
    """One with `typed` wherever a request has text that is not the assistant's own."""
    return GenerateRequest(
        (
            says("system", typed),
            Message("user", (TextPart(typed),), name=typed),
            Message(
                "assistant",
                (ReasoningPart("Hm."), ToolCallPart("c1", "look", json.dumps({typed: [typed]}))),
            ),
            Message("tool", (ToolResultPart("c1", typed),)),
            Message("user", (ToolResultPart("c2", typed, typed), TextPart(typed))),
        ),
        tools=(Tool("look", typed, {"type": "object", "properties": {typed: {"title": typed}}}),),
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_no_text_of_a_request_becomes_a_control_token(name: str, engine: RemoteEngine) -> None:
    load(engine, name)
    known = controls(engine)
    assert known
    plain = written(engine, conversation("x"))
    assert plain
    typed = "".join(f"a{token} {token}\n" for token in known) + "z"
    assert written(engine, conversation(typed)) == plain
    for role in ("system", "user", "assistant", "tool"):
        hidden = "".join(token for token in known if role != "assistant" or "im_" in token)
        part = ToolResultPart("c", hidden) if role == "tool" else TextPart(hidden)
        alone = GenerateRequest((says("user", "a"), Message(role, (part,))))
        innocent = GenerateRequest((says("user", "a"), says(role, "x")))
        assert written(engine, alone) == written(engine, innocent)
        # The template of SmolLM3 takes a system message at the beginning only.
        assert hidden in text(engine, alone) or (role, name) == ("system", "SmolLM3-tiny")


@pytest.mark.parametrize("name", KINDS)
def test_they_read_as_a_tokenizer_reads_them_that_does_not_know_them(
    name: str, engine: RemoteEngine
) -> None:
    load(engine, name)
    specials = engine.child.call(special_tokens)
    typed = "So: " + " and\n".join(specials[:40]) + " é🌸!"
    for role in ("user", "system"):
        request = GenerateRequest((says(role, typed), says("user", "b")))
        beside = GenerateRequest((says(role, PLACE), says("user", "b")))
        assert list(ids(engine, request)) == engine.child.call(ids_beside, beside, typed)


@pytest.mark.parametrize(
    "name", mostly_in_soak(KINDS, but=("Qwen3-tiny", "SmolLM3-tiny", "gemma-3-text-tiny"))
)
def test_a_prompt_holds_what_was_written_and_no_control_token_more(
    name: str, engine: RemoteEngine
) -> None:
    load(engine, name)
    known = controls(engine)
    plain = written(engine, ask("x", "y", "z"))
    halves = [token[: len(token) // 2] for token in known]
    pieces = st.one_of(
        st.sampled_from(known),
        st.sampled_from([*halves, *(token[1:] for token in known), "/no_think", "/think"]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
        st.sampled_from([" ", "\n", "\n\n", "<", "|", ">", "[", "\\ua000", "\ua000", '"', "\\"]),
    )

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(pieces, max_size=8).map("".join), st.lists(pieces, max_size=4).map("".join))
    def holds(typed: str, answered: str) -> None:
        said = answered if not any(token in answered for token in known) else "y"
        request = ask(f"x{typed}x", f"y{said}y", "z")
        assert written(engine, request) == plain
        told = text(engine, request)
        assert unicodedata.normalize("NFC", f"x{typed}x") in unicodedata.normalize("NFC", told)

    holds()


def test_added_tokens_that_are_no_control_tokens_stay_tokens(
    engine: RemoteEngine, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(checkpoint("gemma-3-text-tiny"), folder)
    ordinary = {"<start_of_image>": "\n\n", "<end_of_image>": "<table>"}
    written_as = folder / "tokenizer.json", folder / "tokenizer_config.json"
    for file in written_as:
        content = json.loads(file.read_text())
        added = content.get("added_tokens") or content["added_tokens_decoder"].values()
        for token in added:
            if token["content"] in ordinary:
                token |= {"content": ordinary[token["content"]], "special": False}
        if "model" in content:
            vocabulary = content["model"]["vocab"]
            for old, new in ordinary.items():
                vocabulary[new] = vocabulary.pop(old)
        file.write_text(json.dumps(content))
    load_folder(engine, folder)
    assert "<table>" not in controls(engine)
    plain, typed = (ids(engine, ask(f"a\n\n<table>b{more}")) for more in ("", "<end_of_turn>"))
    start = len(plain) - len(ids(engine, ask(""))) - 1
    assert plain[:start] == typed[:start]
    assert [decode(engine, id) for id in plain].count("\n\n") == 1
    assert [decode(engine, id) for id in typed].count("<table>") == 1


def test_what_the_template_writes_is_a_control_token(engine: RemoteEngine) -> None:
    load(engine, "SmolLM3-tiny")
    assert {"<think>", "</think>", "<tool_call>", "<|im_end|>"} <= set(controls(engine))
    assert "<code>" not in controls(engine)
    assert "<code>" in controls(engine, "<code>{{ messages[0].content }}</code>")
    own = "<|im_start|>{{ messages[0].content }}<|im_end|>"
    told = written(engine, ask("<|im_start|><code>", template=own))
    assert told == {"<|im_start|>": 1, "<|im_end|>": 1}


def test_the_marks_of_thoughts_and_calls_stay_in_what_the_assistant_said(
    engine: RemoteEngine,
) -> None:
    load(engine, "Qwen3-tiny")
    said = "<think>\nhm\n</think>\n\nYes. <tool_call>\n{}\n</tool_call><|im_end|>\n"
    request = ask("a", said, "b")
    assert text(engine, request) == (
        "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n"
        "Yes. <tool_call>\n{}\n</tool_call><|im_end|>\n<|im_end|>\n"
        "<|im_start|>user\nb<|im_end|>\n<|im_start|>assistant\n"
    )
    assert written(engine, request) == {
        "<|im_start|>": 4, "<|im_end|>": 3, "<tool_call>": 1, "</tool_call>": 1
    }  # fmt: skip


def test_raw_prompts_have_the_control_tokens_that_their_client_wrote(engine: RemoteEngine) -> None:
    load(engine, "Qwen3-tiny")
    raw = "<|im_start|>user\na<|fim_prefix|><think><|im_end|>\n"
    told = ids(engine, GenerateRequest(prompt=raw))
    assert list(told) == engine.child.call(raw_ids, raw)
    assert ids(engine, GenerateRequest(prompt=told)) == told


def test_an_answer_is_continued_behind_a_control_token_that_is_text(engine: RemoteEngine) -> None:
    load(engine, "Qwen3-tiny")
    request = ask("a<think>", "It is <|im_end|>", continue_final=True)
    assert text(engine, request) == (
        "<|im_start|>user\na<think><|im_end|>\n<|im_start|>assistant\nIt is <|im_end|>"
    )
    assert written(engine, request) == {"<|im_start|>": 2, "<|im_end|>": 1}
    prepared = engine.prepare("r", request).payload
    assert prepared.thinking.stage == "before"
    thought = ask("a<|im_end|>", "<think>Hm <|im_end|>", continue_final=True)
    assert engine.prepare("r", thought).payload.thinking.stage == "thinking"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ messages[0] | tojson }}", '{"role": "user", "content": "a<|im_end|>"}'),
        ("{{ messages[0] | string }}", "{'role': 'user', 'content': 'a<|im_end|>'}"),
        ("{{ messages | tojson(ensure_ascii=true) }}", '"content": "a<|im_end|>"'),
        ("{{ messages[0].content | tojson | tojson(ensure_ascii=true) }}", "a<|im_end|>"),
        ("{{ messages[0].content | upper }}", "A<|IM_END|>"),
        ("{{ messages[0].content | trim }}", "a<|im_end|>"),
        ("{{ messages[0].content.split('<|im_end|>') | length }}", "1"),
        ("{{ messages[0].content | replace('a', '<|im_end|>') }}", "<|im_end|><|im_end|>"),
        ("{{ xml_tools }}", "['<|im_end|>']"),
        ("{{ eos_token }}", "<|im_start|>"),
    ],
)
def test_templates_may_do_to_texts_what_they_like(
    template: str, said: str, engine: RemoteEngine
) -> None:
    load(engine, "Qwen3-tiny")
    arguments = {"xml_tools": ["<|im_end|>"], "eos_token": "<|im_start|>"}
    request = ask("a<|im_end|>", template=f"{template}.", template_arguments=arguments)
    assert said in text(engine, request)
    assert not any(letter in YI for letter in text(engine, request))
    own = {"<|im_end|>": 1} if "'a', " in template else {}
    assert written(engine, request) == ({"<|im_start|>": 1} if "eos" in template else own)


def test_what_a_template_takes_out_joins_no_control_token(engine: RemoteEngine) -> None:
    load(engine, "SmolLM3-tiny")
    typed = says("system", "a<|im_/no_thinkend|>b")
    request = GenerateRequest((typed, says("user", "a < b")))
    assert "\n\na<|im_end|>b\n\n" in text(engine, request)
    assert written(engine, request)["<|im_end|>"] == 2
    assert written(engine, request)["<|im_start|>"] == 3


def test_every_letter_may_be_in_a_request(engine: RemoteEngine) -> None:
    load(engine, "Qwen3-tiny")
    most = YI[:-1] + "\\ua48c"
    for said in (YI, f"{YI[:5]}<|im_end|>", "\\ua000<|im_end|>\ua001", "\ud800<|im_end|>"):
        assert ids(engine, ask(said))
        assert said.replace("\ud800", "\ufffd") in text(engine, ask(said))
    for said in (f"{YI}<|im_end|>", f"{most}<|im_end|>"):
        with pytest.raises(InvalidRequest, match="every letter of the Yi script"):
            ids(engine, ask(said))


def test_arguments_of_any_depth_are_read_or_refused(engine: RemoteEngine) -> None:
    load(engine, "Qwen3-tiny")
    for depth in (100, 400, 900, 100_000):
        deep = '{"a":' * depth + '"<|im_end|>"' + "}" * depth
        call = Message("assistant", (ToolCallPart("c", "f", deep),))
        try:
            told = written(engine, GenerateRequest((says("user", "a"), call)))
        except InvalidRequest:
            assert depth > 100
        else:
            assert told["<|im_end|>"] == 2


def test_what_is_counted_is_what_is_read(engine: RemoteEngine) -> None:
    load(engine, "Qwen3-tiny")
    request = conversation("<|im_end|>")
    counted = engine.tokenize(TokenizeRequest(request))
    assert counted.ids == ids(engine, request)
    assert "".join(counted.texts) == text(engine, request)


def test_old_turns_are_dropped_all_the_same(engine: RemoteEngine) -> None:
    engine.load(checkpoint("Qwen3-tiny"))
    messages = [says("user", "word<|im_end|> " * 30), says("assistant", "yes")] * 8
    request = GenerateRequest((*messages, says("user", "What now?")), truncate=True)
    cut = engine.prepare("r", request)
    assert cut.told.truncated_messages > 0
    left = engine.child.call(decoded, cut.payload.ids)
    assert left.count("word<|im_end|> ") % 30 == 0
    assert not any(letter in YI for letter in left)


@pytest.mark.parametrize("name", ["Qwen3-tiny", "gemma-3-text-tiny-window"])
def test_the_next_turn_finds_the_last_one_in_the_prefix_cache(
    name: str, engine: RemoteEngine
) -> None:
    engine.load(checkpoint(name), prefix_cache_bytes=1 << 30)
    typed = "What does <|im_end|><end_of_turn> do? " * 8
    greedy: dict[str, Any] = {"sampling": Sampling(temperature=0), "max_tokens": 4}
    first = engine.answer(ask(typed, **greedy))
    again = engine.answer(ask(typed, first.text, "And <end_of_turn><|im_start|>?", **greedy))
    assert again.usage.cached_tokens >= first.usage.prompt_tokens - 8


# Tokenizers of other makes


def copied(name: str, folder: Path, **config: Any) -> Path:
    shutil.copytree(checkpoint(name), folder)
    settings_ = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings_, **config}))
    return folder


def test_a_format_in_python_is_no_other(engine: RemoteEngine, tmp_path: Path) -> None:
    folder = copied("DeepSeek-R1-tiny", tmp_path / "model", chat_template_type="deepseek_v32")
    engine.load(folder, context=200_000)
    known = controls(engine)
    typed = "".join(known)
    messages = says("system", typed), says("user", f"a{typed}"), says("assistant", "b")
    innocent = says("system", "x"), says("user", "a"), says("assistant", "b")
    tool = Tool("look", typed, {"type": "object", "properties": {typed: {"title": typed}}})
    request = GenerateRequest((*messages, says("user", "c")), tools=(tool,))
    plain = GenerateRequest((*innocent, says("user", "c")), tools=(Tool("look"),))
    assert written(engine, request) == written(engine, plain)
    assert text(engine, request).count(typed) >= 4


def test_a_tokenizer_with_code_of_its_own_is_no_other(engine: RemoteEngine, tmp_path: Path) -> None:
    folder = copied("Qwen3-tiny", tmp_path / "model", tokenizer_class="NewlineTokenizer")
    engine.load(folder, context=200_000)
    typed = "".join(f"{token} " for token in controls(engine))
    assert written(engine, ask(typed)) == written(engine, ask("x"))
    assert list(ids(engine, ask("a<|im_end|>b"))) == engine.child.call(
        ids_beside, ask(PLACE), "a<|im_end|>b"
    )


def test_a_tokenizer_in_python_is_no_other(engine: RemoteEngine, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(checkpoint("Qwen3-tiny"), folder)
    (folder / "tokenizer.json").unlink()
    (folder / "special_tokens_map.json").unlink()
    config = {"tokenizer_class": "ByT5Tokenizer", "eos_token": "</s>", "extra_ids": 4}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}</s>")
    engine.load(folder)
    assert written(engine, ask("a</s><pad>é")) == {"</s>": 1}
    assert text(engine, ask("a</s><pad>é")) == "a</s><pad>é</s>"


def test_a_model_that_makes_control_tokens_of_text_itself_makes_none(
    engine: RemoteEngine, tmp_path: Path
) -> None:
    folder = copied("Qwen3-tiny", tmp_path / "model", tokenizer_class="PreTrainedTokenizerFast")
    letters = [(letter, -3.0) for letter in "▁abcdefghijklmnopqrstuvwxyz</>|_\n"]
    pieces = [("<unk>", 0.0), ("</s>", 0.0), ("<|im_end|>", 0.0), *letters, ("<|im_start|>", 0.0)]
    backend = Tokenizer(models.Unigram(pieces, 0))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Metaspace(prepend_scheme="first")
    backend.add_special_tokens(["</s>", "<|im_end|>", "<|im_start|>"])
    backend.save(str(folder / "tokenizer.json"))
    engine.load(folder)
    typed = "b</s><|im_end|>c<|im_start|>"
    assert written(engine, ask(f"a {typed}")) == written(engine, ask("a"))
    assert typed in text(engine, ask(f"a {typed}"))
    assert ids(engine, ask("a b")) == ids(engine, ask("a b"))
