"""A Whisper of many languages: which it hears, which it writes; as the plain library does."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import Result
from mlx_gui.kinds.transcription import TranscribeRequest, Transcript, unpacked
from tests.engines import listening
from tests.engines.remote import RemoteEngine
from tests.tongues.checkpoints import whisper_tongues
from tests.tongues.sounds import SAID_S, TEXTS, wav


@dataclass(frozen=True, slots=True)
class Case:
    """A sound that is `spoken` in one language, and how it is asked for; `language` is the one that
    is told."""

    spoken: str
    text: str
    language: str
    named: str | None = None
    translate: bool = False
    words: bool = False


CASES = (
    *(Case(language, text, language) for language, text in TEXTS.items()),
    Case("de", TEXTS["ja"], "ja", named="ja"),
    Case("ja", TEXTS["de"], "de", named="German"),
    Case("ja", TEXTS["ja"], "ja", words=True),
    Case("ja", TEXTS["en"], "ja", translate=True),
    Case("en", TEXTS["en"], "de", named="de-AT", translate=True),
)


def ours(cases: tuple[Case, ...]) -> list[Transcript]:
    """In the child: all of them together."""
    asked = [
        TranscribeRequest(
            wav(case.spoken),
            language=case.named,
            translate=case.translate,
            words=case.words,
        )
        for case in cases
    ]
    told = listening.listen(whisper_tongues(), asked)
    return [
        unpacked(event.value)
        for number in range(len(cases))
        for event in told.of(number)
        if isinstance(event, Result)
    ]


def theirs(cases: tuple[Case, ...], folder: Path) -> list[Transcript]:
    """In the child: one after the other by mlx-audio."""
    said: list[Transcript] = []
    for case in cases:
        file = folder / f"{case.spoken}.wav"
        file.write_bytes(wav(case.spoken))
        language = case.language if case.named else None
        task = "translate" if case.translate else "transcribe"
        how = {"language": language, "task": task, "word_timestamps": case.words}
        said.append(listening.plain(whisper_tongues(), file, **how))
    return said


def test_each_language_is_found_out_named_and_translated_as_by_the_plain_library(
    engine: RemoteEngine, tmp_path: Path
) -> None:
    found = engine.child.call(ours, CASES)
    plain = engine.child.call(theirs, CASES, tmp_path)

    for case, got, known in zip(CASES, found, plain, strict=True):
        assert (got.text, got.language) == (case.text, case.language)
        assert (known.text, known.language) == (case.text, case.language)
        (segment,), (other,) = got.segments, known.segments
        assert segment.end_s == pytest.approx(other.end_s, abs=0.02)
        if not case.words:
            assert (segment.start_s, segment.end_s) == (0, SAID_S)
        assert [word.text for word in got.words] == [word.text for word in known.words]
        for mine, yours in zip(got.words, known.words, strict=True):
            assert mine.start_s == pytest.approx(yours.start_s, abs=0.02)
        assert "".join(word.text for word in got.words) == (case.text if case.words else "")


def test_a_language_that_nobody_speaks_is_refused_with_some_that_are(engine: RemoteEngine) -> None:
    asked = TranscribeRequest(wav("de"), language="tlh")

    with pytest.raises(InvalidRequest, match=r"knows no language 'tlh'; it knows .* and 87 more"):
        engine.child.call(listening.listen, whisper_tongues(), [asked])
