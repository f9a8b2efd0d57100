"""The engine for models that speak, driven in the child; and the plain library beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlx_gui.core.generation import Audio, Event, Usage
from mlx_gui.core.model import LoadSpec
from mlx_gui.engines.base import Engine, PreparedRequest
from mlx_gui.kinds.speech import SpeakRequest, SpeechOptions

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Said:
    """What came of some requests: their events in the order in which they came."""

    events: tuple[tuple[int, Event], ...]

    def of(self, number: int) -> list[Event]:
        return [event for which, event in self.events if which == number]

    def sound(self, number: int = 0) -> bytes:
        return b"".join(event.data for event in self.of(number) if isinstance(event, Audio))

    def usage(self, number: int = 0) -> Usage:
        last = self.of(number)[-1]
        assert isinstance(last, Usage), last
        return last

    def turns(self) -> list[int]:
        """Whose sound came, one after the other."""
        return [which for which, event in self.events if isinstance(event, Audio)]


@cache
def engine_of(folder: Path) -> Engine:
    """In the child: the engine with the model of `folder`."""
    from mlx_gui.engines.speech.engine import create

    engine = create()
    spec = LoadSpec(
        model_id=f"test/{folder.name}",
        path=str(folder),
        kind="speech",
        engine="mlx_gui.engines.speech.engine",
        weight_form="float32",
        options=SpeechOptions(slots=4),
    )
    engine.load(spec, lambda *_: None)
    return engine


def speak(folder: Path, asks: Sequence[SpeakRequest]) -> Said:
    """In the child: all of `asks`, together."""
    engine = engine_of(folder)
    for number, ask in enumerate(asks):
        prepared = engine.prepare(str(number), ask)
        assert isinstance(prepared, PreparedRequest)
        engine.admit(prepared)
    events: list[tuple[int, Event]] = []
    while engine.busy():
        for stepped in engine.step():
            events += [(int(stepped.request_id), event) for event in stepped.events]
    return Said(tuple(events))


def speak_one_after_the_other(folder: Path, asks: Sequence[SpeakRequest]) -> tuple[Said, int]:
    """In the child: each of `asks` begins when the one before has said something; and how many
    were spoken at once."""
    engine = engine_of(folder)
    events: list[tuple[int, Event]] = []
    waiting, most, running = list(enumerate(asks)), 0, 0
    while waiting or engine.busy():
        if waiting and (not events or events[-1][0] == waiting[0][0] - 1):
            number, ask = waiting.pop(0)
            prepared = engine.prepare(str(number), ask)
            assert isinstance(prepared, PreparedRequest)
            engine.admit(prepared)
            running += 1
            most = max(most, running)
        for stepped in engine.step():
            told = [(int(stepped.request_id), event) for event in stepped.events]
            running -= sum(isinstance(event, Usage) for _, event in told)
            events += told
    return Said(tuple(events)), most


def refuse(folder: Path, ask: Any) -> None:
    """In the child: what `prepare` raises."""
    engine_of(folder).prepare("0", ask)


def speak_and_cancel(folder: Path, ask: SpeakRequest) -> tuple[list[Event], bool]:
    """In the child: one that is cancelled after its first sound, and whether the engine is busy."""
    engine = engine_of(folder)
    prepared = engine.prepare("0", ask)
    assert isinstance(prepared, PreparedRequest)
    engine.admit(prepared)
    while not engine.step():
        pass
    events = [event for stepped in engine.cancel("0") for event in stepped.events]
    return events, engine.busy()


@cache
def _plain_model(folder: Path, family: str) -> Any:
    from mlx_gui.engines.speech.loading import leave_codecs_out

    leave_codecs_out()
    from mlx_audio.tts.utils import load_model

    return load_model(folder, model_type=family, model_name_parts=[])


@cache
def plain(folder: Path, text: str, voice: str | None, seed: int) -> Samples:
    """In the child: what mlx-audio itself says."""
    import mlx.core as mx

    model = _plain_model(folder, "pocket_tts")
    mx.random.seed(seed)
    said = model.generate(text, voice=voice)
    return np.concatenate([np.array(each.audio) for each in said])


@cache
def plain_qwen(
    folder: Path, text: str, voice: str, seed: int, instructions: str | None = None
) -> Samples:
    """In the child: the same of Qwen3-TTS, made into samples as often as here."""
    import mlx.core as mx

    model = _plain_model(folder, "qwen3_tts")
    mx.random.seed(seed)
    said = model.generate(
        text, voice=voice, instruct=instructions, stream=True, streaming_interval=4 / 12.5
    )
    return np.concatenate([np.array(each.audio, np.float32) for each in said])
