"""Subtitles of what was said when: SubRip and WebVTT."""

from collections.abc import Callable, Iterable, Iterator

Cue = tuple[float, float, str]
"""From when to when, in seconds, which text is shown."""


_LEAST_S = 0.001


def srt(cues: Iterable[Cue]) -> str:
    """SubRip."""
    return "\n".join(_srt(cues))


def vtt(cues: Iterable[Cue]) -> str:
    """WebVTT."""
    return "\n".join(_vtt(cues))


def _srt(cues: Iterable[Cue]) -> Iterator[str]:
    for number, cue in enumerate(cues, 1):
        yield str(number)
        yield from _lines(cue, lambda seconds: _clock(seconds).replace(".", ","))


def _vtt(cues: Iterable[Cue]) -> Iterator[str]:
    yield "WEBVTT\n"
    for start_s, end_s, text in cues:
        # A tag would begin with the one, and the name of a letter with the other.
        escaped = text.replace("&", "&amp;").replace("<", "&lt;")
        yield from _lines((start_s, end_s, escaped), _clock)


def _lines(cue: Cue, clock: Callable[[float], str]) -> Iterator[str]:
    start_s, end_s, text = cue
    # Of a cue that takes no time parsers think nothing.
    yield f"{clock(start_s)} --> {clock(max(end_s, start_s + _LEAST_S))}"
    # An empty line, or an arrow, would end or begin a cue.
    yield " ".join(text.split()).replace("-->", "->") + "\n"


def _clock(seconds: float) -> str:
    ms = round(seconds * 1000)
    minutes, ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{ms // 1000:02}.{ms % 1000:03}"
