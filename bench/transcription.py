"""Whisper tiny.en over HTTP against plain mlx-audio in a process of its own.

Both hold the same weights in the same form, with the same BLAS and threads and without MLX's
compiler; both read the file, and make 16 kHz of it in the same way. The sound is real speech: 10 s,
44 s, and those 44 s again and again for ten minutes. Counted are seconds of sound by the time from
the request to the whole answer. The longer the sound, the fewer rounds there are of it: what is
heard in all is a minute and a half for each round that was asked for, and once at least.

Memory is the most that the worker of a freshly loaded model holds while it hears ten minutes, and
while it hears three hours: ten seconds of speech after all but ten minutes of silence, once and
eighteen times.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import soundfile

from bench.child import Child
from bench.context import Context, environment
from bench.pairs import Sample, interleave
from bench.report import Bound, Row, difference_row, ratio_row
from bench.server import Server, serving
from bench.timing import Ask
from tests.real.speech import beckett, two_cities
from tests.real.whisper import whisper_tiny_en

_MODEL = "bench/whisper-tiny.en"
_LONG_S = 600
_HEARD_A_ROUND_S = 90
_HOURS = 3
_LOOK_S = 0.05
"""Memory is looked at so often."""


def measure(context: Context) -> list[Row]:
    """The ratios of the speeds, by the length of the sound; and what hours of it hold."""
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
            rows = [_speeds(context, what, sound, server, plain) for what, sound in sounds.items()]
        return [*rows, _memory(context, server)]


def rounds_of(duration_s: float, asked: int) -> int:
    """How often so much sound is heard by either side where `asked` rounds are."""
    return max(min(asked, round(asked * _HEARD_A_ROUND_S / duration_s)), 1)


def _speeds(context: Context, what: str, sound: Path, server: Server, plain: Child) -> Row:
    duration_s = soundfile.info(sound).duration
    sides: dict[str, Callable[[], Sample]] = {
        "ours": partial(_ours, server, sound),
        "theirs": lambda: {"speed": duration_s / plain.ask(Ask(str(sound), max_tokens=0)).last_s},
    }
    found = interleave(sides, rounds=rounds_of(duration_s, context.rounds))
    return ratio_row(
        f"{what} of speech", found["ours"]["speed"], found["theirs"]["speed"], "x", Bound("≥", 0.98)
    )


def _memory(context: Context, server: Server) -> Row:
    tens = {"short": 1, "long": _HOURS * 6}
    held_mb: dict[str, list[float]] = {}
    for name, count in tens.items():
        sound = _mostly_silent(context.scratch / f"{name}.flac", tens=count)
        server.client.unload(_MODEL)
        server.client.load(_MODEL)
        with _watched(server.worker_pid(_MODEL)) as most:
            _ours(server, sound)
        held_mb[name] = [most.held_bytes / 1e6]
    what = f"memory of {_HOURS} h above that of 10 min"
    return difference_row(what, held_mb["long"], held_mb["short"], "MB", Bound("≤", 100))


@dataclass(slots=True)
class _Most:
    held_bytes: int = 0


@contextmanager
def _watched(pid: int) -> Generator[_Most]:
    """The most that a process holds meanwhile."""
    most, process, ended = _Most(), psutil.Process(pid), threading.Event()

    def look() -> None:
        while not ended.wait(_LOOK_S):
            most.held_bytes = max(most.held_bytes, process.memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield most
    finally:
        ended.set()
        looking.join()


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


def _mostly_silent(path: Path, *, tens: int) -> Path:
    """So many times ten minutes of silence, each with the shorter recording at its end."""
    speech, rate_hz = soundfile.read(beckett(), dtype="int16")
    ten = np.concatenate([np.zeros(_LONG_S * rate_hz - len(speech), np.int16), speech])
    with soundfile.SoundFile(path, "w", rate_hz, 1, "PCM_16", format="FLAC") as file:
        for _ in range(tens):
            file.write(ten)
    return path
