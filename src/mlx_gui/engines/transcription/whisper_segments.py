"""Cuts the tokens of one of Whisper's windows into segments by the times between them."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from mlx_gui.engines.transcription.mlx_audio import HOP_LENGTH, SAMPLE_RATE
from mlx_gui.engines.transcription.whisper_decoding import Decoded

_FRAMES_A_TIME = 2
"""A token of a time counts 20 ms, two frames."""
_S_A_TIME = _FRAMES_A_TIME * HOP_LENGTH / SAMPLE_RATE


@dataclass(slots=True)
class Window:
    """`frames` of the sound from `seek` on. `open_ended` is whether a segment goes on behind it."""

    seek: int
    frames: int
    open_ended: bool = field(default=True)

    @property
    def start_s(self) -> float:
        return self.seek * HOP_LENGTH / SAMPLE_RATE


def cut(decoded: Decoded, window: Window, tokenizer: Any) -> tuple[list[dict[str, Any]], int]:
    """The segments, as mlx-audio's functions for words take them, and how many frames are done.

    The rules are Whisper's own: two times in a row end a segment and begin the next; one time at
    the end means that nothing follows; what is left open is heard again by the next window.
    """
    tokens, first_time = decoded.tokens, tokenizer.timestamp_begin
    is_time = [token >= first_time for token in tokens]
    window.open_ended = is_time[-2:] != [False, True]
    ends = [at + 1 for at, pair in enumerate(pairwise(is_time)) if all(pair)]
    if not ends:
        times = [token for token in tokens if token >= first_time]
        duration_s = window.frames * HOP_LENGTH / SAMPLE_RATE
        if times and times[-1] != first_time:
            duration_s = (times[-1] - first_time) * _S_A_TIME
        whole = _segment(window, 0.0, duration_s, tokens, tokenizer)
        return [whole], window.frames
    if not window.open_ended:
        ends.append(len(tokens))
    segments: list[dict[str, Any]] = []
    for start, end in pairwise([0, *ends]):
        part = tokens[start:end]
        start_s, end_s = ((token - first_time) * _S_A_TIME for token in (part[0], part[-1]))
        segments.append(_segment(window, start_s, end_s, part, tokenizer))
    if not window.open_ended:
        return segments, window.frames
    done = (tokens[ends[-1] - 1] - first_time) * _FRAMES_A_TIME
    # A window that is done with nothing would be heard for ever.
    return segments, min(max(done, 1), window.frames)


def _segment(
    window: Window, start_s: float, end_s: float, tokens: list[int], tokenizer: Any
) -> dict[str, Any]:
    return {
        "seek": window.seek,
        "start": window.start_s + start_s,
        "end": window.start_s + end_s,
        "text": tokenizer.decode([token for token in tokens if token < tokenizer.eot]),
        "tokens": tokens,
    }
