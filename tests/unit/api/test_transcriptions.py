"""`/v1/audio/transcriptions`: its form, its formats, and what it refuses before it asks."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from mlx_gui.core.blob import Blob
from mlx_gui.core.errors import WorkerFailed
from mlx_gui.core.generation import (
    Delta,
    Event,
    Failed,
    Prepared,
    Result,
    Usage,
    WorkerRequest,
)
from mlx_gui.kinds.transcription import HeardSegment, HeardWord, TranscribeRequest, Transcript
from tests.unit.api.parts import ScriptedDispatch

PATH = "/v1/audio/transcriptions"
SOUND = b"RIFF" + bytes(1000)
HEARD = Transcript(
    text="Good day. It -->\nrains.",
    language="en",
    language_name="english",
    duration_s=3661.5,
    segments=(
        HeardSegment("Good day.", 0.0, 1.25, tokens=(7, 8), mean_logprob=-0.5),
        HeardSegment("It -->\nrains.", 1.25, 3661.5),
    ),
    words=(HeardWord("Good", 0.0, 0.5), HeardWord("day.", 0.5, 1.25)),
)
USAGE = {"type": "duration", "seconds": 3661.5}
USAGE_OF_STREAM = {
    "type": "tokens",
    "input_tokens": 0,
    "output_tokens": 4,
    "total_tokens": 4,
    "seconds": 3661.5,
}


async def hear(_: WorkerRequest) -> AsyncGenerator[Event]:
    yield Prepared(0)
    yield Delta(0, "Good day.")
    yield Delta(0, " It -->\nrains.")
    yield Result(0, HEARD.packed())
    yield Usage(0, 4, audio_ms=3_661_500.0)


async def fail(_: WorkerRequest) -> AsyncGenerator[Event]:
    yield Prepared(0)
    yield Delta(0, "Good day.")
    yield Failed(WorkerFailed("The worker was killed.", hint="Send it again.").info())


@pytest.fixture(autouse=True)
def hearing(dispatch: ScriptedDispatch) -> None:
    dispatch.script = hear


def post(address: str, *, sound: bytes = SOUND, **fields: Any) -> httpx.Response:
    return httpx.post(
        address + PATH,
        data={"model": "org/one", **fields},
        files={"file": ("day.wav", sound, "audio/wav")},
        timeout=20,
    )


def refused(answer: httpx.Response, dispatch: ScriptedDispatch) -> dict[str, Any]:
    assert answer.status_code == 400, answer.text
    assert dispatch.asked == []
    return answer.json()["error"]


def test_the_model_is_asked_what_the_form_says(address: str, dispatch: ScriptedDispatch) -> None:
    post(
        address,
        language="de",
        prompt="Zuvor.",
        temperature="0.5",
        response_format="verbose_json",
        **{"timestamp_granularities[]": ["word", "segment"]},
    ).raise_for_status()

    assert dispatch.asked == [
        TranscribeRequest(SOUND, "day.wav", "de", "Zuvor.", temperature=0.5, words=True)
    ]
    assert dispatch.asks[0].needs == "transcription"
    assert dispatch.asks[0].endpoint == PATH


def test_what_a_form_leaves_empty_is_not_there(address: str, dispatch: ScriptedDispatch) -> None:
    empty = ("language", "prompt", "temperature", "response_format", "stream")
    fields = dict.fromkeys((*empty, "timestamp_granularities[]"), "")

    assert post(address, **fields).raise_for_status().json()["text"] == HEARD.text
    assert dispatch.asked == [TranscribeRequest(SOUND, "day.wav")]


def test_a_large_file_comes_as_a_place(address: str, dispatch: ScriptedDispatch) -> None:
    assert post(address, sound=bytes(1_000_000)).json()["text"] == HEARD.text

    asked: Any = dispatch.asked[0]
    assert isinstance(asked.sound, Blob)
    assert asked.sound.size_bytes == 1_000_000


def test_the_answer_is_the_text_and_how_long_the_sound_is(address: str) -> None:
    assert post(address).json() == {"text": HEARD.text, "usage": USAGE}


def test_a_verbose_answer_has_segments_and_words_as_they_were_asked_for(address: str) -> None:
    def verbose(*granularities: str) -> dict[str, Any]:
        fields = {"timestamp_granularities[]": list(granularities)} if granularities else {}
        return post(address, response_format="verbose_json", **fields).json()

    usual = verbose()
    assert {name: usual[name] for name in ("task", "language", "duration", "text", "usage")} == {
        "task": "transcribe",
        "language": "english",
        "duration": 3661.5,
        "text": HEARD.text,
        "usage": USAGE,
    }
    assert usual["segments"][0] == {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": 1.25,
        "text": "Good day.",
        "tokens": [7, 8],
        "temperature": 0.0,
        "avg_logprob": -0.5,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }
    assert "words" not in usual
    words = verbose("word")
    assert words["words"][1] == {"word": "day.", "start": 0.5, "end": 1.25}
    assert "segments" not in words
    assert len(verbose("word", "segment")["segments"]) == 2


@pytest.mark.parametrize(
    ("format_", "type_", "text"),
    [
        ("text", "text/plain; charset=utf-8", f"{HEARD.text}\n"),
        (
            "srt",
            "application/x-subrip; charset=utf-8",
            "1\n00:00:00,000 --> 00:00:01,250\nGood day.\n\n"
            "2\n00:00:01,250 --> 01:01:01,500\nIt -> rains.\n",
        ),
        (
            "vtt",
            "text/vtt; charset=utf-8",
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nGood day.\n\n"
            "00:00:01.250 --> 01:01:01.500\nIt -> rains.\n",
        ),
    ],
)
def test_texts_and_subtitles(address: str, format_: str, type_: str, text: str) -> None:
    answer = post(address, response_format=format_)

    assert (answer.headers["content-type"], answer.text) == (type_, text)


def test_a_cue_of_webvtt_takes_time_and_signs_stand_for_themselves(
    address: str, dispatch: ScriptedDispatch
) -> None:
    said = HeardSegment("R&D: <b> is bold.", 1.0, 1.0)

    async def hear_signs(_: WorkerRequest) -> AsyncGenerator[Event]:
        yield Result(0, Transcript(said.text, "en", 1.0, segments=(said,)).packed())
        yield Usage(0, 4)

    dispatch.script = hear_signs

    # Which takes no time, and must take some to be a cue.
    webvtt = post(address, response_format="vtt").text
    assert "00:00:01.000 --> 00:00:01.001\nR&amp;D: &lt;b> is bold.\n" in webvtt
    assert said.text in post(address, response_format="srt").text


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    lines = [
        line.removeprefix("data: ") for line in answer.text.splitlines() if line[:5] == "data:"
    ]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@pytest.mark.parametrize("format_", ["json", "text"])
def test_a_stream_tells_the_text_as_it_is_heard_and_all_of_it_at_the_end(
    address: str, format_: str
) -> None:
    answer = post(address, stream="true", response_format=format_)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert events(answer) == [
        {"type": "transcript.text.delta", "delta": "Good day."},
        {"type": "transcript.text.delta", "delta": " It -->\nrains."},
        {"type": "transcript.text.done", "text": HEARD.text, "usage": USAGE_OF_STREAM},
    ]


def test_a_failure_is_an_error_or_the_end_of_the_stream(
    address: str, dispatch: ScriptedDispatch
) -> None:
    dispatch.script = fail

    whole = post(address)
    assert (whole.status_code, whole.json()["error"]["code"]) == (500, "worker_failed")
    streamed = post(address, stream="true")
    assert events(streamed)[-1]["error"]["code"] == "worker_failed"


@pytest.mark.parametrize(
    ("fields", "param", "because"),
    [
        ({"response_format": "diarized_json"}, "response_format", "verbose_json"),
        ({"response_format": "srt", "stream": "true"}, "response_format", "no format srt"),
        ({"temperature": "1.5"}, "temperature", "between 0 and 1"),
        ({"temperature": "nan"}, "temperature", "between 0 and 1"),
        ({"temperature": "warm"}, "temperature", 'should be a valid number, not "warm".'),
        ({"temperature": ["0", "1"]}, "temperature", "2 times"),
        ({"stream": "perhaps"}, "stream", "boolean"),
        ({"language": "'; drop table"}, "language", "like de, or its English name"),
        ({"language": "x" * 33}, "language", "like de, or its English name"),
        ({"model": ""}, "model", "is required"),
        (
            {"timestamp_granularities[]": "word"},
            "timestamp_granularities[]",
            "does not show the times of words",
        ),
        ({"timestamp_granularities[]": "letter"}, "timestamp_granularities[][0]", "'word'"),
    ],
)
def test_what_cannot_be_answered_so_is_refused_by_its_name(
    address: str, dispatch: ScriptedDispatch, fields: dict[str, Any], param: str, because: str
) -> None:
    error = refused(post(address, **fields), dispatch)

    assert error["param"] == param
    assert because in error["message"]


def test_a_form_without_sound_is_refused(address: str, dispatch: ScriptedDispatch) -> None:
    empty = refused(post(address, sound=b""), dispatch)
    assert (empty["param"], empty["message"]) == ("file", "`file` is empty.")
    other = httpx.post(address + PATH, files={"model": (None, "org/one"), "x": (None, "y")})
    assert refused(other, dispatch)["param"] == "file"


def test_a_model_that_is_not_there_is_not_found(address: str) -> None:
    answer = post(address, model="org/nobody")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


def test_json_and_what_else_is_no_form_is_refused(address: str, dispatch: ScriptedDispatch) -> None:
    answer = httpx.post(address + PATH, json={"model": "org/one"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")
    assert "multipart/form-data" in answer.json()["error"]["message"]
    assert dispatch.asked == []


def test_what_is_not_read_is_named(address: str) -> None:
    fields = {"include[]": "logprobs", "chunking_strategy[type]": "server_vad", "my_own": "1"}

    answer = post(address, **fields)

    assert answer.headers["x-mlx-gui-left-out"] == "include[], chunking_strategy[type]"


TRANSLATIONS = "/v1/audio/translations"


def test_a_translation_asks_for_english(address: str, dispatch: ScriptedDispatch) -> None:
    answer = httpx.post(
        address + TRANSLATIONS,
        data={"model": "org/one", "prompt": "Zuvor.", "temperature": "0.5"},
        files={"file": ("day.wav", SOUND, "audio/wav")},
    )

    assert answer.json() == {"text": HEARD.text}
    assert dispatch.asked == [
        TranscribeRequest(SOUND, "day.wav", None, "Zuvor.", temperature=0.5, translate=True)
    ]
    assert (dispatch.asks[0].needs, dispatch.asks[0].endpoint) == ("translation", TRANSLATIONS)


def test_a_verbose_translation_is_english_with_its_segments(address: str) -> None:
    answer = httpx.post(
        address + TRANSLATIONS,
        data={"model": "org/one", "response_format": "verbose_json"},
        files={"file": ("day.wav", SOUND)},
    ).json()

    assert (answer["task"], answer["language"]) == ("translate", "english")
    assert len(answer["segments"]) == 2


def test_a_verbose_stream_ends_with_segments_and_words(
    address: str, dispatch: ScriptedDispatch
) -> None:
    async def timed(_: WorkerRequest) -> AsyncGenerator[Event]:
        yield Prepared(0)
        yield Delta(0, "Good day.", until_s=30.0)
        yield Result(0, HEARD.packed())
        yield Usage(0, 4, prefill_ms=1000.0, decode_ms=2000.0, audio_ms=6000.0)

    dispatch.script = timed
    answer = post(
        address,
        stream="true",
        response_format="verbose_json",
        **{"timestamp_granularities[]": ["word", "segment"]},
    )

    first, last = events(answer)
    assert first == {"type": "transcript.text.delta", "delta": "Good day.", "heard_s": 30.0}
    assert last["type"] == "transcript.text.done"
    assert (len(last["segments"]), len(last["words"]), last["duration"]) == (2, 2, 3661.5)
    assert last["real_time_factor"] == 2.0


def test_a_stream_says_first_how_long_the_sound_is_where_that_is_known(
    address: str, dispatch: ScriptedDispatch
) -> None:
    async def long(_: WorkerRequest) -> AsyncGenerator[Event]:
        yield Prepared(0, audio_s=3661.5)
        yield Delta(0, "Good day.", until_s=30.0)
        yield Result(0, HEARD.packed())
        yield Usage(0, 4)

    dispatch.script = long

    first, then, _ = events(post(address, stream="true"))

    assert first == {
        "type": "transcript.text.delta",
        "delta": "",
        "heard_s": 0.0,
        "duration": 3661.5,
    }
    assert then == {"type": "transcript.text.delta", "delta": "Good day.", "heard_s": 30.0}


def test_a_verbose_answer_says_how_fast_it_was(address: str, dispatch: ScriptedDispatch) -> None:
    async def quick(_: WorkerRequest) -> AsyncGenerator[Event]:
        yield Prepared(0)
        yield Result(0, HEARD.packed())
        yield Usage(0, 4, prefill_ms=500.0, decode_ms=500.0, audio_ms=10_000.0)

    dispatch.script = quick

    assert post(address, response_format="verbose_json").json()["real_time_factor"] == 10.0
