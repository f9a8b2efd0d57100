"""Numbers in JSON end."""

import numpy as np
import pytest

from mlx_gui.engines.text.digits import DigitBound, DigitTokens

WORDS = [
    *(bytes([byte]) for byte in range(0x20, 0x7F)),
    b"123",
    b".000000000000",
    b"0000000000",
    b"1e",
    b'"1234567890123456789012',
    b": 12345678901234567890",
]
TOKENS = DigitTokens(WORDS.__getitem__, {word.decode(): id for id, word in enumerate(WORDS)})


def allowed_after(text: str, offered: list[bytes] | None = None) -> set[bytes]:
    """Of the tokens that are `offered`, those that are left behind `text`."""
    bound = DigitBound(TOKENS)
    for letter in text.encode():
        bound.follow(WORDS.index(bytes([letter])))
    allowed = np.array([offered is None or word in offered for word in WORDS])
    bound.narrow(allowed)
    return {word for word, kept in zip(WORDS, allowed, strict=True) if kept}


@pytest.mark.parametrize(
    ("text", "word", "allowed"),
    [
        ("", b"1", True),
        ("1" * 18, b"1", True),
        ("1" * 19, b"1", False),
        ("-" + "1" * 19, b"1", False),
        ("1" * 19, b".", True),
        ("1" * 19, b",", True),
        ("1" * 16, b"123", True),
        ("1" * 17, b"123", False),
        ("0." + "1" * 8, b"1", True),
        ("0." + "1" * 9, b"1", False),
        ("0." + "1" * 9, b"e", True),
        ("0." + "1" * 9 + "e", b"1", True),
        ("1e-1", b"1", True),
        ("1e-11", b"1", False),
        ("1", b".000000000000", False),
        ("1", b"0000000000", True),
        ("1" * 12, b"0000000000", False),
        ('{"a": ' + "1" * 19 + ', "b": ', b"1", True),
        ('{"a": "' + "1" * 30, b"1", True),
        ('{"a": "\\"' + "1" * 30, b"1", True),
        ('{"a": "\\\\", "b": ' + "1" * 19, b"1", False),
        ("[", b'"1234567890123456789012', True),
        ('{"a"', b": 12345678901234567890", False),
        ("true", b"1", True),
    ],
)
def test_a_number_has_so_many_digits_at_most(text: str, word: bytes, allowed: bool) -> None:
    assert (word in allowed_after(text)) == allowed


def test_digits_that_a_schema_demands_are_not_taken_away() -> None:
    long = "1" * 40
    assert allowed_after(long, [b"1", b"2"]) == {b"1", b"2"}
    assert allowed_after(long, [b"1", b","]) == {b","}
