"""Ollama's `keep_alive`: seconds as a number, or a duration as Go writes it."""

import re

LONGEST_S = 100 * 365 * 86_400
_UNITS_S = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_PART = re.compile(rf"({_NUMBER})({'|'.join(sorted(_UNITS_S, key=len, reverse=True))})")
_DURATION = re.compile(rf"([-+]?)(?:{_NUMBER}|(?:{_PART.pattern})+)")


def parse_keep_alive(value: object) -> float:
    """`300`, `"5m"` or `"1h30m"` as seconds; -1 for all that is less than 0, which means for ever.

    Raises ValueError for anything else, and for more than `LONGEST_S`.
    """
    seconds = _parse(value)
    if seconds > LONGEST_S:
        raise ValueError("it is too long")
    return -1.0 if seconds < 0 else float(seconds)


def _parse(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or (written := _DURATION.fullmatch(value)) is None:
        raise ValueError("it is no duration")
    sign = -1 if written[1] == "-" else 1
    unsigned = value.lstrip("+-")
    parts = _PART.findall(unsigned)
    if not parts:
        return sign * float(unsigned)
    return sign * sum(float(number) * _UNITS_S[unit] for number, unit in parts)
