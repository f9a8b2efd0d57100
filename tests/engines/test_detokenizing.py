"""Text out of token ids, bit by bit."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from mlx_gui.core.generation import Channel, Delta, Done, Tool
from mlx_gui.engines.text.detokenizing import TextStream, text_of
from mlx_gui.engines.text.sequence import TextSequence
from mlx_gui.engines.text.stops import StopText
from mlx_gui.engines.text.token_bytes import bytes_in_backend
from mlx_gui.parsers.marked import MarkedAnswer
from mlx_gui.parsers.tagged import HERMES
from tests.engines.remote import RemoteEngine
from tests.zoo.cache import checkpoint

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
LETTERS = st.characters(exclude_categories=["Cs"])


@pytest.fixture(scope="module", params=["Qwen3-tiny", "gemma-3-text-tiny"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    """One of byte-level BPE, one of sentencepiece with bytes as tokens of their own."""
    return Tokenizer.from_file(str(checkpoint(request.param) / "tokenizer.json"))


def pieces(tokenizer: Tokenizer, ids: list[int], before: tuple[int, ...] = ()) -> list[str]:
    stream = TextStream(tokenizer.decode, bytes_in_backend(tokenizer), before=before)
    return [*map(stream.add, ids), stream.finish()]


def encoded(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids


def whole(tokenizer: Tokenizer, ids: list[int]) -> str:
    """The text of `ids` up to the last character that is at its end."""
    data = b"".join(map(bytes_in_backend(tokenizer), ids))
    return codecs.getincrementaldecoder("utf-8")("replace").decode(data)


@given(text=st.text(LETTERS, max_size=40))
def test_text_comes_back_whole_and_no_character_is_split(tokenizer: Tokenizer, text: str) -> None:
    ids = encoded(tokenizer, text)
    told = pieces(tokenizer, ids)
    assert "".join(told) == tokenizer.decode(ids)
    assert INCOMPLETE in text or not any(INCOMPLETE in piece for piece in told)


@given(text=st.text(st.one_of(LETTERS, st.sampled_from("🌸🦊é\ufffd")), max_size=20))
def test_text_that_ends_anywhere_ends_with_a_whole_character(
    tokenizer: Tokenizer, text: str
) -> None:
    ids = encoded(tokenizer, text)
    for count in range(len(ids)):
        told = "".join(pieces(tokenizer, ids[:count]))
        assert told == whole(tokenizer, ids[:count])
        assert told == text_of(ids[:count], tokenizer.decode, bytes_in_backend(tokenizer))


@given(text=st.text(st.one_of(LETTERS, st.sampled_from("🌸🦊é ")), max_size=12))
def test_a_text_that_goes_on_inside_of_a_character_has_it(tokenizer: Tokenizer, text: str) -> None:
    ids = encoded(tokenizer, text)
    for count in range(len(ids)):
        before = text_of(ids[:count], tokenizer.decode, bytes_in_backend(tokenizer))
        after = pieces(tokenizer, ids[count:], tuple(ids[:count][-8:]))
        assert before + "".join(after) == tokenizer.decode(ids)


@given(ids=st.lists(st.integers(0, 575), max_size=40))
def test_whatever_a_model_writes_is_told_up_to_its_last_character(ids: list[int]) -> None:
    tokenizer = Tokenizer.from_file(str(checkpoint("Qwen3-tiny") / "tokenizer.json"))
    assert "".join(pieces(tokenizer, ids)) == whole(tokenizer, ids)


def test_a_character_that_is_not_at_its_end_does_not_show(tokenizer: Tokenizer) -> None:
    ids = encoded(tokenizer, "🦊")
    assert len(ids) > 1
    assert pieces(tokenizer, ids) == [*[""] * (len(ids) - 1), "🦊", ""]
    assert not any(pieces(tokenizer, ids[:-1]))
    stream = TextStream(tokenizer.decode, bytes_in_backend(tokenizer))
    assert [stream.add(id) for id in ids[:-1]] == [""] * (len(ids) - 1)
    assert (stream.finish(), stream.cut) == ("", True)


def test_bytes_that_never_become_a_character_show(tokenizer: Tokenizer) -> None:
    ids = [*encoded(tokenizer, "🦊")[:-1], *encoded(tokenizer, "a")]
    told = "".join(pieces(tokenizer, ids))
    assert told.endswith("a")
    assert set(told[:-1]) == {INCOMPLETE}
    many = encoded(tokenizer, "🦊")[:1] * 40
    *stream, last = pieces(tokenizer, many)
    assert 16 < len("".join(stream)) < 40
    assert set("".join(stream)) == {INCOMPLETE} == set(last)


def test_a_replacement_character_that_the_model_wrote_stays(tokenizer: Tokenizer) -> None:
    ids = encoded(tokenizer, f"a{INCOMPLETE}")
    assert "".join(pieces(tokenizer, ids)) == f"a{INCOMPLETE}"
    ids += encoded(tokenizer, "🦊")[:1]
    assert "".join(pieces(tokenizer, ids)) == f"a{INCOMPLETE}"


def test_a_token_with_the_end_of_one_character_and_the_begin_of_the_next() -> None:
    tokens = [b"a\xc3", b"\xa9 \xf0\x9f", b"\x8c", b"\xb8!"]
    spelled = dict(enumerate(tokens))

    def decode(ids: list[int]) -> str:
        return b"".join(spelled[id] for id in ids).decode(errors="replace")

    def told(ids: list[int], before: tuple[int, ...] = ()) -> str:
        stream = TextStream(decode, spelled.__getitem__, before=before)
        return "".join([*map(stream.add, ids), stream.finish()])

    text = "aé 🌸!"
    assert [told([0, 1, 2, 3][:count]) for count in range(5)] == ["", "a", "aé ", "aé ", text]
    for count in range(4):
        before = text_of(range(count), decode, spelled.__getitem__)
        assert before + told(list(range(count, 4)), tuple(range(count))) == text


def cut_anywhere(text: str) -> list[str]:
    """In the child: what a tokenizer in Python makes of each beginning of its tokens."""
    from transformers import ByT5Tokenizer

    from mlx_gui.engines.text.mlx_lm import TokenizerWrapper
    from mlx_gui.engines.text.token_bytes import token_bytes_of

    tokenizer = TokenizerWrapper(ByT5Tokenizer())
    ids = tokenizer.encode(text, add_special_tokens=False)
    told: list[str] = []
    for count in range(len(ids) + 1):
        stream = TextStream(tokenizer.decode, token_bytes_of(tokenizer))
        told.append("".join([*map(stream.add, ids[:count]), stream.finish()]))
    return told


def test_a_tokenizer_in_python_is_no_other(engine: RemoteEngine) -> None:
    text = "é 🌸!"
    data = text.encode()
    assert engine.child.call(cut_anywhere, text) == [
        data[:count].decode(errors="ignore") for count in range(len(data) + 1)
    ]


@pytest.mark.parametrize("finish", ["length", "stop"])
def test_no_channel_ends_inside_of_a_character(tokenizer: Tokenizer, finish: str) -> None:
    texts: dict[Channel, str] = {
        "reasoning": "Hm 🦊é",
        "content": "Ja 🌸ü",
        "tool_call": '{"city": "東京🌸"}',
    }
    written = (
        f"<think>{texts['reasoning']}</think>{texts['content']}"
        f'<tool_call>{{"name": "look", "arguments": {texts["tool_call"]}}}</tool_call>'
    )
    ids = encoded(tokenizer, written)
    for count in range(1, len(ids) + 1):
        sequence = TextSequence(
            0,
            text=TextStream(tokenizer.decode, bytes_in_backend(tokenizer)),
            parser=MarkedAnswer(
                thought=("<think>", "</think>"), calls=HERMES, tools=[Tool("look")], thinking=False
            ),
            stops=StopText(()),
            one_call=False,
        )
        events = [event for id in ids[: count - 1] for event in sequence.token(id, None)]
        events += sequence.token(ids[count - 1], "length" if finish == "length" else "stop")
        assert isinstance(events[-1], Done)
        for channel, text in texts.items():
            deltas = [e for e in events if isinstance(e, Delta) and e.channel == channel]
            told = "".join(delta.text for delta in deltas)
            assert INCOMPLETE not in told
            assert finish == "stop" or count < len(ids) or told == text


def test_special_tokens_and_ids_without_a_token_do_not_read(tokenizer: Tokenizer) -> None:
    added = tokenizer.get_added_tokens_decoder()
    special = next(index for index, token in added.items() if token.special)
    ids = encoded(tokenizer, "a b")
    mixed = [special, ids[0], 10_000_000, *ids[1:], special]
    assert "".join(pieces(tokenizer, mixed)) == tokenizer.decode(mixed)
