"""Half a surrogate pair, wherever it stands in JSON."""

import json
import re
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_gui.api.surrogates import first_half, without_halves
from mlx_gui.api.validation import parse_json, parse_json_text
from mlx_gui.core.errors import InvalidRequest

units = st.sampled_from('a\\"/u\n\0é😀\ud83d\ude00\udfff\ufffd{[,]}:')
texts = st.text(units, max_size=6)
values = st.recursive(
    st.none() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def read(text: str) -> str:
    """As a library reads it that has U+FFFD for halves; halves that follow each other are one."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def whole(value: object) -> object:
    if isinstance(value, dict):
        members = cast(dict[str, object], value)
        return {read(key): whole(member) for key, member in members.items()}
    if isinstance(value, list):
        return [whole(member) for member in cast(list[object], value)]
    return read(value) if isinstance(value, str) else value


def first_place(value: object, path: tuple[str | int, ...] = ()) -> tuple[object, ...] | None:
    """The path of the first text with a half, and whether it is a key."""
    if isinstance(value, str):
        return None if "\ufffd" not in read(value.replace("\ufffd", "")) else (path, False)
    members: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        members = [*cast(dict[str | int, object], value).items()]
    elif isinstance(value, list):
        members = [*enumerate(cast(list[object], value))]
    for key, member in members:
        if isinstance(key, str) and first_place(key):
            return (path, True)
        step = read(key) if isinstance(key, str) else key
        if found := first_place(member, (*path, step)):
            return found
    return None


@settings(deadline=None, max_examples=300)
@given(value=values, space=st.sampled_from([None, 1]))
def test_halves_are_found_where_they_are_and_replaced_as_json_libraries_do(
    value: object, space: int | None
) -> None:
    body = json.dumps(value, indent=space).encode()

    assert parse_json(body, halves="replaced") == whole(value)
    assert len(without_halves(body)) == len(body)
    place = first_place(value)
    if place is None:
        assert without_halves(body) == body
        assert parse_json(body) == whole(value)
    else:
        half = first_half(body)
        assert (half.path, half.in_key) == place
        assert body[half.at_byte :].startswith(half.escape.encode())
        with pytest.raises(InvalidRequest, match=re.escape(f"{half.escape} at byte")):
            parse_json(body)


@pytest.mark.parametrize("before", range(12))
def test_a_pair_is_one_wherever_a_step_of_the_search_ends(
    before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlx_gui.api.surrogates._STEP_BYTES", 12)
    text = "x" * before + "\U0001f600" * 3 + "\ud83d" + "y" * 9 + "\ude00"
    body = json.dumps(text).encode()

    assert parse_json(body, halves="replaced") == read(text)
    assert first_half(body).at_byte == 1 + before + 36


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (rb'"\ud800"', r"it has half a surrogate pair, \ud800 at byte 1."),
        (rb'{"a\"": [1, {"b": "\uDC00x"}]}', r'`a"[1].b` has half a surrogate pair, \uDC00 at'),
        (rb'{"a": {"\ud800": 1}}', r"a key of `a` has half a surrogate pair, \ud800 at byte 8."),
        (rb'{"\ud800": 1}', r"a key of it has half"),
        (rb'["\\\\", "\\\ud800"]', r"`[1]` has half a surrogate pair, \ud800 at byte 12."),
        (b'{"%s": "\\ud800"}' % (b"k" * 300), r"it has half a surrogate pair, \ud800 at byte 306."),
    ],
)
def test_what_and_where_are_named(body: bytes, said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_json(body)

    assert refused.value.message.startswith(f"The body is not valid JSON: {said}")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (rb'{"a": "\ud800"', "truncated"),
        (rb'{"a": "\ud800", "b": NaN}', "invalid character"),
        (rb'{"a": "\ud8"}', "invalid character"),
        (rb'{"a": \ud800}', "invalid character"),
        (b'{"a": "\\ud800", "b": "\xff"}', "not UTF-8"),
        (rb'{"a": "\ud800", "b": 18446744073709551616}', "beyond 64 bits"),
        (rb'["\ud800"' + b"," + b"[" * 128 + b"]" * 128 + b"]", "nested too deeply"),
    ],
)
@pytest.mark.parametrize("halves", ["refused", "replaced"])
def test_what_is_no_json_besides_is_refused_for_that(body: bytes, said: str, halves: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        parse_json(body, halves="refused" if halves == "refused" else "replaced")


def test_json_in_a_field_names_the_field_and_the_place_in_it() -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_json_text(r'{"enum": ["\ud83d"]}', param="guided_json")

    said = (
        r"`guided_json` is not valid JSON: `enum[0]` has half a surrogate pair, \ud83d at byte 11."
    )
    assert refused.value.message == said
    assert refused.value.details["param"] == "guided_json"
