"""The official openai client sends sound to a real server."""

import hashlib
from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI

from tests.support.server import Server
from tests.support.waiting import wait_until

MODEL = "fake/transcription"
SMALL, LARGE = b"RIFF" * 8_000, bytes(range(256)) * 40_000


def heard(sound: bytes) -> str:
    """What the fake engine writes down."""
    return f"{len(sound)} bytes with the digest {hashlib.sha256(sound).hexdigest()[:12]}"


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_stays(server: Server) -> Iterator[None]:
    """Files go when their request has ended, however it did."""
    yield
    uploads = server.data_dir / "cache" / "uploads"
    wait_until(lambda: not [*uploads.rglob("*")], what="the uploads to be gone")


@pytest.mark.parametrize("sound", [b"x", SMALL, LARGE])
def test_it_gets_the_text_of_small_and_large_files(client: OpenAI, sound: bytes) -> None:
    answer = client.audio.transcriptions.create(model=MODEL, file=("a.wav", sound))

    assert answer.text == heard(sound)
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    assert answer.usage.seconds == len(sound) / 32_000


def test_it_gets_times_of_segments_and_words(client: OpenAI) -> None:
    answer = client.audio.transcriptions.create(
        model=MODEL,
        file=("a.wav", SMALL),
        language="fr",
        prompt="Avant.",
        temperature=0.2,
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )

    assert (answer.text, answer.language, answer.duration) == (heard(SMALL), "fr", 1.0)
    assert answer.words is not None
    assert " ".join(word.word for word in answer.words) == heard(SMALL)
    assert answer.segments is not None
    assert [segment.id for segment in answer.segments] == [0, 1]
    assert answer.segments[-1].end == 1.0


def test_it_gets_texts_and_subtitles(client: OpenAI) -> None:
    text = client.audio.transcriptions.create(
        model=MODEL, file=("a.wav", SMALL), response_format="text"
    )
    assert text == f"{heard(SMALL)}\n"
    srt = client.audio.transcriptions.create(
        model=MODEL, file=("a.wav", SMALL), response_format="srt"
    )
    assert srt.startswith("1\n00:00:00,000 --> 00:00:00,")
    vtt = client.audio.transcriptions.create(
        model=MODEL, file=("a.wav", SMALL), response_format="vtt"
    )
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> ")


def test_it_streams_word_by_word(client: OpenAI) -> None:
    with client.audio.transcriptions.create(
        model=MODEL, file=("a.wav", LARGE), stream=True
    ) as stream:
        events = list(stream)

    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert "".join(deltas) == heard(LARGE)
    first, *_, last_delta, _ = events
    long_s = len(LARGE) / 32_000
    assert (first.model_extra or {})["duration"] == (last_delta.model_extra or {})["heard_s"]
    assert (first.model_extra or {})["duration"] == long_s
    last = events[-1]
    assert last.type == "transcript.text.done"
    assert last.text == heard(LARGE)
    assert last.usage is not None
    assert last.usage.total_tokens == last.usage.input_tokens + last.usage.output_tokens
    assert (last.usage.model_extra or {})["seconds"] == long_s


def test_a_model_that_does_not_hear_is_refused_before_it_is_loaded(
    server: Server, client: OpenAI
) -> None:
    with pytest.raises(openai.BadRequestError, match="cannot write down what is said") as refusal:
        client.audio.transcriptions.create(model="fake/second", file=("a.wav", LARGE))

    assert refusal.value.param == "model"
    with server.client() as http:
        assert http.get("/v1/models/fake/second").json()["state"] == "not_loaded"


def test_a_model_that_only_hears_is_refused_everything_else(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="cannot answer a conversation"):
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
    with pytest.raises(openai.BadRequestError):
        client.completions.create(model=MODEL, prompt="Hello")


def test_an_empty_file_and_a_strange_format_are_its_own_errors(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="is empty"):
        client.audio.transcriptions.create(model=MODEL, file=("a.wav", b""))
    with pytest.raises(openai.BadRequestError, match="response_format"):
        client.audio.transcriptions.create(
            model=MODEL, file=("a.wav", SMALL), response_format="diarized_json"
        )
    with pytest.raises(openai.NotFoundError):
        client.audio.transcriptions.create(model="nobody", file=("a.wav", SMALL))


def test_the_list_of_models_says_which_of_them_hear(client: OpenAI) -> None:
    hearing = [
        model.id
        for model in client.models.list()
        if "transcription" in (model.model_extra or {})["capabilities"]
    ]

    assert hearing == [MODEL]


def test_it_gets_a_translation(client: OpenAI) -> None:
    with pytest.deprecated_call():
        answer = client.audio.translations.create(
            model=MODEL, file=("a.wav", SMALL), prompt="Avant."
        )

    assert answer.text == heard(SMALL)


def test_a_file_that_is_larger_than_sound_may_be_is_refused(client: OpenAI, server: Server) -> None:
    with server.client() as http:
        http.patch("/v1/settings", json={"settings": {"max_audio_bytes": 5000}}).raise_for_status()
        try:
            with pytest.raises(openai.APIStatusError, match="takes 5000 of sound") as refusal:
                client.audio.transcriptions.create(model=MODEL, file=("a.wav", SMALL))
        finally:
            http.patch(
                "/v1/settings", json={"settings": {"max_audio_bytes": None}}
            ).raise_for_status()

    assert refusal.value.status_code == 413
