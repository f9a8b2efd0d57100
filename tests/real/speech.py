"""Recordings of speech, what is said in them, and how near to that a transcript is."""

import re
from pathlib import Path

from tests.real.packages import SPEECH, fetched

BECKETT = "Ever tried, ever failed. No matter, try again. Fail again. Fail better."
TWO_CITIES = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the "
    "age of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the "
    "season of light, it was the season of darkness, it was the spring of hope, it was the winter "
    "of despair, we had everything before us, we had nothing before us, we were all going direct "
    "to heaven, we were all going direct the other way. In short, the period was so far like the "
    "present period that some of its noisiest authorities insisted on its being received, for "
    "good or for evil, in the superlative degree of comparison only."
)


def beckett() -> Path:
    """10 s of `BECKETT`, with 16 kHz."""
    return fetched(SPEECH) / "beckett.wav"


def two_cities() -> Path:
    """44 s of `TWO_CITIES`, with 48 kHz."""
    return fetched(SPEECH) / "two_cities.wav"


def word_error_rate(said: str, heard: str) -> float:
    """Words that are missing, added or others, as a part of those that were `said`."""
    wanted, got = _words(said), _words(heard)
    row = list(range(len(got) + 1))
    for at, word in enumerate(wanted, 1):
        last, row[0] = row[0], at
        for column, other in enumerate(got, 1):
            change = last + (word != other)
            last, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, change)
    return row[-1] / len(wanted)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())
