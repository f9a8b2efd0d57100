"""The official openai client sends real speech to a real Whisper.

Where it is not about how well speech is heard, tones are heard by a model of one layer.
"""

from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import openai
import psutil
import pytest
import soundfile
import webvtt
from openai import OpenAI
from openai.types.audio import Transcription

from tests.real.speech import BECKETT, TWO_CITIES, beckett, two_cities, word_error_rate
from tests.real.whisper import whisper_tiny_en
from tests.support.server import Server, running_server
from tests.support.waiting import wait_until
from tests.tones.checkpoints import parakeet_tones
from tests.tones.signals import LEAD_S, RATE_HZ, spoken
from tests.tongues.checkpoints import whisper_tongues
from tests.tongues.sounds import SAID_S, TEXTS, wav

MODEL, TONES, TONGUES = "real/whisper-tiny.en", "real/parakeet-tones", "real/whisper-tongues"
WORDS = "one three five two four"


@cache
def tones() -> bytes:
    """The tones of `WORDS`, 3.4 s long."""
    file = BytesIO()
    soundfile.write(file, spoken(WORDS.split()), RATE_HZ, format="WAV")
    return file.getvalue()


@cache
def twice() -> bytes:
    """`BECKETT` twice, in a window each."""
    file = BytesIO()
    samples, _ = soundfile.read(beckett())
    both = np.concatenate([samples, np.zeros(21 * RATE_HZ), samples])
    soundfile.write(file, both, RATE_HZ, format="WAV")
    return file.getvalue()


@pytest.fixture(scope="module")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hearing")
    models = folder / "models" / "real"
    models.mkdir(parents=True)
    (models / "whisper-tiny.en").symlink_to(whisper_tiny_en())
    (models / "parakeet-tones").symlink_to(parakeet_tones())
    (models / "whisper-tongues").symlink_to(whisper_tongues())
    settings = {"model_dirs": folder / "models"}
    with running_server(folder, engine="mlx", settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def client(hearing: Server) -> Iterator[OpenAI]:
    address = f"{hearing.address}/v1"
    with OpenAI(base_url=address, api_key="none", max_retries=0, timeout=600) as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_stays(hearing: Server) -> Iterator[None]:
    """Files go when their request has ended, however it did."""
    yield
    uploads = hearing.data_dir / "cache" / "uploads"
    wait_until(lambda: not [*uploads.glob("*")], what="the uploads to be gone")


@pytest.fixture(scope="module")
def said(client: OpenAI) -> Transcription:
    """What the model, which is loaded from now on, hears in the short recording."""
    return client.audio.transcriptions.create(model=MODEL, file=beckett())


def test_it_says_how_long_the_sound_is(client: OpenAI) -> None:
    answer = client.audio.transcriptions.create(model=TONES, file=("a.wav", tones()))

    assert answer.text == WORDS
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    assert answer.usage.seconds == pytest.approx(LEAD_S + 5 * 0.64, abs=0.01)


# What a real model hears is seen of the engine every time.
@pytest.mark.soak
def test_it_writes_down_what_is_said(said: Transcription) -> None:
    assert said.text == BECKETT
    assert said.usage is not None
    assert said.usage.type == "duration"
    assert said.usage.seconds == pytest.approx(9.96, abs=0.01)


@pytest.mark.soak
def test_its_times_grow_and_end_with_the_sound(client: OpenAI) -> None:
    answer: Any = client.audio.transcriptions.create(
        model=MODEL,
        file=beckett(),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )

    assert answer.text == BECKETT
    for parts in (answer.segments, answer.words):
        times = [time for part in parts for time in (part.start, part.end)]
        assert times == sorted(times)
        assert 0 <= times[0] <= times[-1] <= answer.duration
    assert answer.duration == pytest.approx(9.96, abs=0.01)
    assert answer.language == "english"
    assert answer.real_time_factor > 0


@pytest.mark.parametrize(
    ("model", "text", "ends"),
    [
        pytest.param(TONES, WORDS, (0, 0, 3, 450), id="tones"),
        pytest.param(MODEL, BECKETT, (0, 0, 9, 970), id="speech", marks=pytest.mark.soak),
    ],
)
def test_its_subtitles_are_well_formed(
    client: OpenAI, model: str, text: str, ends: tuple[int, ...]
) -> None:
    file = ("sound.wav", tones() if model == TONES else beckett().read_bytes())
    srt, vtt = (
        str(client.audio.transcriptions.create(model=model, file=file, response_format=form))
        for form in ("srt", "vtt")
    )

    for read in (
        webvtt.from_buffer(BytesIO(srt.encode()), format="srt"),
        webvtt.from_buffer(BytesIO(vtt.encode()), format="vtt"),
    ):
        times = [each.to_tuple() for cue in read for each in (cue.start_time, cue.end_time)]
        assert times == sorted(times)
        assert times[-1] <= ends
        assert " ".join(cue.text for cue in read) == text
    cues = srt.strip().split("\n\n")
    assert [cue.split("\n")[0] for cue in cues] == [str(n + 1) for n in range(len(cues))]


@pytest.mark.soak
@pytest.mark.parametrize("said", [f"{BECKETT} {BECKETT}", TWO_CITIES])
def test_a_stream_brings_the_text_window_by_window(client: OpenAI, said: str) -> None:
    file = ("sound.wav", two_cities().read_bytes() if said == TWO_CITIES else twice())
    with client.audio.transcriptions.create(model=MODEL, file=file, stream=True) as stream:
        events = list(stream)

    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    last = events[-1]
    assert last.type == "transcript.text.done"
    assert len(deltas) > 1
    assert "".join(deltas) == last.text
    assert word_error_rate(said, last.text) < 0.1


@pytest.mark.parametrize(
    ("name", "content", "status", "because"),
    [
        ("text.wav", b"This is text, whatever it is called.\n" * 40, 415, "it is text"),
        ("cat.mp3", b"\x89PNG\r\n\x1a\n" + bytes(400), 415, "a PNG picture"),
        ("half.wav", b"", 400, "is empty"),
        ("short.wav", 1600, 400, "shortest"),
        ("half.wav", -100_000, 400, "truncated"),
    ],
)
def test_what_cannot_be_heard_is_refused_and_the_next_is_heard(
    client: OpenAI, name: str, content: bytes | int, status: int, because: str
) -> None:
    speech = beckett().read_bytes()
    if isinstance(content, int):
        content = _cut(speech, content) if content > 0 else speech[:content]

    with pytest.raises(openai.APIStatusError, match=because) as refusal:
        client.audio.transcriptions.create(model=MODEL, file=(name, content))

    assert refusal.value.status_code == status
    assert refusal.value.param == "file"


def _cut(wav: bytes, data_bytes: int) -> bytes:
    """A whole WAV of the first `data_bytes` of one of PCM."""
    header = bytearray(wav[:44])
    header[4:8] = (36 + data_bytes).to_bytes(4, "little")
    header[40:44] = data_bytes.to_bytes(4, "little")
    return bytes(header) + wav[44 : 44 + data_bytes]


def workers(hearing: Server) -> set[int]:
    """The processes that have a model."""
    children = psutil.Process(hearing.process.pid).children(recursive=True)
    # A fork has it for its name.
    return {each.pid for each in children if "worker" in (each.name(), *each.cmdline())}


def test_what_is_refused_leaves_the_worker_as_it_was(client: OpenAI, hearing: Server) -> None:
    heard = client.audio.transcriptions.create(model=TONES, file=("a.wav", tones()))
    assert heard.text == WORDS
    before = workers(hearing)

    with pytest.raises(openai.APIStatusError, match="cannot be read"):
        client.audio.transcriptions.create(model=TONES, file=("a.ogg", b"OggS" + bytes(5000)))

    again = client.audio.transcriptions.create(model=TONES, file=("a.wav", tones()))
    assert again.text == WORDS
    assert workers(hearing) == before
    assert before


def test_an_english_model_translates_nothing(client: OpenAI) -> None:
    refused = pytest.raises(openai.BadRequestError, match="cannot translate what is said")
    with pytest.deprecated_call(), refused as refusal:
        client.audio.translations.create(model=MODEL, file=beckett())

    assert refusal.value.param == "model"


def test_a_language_that_it_does_not_know_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="knows no language 'de'") as refusal:
        client.audio.transcriptions.create(model=MODEL, file=beckett(), language="de")

    assert refusal.value.param == "language"


