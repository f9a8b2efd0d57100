"""Whisper tiny.en over HTTP against plain mlx-audio in a process of its own.

Both hold the same weights in the same form, with the same BLAS and threads and without MLX's
compiler; both read the file, and make 16 kHz of it in the same way. The sound is real speech: 10 s,
44 s, and those 44 s again and again for ten minutes, for which there are two rounds. Counted are
seconds of sound by the time from the request to the whole answer.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from bench.child import Child
from bench.context import Context, environment
from bench.pairs import Sample, interleave
from bench.report import Bound, Row, ratio_row
from bench.server import Server, serving
from bench.timing import Ask
from tests.real.speech import beckett, two_cities
from tests.real.whisper import whisper_tiny_en

_MODEL = "bench/whisper-tiny.en"
_LONG_S = 600
_LONG_ROUNDS = 2


def measure(context: Context) -> list[Row]:
    """The ratios of the speeds, by the length of the sound."""
    folder = context.models_dir / _MODEL
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(whisper_tiny_en(), target_is_directory=True)
    sounds = {"10 s": beckett(), "44 s": two_cities(), "10 min": _long(context.scratch)}
    with serving(
        context.scratch / "transcription",
        "--model-dirs",
        str(context.models_dir),
        environment=environment(),
    ) as server:
        server.client.load(_MODEL)
        form = server.weight_form(_MODEL)
        blas = ("--blas", context.blas) if context.blas else ()
        with Child(
            "bench.plain_speech",
            *(str(folder), "--form", form, *blas),
            environment=context.worker_environment,
        ) as plain:
            return [_row(context, what, sound, server, plain) for what, sound in sounds.items()]


def _row(context: Context, what: str, sound: Path, server: Server, plain: Child) -> Row:
    duration_s = soundfile.info(sound).duration
    sides: dict[str, Callable[[], Sample]] = {
        "ours": partial(_ours, server, sound),
        "theirs": lambda: {"speed": duration_s / plain.ask(Ask(str(sound), max_tokens=0)).last_s},
    }
    rounds = min(context.rounds, _LONG_ROUNDS) if duration_s >= _LONG_S else context.rounds
    found = interleave(sides, rounds=rounds)
    return ratio_row(
        f"{what} of speech", found["ours"]["speed"], found["theirs"]["speed"], "x", Bound("≥", 0.98)
    )


def _ours(server: Server, sound: Path) -> Sample:
    began_s = time.perf_counter()
    with server.client.transcribe(sound, {"model": _MODEL}) as stream:
        for _ in stream:
            pass
    return {"speed": stream.heard.duration / (time.perf_counter() - began_s)}


def _long(scratch: Path) -> Path:
    """Ten minutes of the longer recording."""
    samples, rate_hz = soundfile.read(two_cities(), dtype="float32")
    times = -(-_LONG_S * rate_hz // len(samples))
    path = scratch / "ten-minutes.wav"
    soundfile.write(path, np.tile(samples, times)[: _LONG_S * rate_hz], rate_hz)
    return path
