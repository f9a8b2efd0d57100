"""How many digits a number in JSON may have: small models write them until their tokens end.

A grammar has no bound for that, except at the price of exponents and of large automata; so tokens
that would make a number too long are taken away from what the grammar allows.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

_LIMITS = (0, 19, 9, 2)
"""Digits of the whole part, behind the point and of the exponent; none outside of a number."""
_OUTSIDE, _WHOLE, _FRACTION, _EXPONENT = range(4)
_QUOTE, _BACKSLASH, _POINT = b'"'[0], b"\\"[0], b"."[0]

_STRING_END = re.compile(rb'["\\]')
_DIGIT = re.compile(r"[0-9]")

Place = tuple[int, int]
"""A part of a number, and its digits so far."""


class DigitTokens:
    """The tokens of one vocabulary that have digits; `vocabulary` has their ids by their names."""

    def __init__(self, token_bytes: Callable[[int], bytes], vocabulary: Mapping[str, int]) -> None:
        self.bytes_of = token_bytes
        # A digit is written as itself in all alphabets of tokenizers.
        self._with_digits = [
            (id, token_bytes(id)) for name, id in vocabulary.items() if _DIGIT.search(name)
        ]
        self.too_long_at = cache(self._too_long_at)

    def _too_long_at(self, place: Place) -> "np.ndarray[Any, np.dtype[np.int64]]":
        """The ids of those that make a number too long which is at `place`."""
        ids = [id for id, data in self._with_digits if _Walk(place).is_too_long(data)]
        return np.array(ids, np.int64)


class DigitBound:
    """Follows one answer. See the module."""

    def __init__(self, tokens: DigitTokens) -> None:
        self._tokens = tokens
        self._walk = _Walk((_OUTSIDE, 0))

    def follow(self, token: int) -> None:
        self._walk.is_too_long(self._tokens.bytes_of(token))

    def narrow(self, allowed: "np.ndarray[Any, np.dtype[np.bool_]]") -> None:
        """Take away from `allowed`, unless nothing would be left, which a schema may demand."""
        if self._walk.in_string:
            return
        ids = self._tokens.too_long_at(self._walk.place)
        if not ids.size:
            return
        ids = ids[ids < allowed.size]
        kept = allowed[ids]
        if kept.any():
            allowed[ids] = False
            if not allowed.any():
                allowed[ids] = kept


class _Walk:
    """Reads JSON byte by byte. Digits in strings do not count."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.in_string = False
        self._escaped = False

    def is_too_long(self, data: bytes) -> bool:
        """Go on by `data`; whether a number in it has more digits than it may have."""
        if self.in_string and not self._escaped and not _STRING_END.search(data):
            return False
        too_long = False
        for byte in data:
            if self.in_string:
                self._in_string(byte)
            else:
                self._outside(byte)
                part, digits = self.place
                too_long = too_long or digits > _LIMITS[part]
        return too_long

    def _in_string(self, byte: int) -> None:
        if self._escaped:
            self._escaped = False
        elif byte == _BACKSLASH:
            self._escaped = True
        elif byte == _QUOTE:
            self.in_string = False

    def _outside(self, byte: int) -> None:
        part, digits = self.place
        if _is_digit(byte):
            part = part or _WHOLE
            # Beyond the limit, one place is like another.
            self.place = (part, min(digits, _LIMITS[part]) + 1)
        elif byte == _POINT and part == _WHOLE:
            self.place = (_FRACTION, 0)
        elif byte in b"eE" and part in (_WHOLE, _FRACTION):
            self.place = (_EXPONENT, 0)
        elif not (byte in b"+-" and part == _EXPONENT and not digits):
            self.place = (_OUTSIDE, 0)
            self.in_string = byte == _QUOTE


def _is_digit(byte: int) -> bool:
    return 0x30 <= byte <= 0x39