@pytest.mark.parametrize(
    ("spoken", "named", "language", "name"),
    [
        ("de", None, "de", "german"),
        ("ja", None, "ja", "japanese"),
        ("de", "japanese", "ja", "japanese"),
    ],
)
def test_the_language_is_found_out_or_the_one_that_is_named(
    client: OpenAI, spoken: str, named: str | None, language: str, name: str
) -> None:
    answer = client.audio.transcriptions.create(
        model=TONGUES,
        file=("sound.wav", wav(spoken)),
        language=named or openai.omit,
        response_format="verbose_json",
    )

    assert (answer.text, answer.language) == (TEXTS[language], name)
    assert answer.segments is not None
    assert [(each.start, each.end) for each in answer.segments] == [(0, SAID_S)]


@pytest.mark.parametrize("spoken", ["de", "ja"])
def test_any_language_is_translated_into_english(client: OpenAI, spoken: str) -> None:
    with pytest.deprecated_call():
        answer = client.audio.translations.create(
            model=TONGUES,
            file=("sound.wav", wav(spoken)),
            response_format="verbose_json",
        )

    assert (answer.text, answer.language) == (TEXTS["en"], "english")
    assert answer.segments is not None
    assert [(each.start, each.end) for each in answer.segments] == [(0, SAID_S)]


def test_a_stream_of_another_language_says_first_how_long_it_is(client: OpenAI) -> None:
    with client.audio.transcriptions.create(
        model=TONGUES, file=("sound.wav", wav("ja")), stream=True
    ) as stream:
        first, *others = list(stream)

    assert first.model_extra == {"heard_s": 0.0, "duration": pytest.approx(24.4)}
    assert others[-1].type == "transcript.text.done"
    assert others[-1].text == TEXTS["ja"]


def test_a_model_that_hears_answers_no_conversation(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="cannot answer a conversation"):
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])


def test_what_was_heard_is_in_the_records_with_its_speed(client: OpenAI, hearing: Server) -> None:
    client.audio.transcriptions.create(model=TONES, file=("a.wav", tones()))
    with hearing.client() as http:
        records = http.get("/v1/requests", params={"outcome": "finished"}).json()["data"]
    speeds = [each["real_time_factor"] for each in records if each["audio_ms"]]
    assert speeds
    assert all(speed > 0 for speed in speeds)


def test_the_file_is_what_it_is_and_not_what_it_is_called(client: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "speech.mp3"
    path.write_bytes(tones())

    assert client.audio.transcriptions.create(model=TONES, file=path).text == WORDS
