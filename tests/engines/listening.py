"""The engine for speech, driven in the child; and the plain library beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mlx_gui.core.generation import Event, Usage
from mlx_gui.core.model import LoadSpec
from mlx_gui.engines.base import Engine, PreparedRequest
from mlx_gui.kinds.transcription import (
    HeardSegment,
    HeardWord,
    TranscribeRequest,
    Transcript,
    TranscriptionOptions,
)


@dataclass(frozen=True, slots=True)
class Told:
    """What came of some requests: their events in the order in which they came."""

    events: tuple[tuple[int, Event], ...]

    def of(self, number: int) -> list[Event]:
        return [event for which, event in self.events if which == number]

    def ends(self) -> list[int]:
        """The requests in the order of their ends."""
        return [which for which, event in self.events if isinstance(event, Usage)]


@cache
def engine_of(folder: Path, form: Any = "float32", detector: Path | None = None) -> Engine:
    """In the child: the engine with the model of `folder`, and what finds speech beside it."""
    from mlx_gui.engines.transcription.engine import create

    engine = create()
    spec = LoadSpec(
        model_id=f"test/{folder.name}",
        path=str(folder),
        kind="transcription",
        engine="mlx_gui.engines.transcription.engine",
        weight_form=form,
        options=TranscriptionOptions(slots=8, detector=None if detector is None else str(detector)),
    )
    engine.load(spec, lambda *_: None)
    return engine


def listen(
    folder: Path,
    asks: Sequence[TranscribeRequest],
    form: Any = "float32",
    detector: Path | None = None,
) -> Told:
    """In the child: all of `asks`, together."""
    engine = engine_of(folder, form, detector)
    for number, ask in enumerate(asks):
        prepared = engine.prepare(str(number), ask)
        assert isinstance(prepared, PreparedRequest)
        engine.admit(prepared)
    events: list[tuple[int, Event]] = []
    while engine.busy():
        for stepped in engine.step():
            events += [(int(stepped.request_id), event) for event in stepped.events]
    return Told(tuple(events))


def listen_and_cancel(folder: Path, ask: TranscribeRequest) -> tuple[list[Event], bool, int]:
    """In the child: one that is cancelled after its first text; whether the engine is busy then,
    and how many threads decode."""
    import threading

    engine = engine_of(folder)
    prepared = engine.prepare("0", ask)
    assert isinstance(prepared, PreparedRequest)
    engine.admit(prepared)
    while not engine.step():
        pass
    events = [event for stepped in engine.cancel("0") for event in stepped.events]
    decoding = [thread for thread in threading.enumerate() if thread.name == "sound"]
    for thread in decoding:
        thread.join(60)
    return events, engine.busy(), sum(thread.is_alive() for thread in decoding)


def resident_bytes(folder: Path, ask: TranscribeRequest) -> int:
    """In the child: the most that it holds while it listens."""
    import psutil

    engine = engine_of(folder)
    prepared = engine.prepare("0", ask)
    assert isinstance(prepared, PreparedRequest)
    engine.admit(prepared)
    most = 0
    while engine.busy():
        engine.step()
        most = max(most, psutil.Process().memory_info().rss)
    return most


def hears_speech(folder: Path, samples: Any) -> bool:
    """In the child: whether the detector in `folder` hears any."""
    from mlx_gui.engines.transcription.detector import load_detector

    return load_detector(folder).hears_speech(samples)


def chances(folder: Path, samples: Any) -> tuple[Any, Any]:
    """In the child: how surely each moment is speech, by the detector in `folder` and by
    mlx-audio's own."""
    import numpy as np
    from mlx_audio.vad.utils import load_model

    from mlx_gui.engines.transcription.detector import load_detector

    ours = np.concatenate(list(load_detector(folder).chances(samples)))
    plain: Any = load_model(folder, model_type="silero_vad", model_name_parts=[])
    return ours, np.array(plain.predict_proba(samples))


@cache
def _plain_whisper(folder: Path) -> Any:
    """In the child: mlx-audio's own, in 32 bits."""
    import mlx.core as mx
    from mlx.utils import tree_map
    from mlx_audio.stt.utils import load_model

    model: Any = load_model(folder, model_name_parts=[])
    wide = tree_map(
        lambda a: a.astype(mx.float32) if mx.issubdtype(a.dtype, mx.floating) else a,
        model.parameters(),
    )
    model.update(wide)
    model.dtype = mx.float32
    model.encoder._positional_embedding = model.encoder._positional_embedding.astype(mx.float32)
    model.decoder._mask = model.decoder._mask.astype(mx.float32)
    return model


def plain(folder: Path, path: Path, **options: Any) -> Transcript:
    """In the child: what mlx-audio itself makes of a file, in 32 bits."""
    import numpy as np
    import samplerate
    import soundfile

    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    if rate_hz != 16_000:
        mono = samplerate.resample(mono, 16_000 / rate_hz, "sinc_medium")
    said = _plain_whisper(folder).generate(mono.astype(np.float32), fp16=False, **options)
    return Transcript(
        text=said.text.strip(),
        language=said.language,
        duration_s=len(mono) / 16_000,
        segments=tuple(
            HeardSegment(each["text"], each["start"], each["end"]) for each in said.segments
        ),
        words=tuple(
            HeardWord(word["word"].strip(), word["start"], word["end"])
            for each in said.segments
            for word in each.get("words", ())
        ),
    )


def plain_parakeet(folder: Path, samples: Any) -> str:
    """In the child: what mlx-audio's own Parakeet makes of samples, in chunks as ours."""
    import mlx.core as mx
    from mlx.utils import tree_map
    from mlx_audio.stt.utils import load_model

    model: Any = load_model(folder, model_type="parakeet", model_name_parts=[])
    model.update(tree_map(lambda a: a.astype(mx.float32), model.parameters()))
    said = model.generate(
        mx.array(samples), dtype=mx.float32, chunk_duration=30, overlap_duration=5
    )
    return said.text


def plain_words(folder: Path, path: Path) -> Transcript:
    """In the child: the same with the times of words."""
    return plain(folder, path, word_timestamps=True)
