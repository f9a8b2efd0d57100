"""Sound of any file: what is heard of it, and what is refused."""

import ctypes
import math
import os
import shutil
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from mlx_gui.core.blob import INLINE_BYTES, Blob, Content
from mlx_gui.core.errors import (
    Cancelled,
    DiskFull,
    InternalError,
    InvalidRequest,
    MlxGuiError,
    PayloadTooLarge,
    UnsupportedMedia,
)
from mlx_gui.engines.sound import ffmpeg
from mlx_gui.engines.sound.audio_toolbox import AudioToolboxSource
from mlx_gui.engines.sound.feed import AHEAD_SAMPLES, SoundFeed
from mlx_gui.engines.sound.formats import format_of
from mlx_gui.engines.sound.mono import RATE_HZ, MonoSound
from mlx_gui.engines.sound.mp4 import mp4_duration_s
from mlx_gui.engines.sound.opening import open_sound, open_source
from mlx_gui.engines.sound.sound_file import SoundFileSource

DEADLINE_S = 60
TONE_HZ = 440
FFMPEG = shutil.which("ffmpeg")
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="there is no ffmpeg on the PATH")


def tone(seconds: float, rate_hz: int = RATE_HZ, channels: int = 1) -> NDArray[np.float32]:
    """A tone of 440 Hz in all channels."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    wave = (0.5 * np.sin(2 * math.pi * TONE_HZ * times)).astype(np.float32)
    return np.tile(wave[:, None], (1, channels))


def encoded(samples: NDArray[np.float32], rate_hz: int, **how: Any) -> bytes:
    file = BytesIO()
    soundfile.write(file, samples, rate_hz, **how)
    return file.getvalue()


def wav(seconds: float, rate_hz: int = RATE_HZ, channels: int = 1) -> bytes:
    return encoded(tone(seconds, rate_hz, channels), rate_hz, format="WAV")


def heard(content: Content, *, longest_s: float = 3600) -> NDArray[np.float32]:
    """All samples of the sound."""
    feed = open_sound(content, longest_s=longest_s)
    try:
        return all_of(feed)
    finally:
        feed.close()


def all_of(feed: SoundFeed) -> NDArray[np.float32]:
    pieces: list[NDArray[np.float32]] = []
    start = 0
    while True:
        assert feed.wait_for(start, RATE_HZ, timeout_s=DEADLINE_S)
        pieces.append(feed.window(start, RATE_HZ))
        start += len(pieces[-1])
        if len(pieces[-1]) < RATE_HZ:
            return np.concatenate(pieces)


def loudest_hz(samples: NDArray[np.float32]) -> float:
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum) * RATE_HZ / len(samples))


@pytest.fixture
def on_disk(tmp_path: Path) -> Callable[[bytes], Blob]:
    """Makes a file of bytes, as large uploads are."""

    def write(data: bytes) -> Blob:
        path = tmp_path / "0"
        path.write_bytes(data)
        return Blob(str(path), len(data))

    return write


@pytest.mark.parametrize(
    "how",
    [
        {"format": "WAV"},
        {"format": "WAV", "subtype": "FLOAT"},
        {"format": "WAV", "subtype": "PCM_U8"},
        {"format": "FLAC"},
        {"format": "OGG", "subtype": "VORBIS"},
        {"format": "OGG", "subtype": "OPUS"},
        {"format": "MP3"},
        {"format": "AIFF"},
        {"format": "CAF"},
        {"format": "AU"},
    ],
    ids=lambda how: "-".join(how.values()),
)
def test_the_same_tone_is_heard_in_every_format(
    how: dict[str, str], on_disk: Callable[[bytes], Blob]
) -> None:
    data = encoded(tone(2, 48_000, 2), 48_000, **how)

    for content in (data, on_disk(data)):
        samples = heard(content)
        assert len(samples) / RATE_HZ == pytest.approx(2, abs=0.1)
        assert loudest_hz(samples) == pytest.approx(TONE_HZ, abs=1)
        assert np.max(np.abs(samples)) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_any_rate_and_any_number_of_channels_become_one_of_16_khz(
    rate_hz: int, channels: int
) -> None:
    samples = heard(wav(1.5, rate_hz, channels))

    assert len(samples) == pytest.approx(1.5 * RATE_HZ, abs=32)
    assert loudest_hz(samples) == pytest.approx(TONE_HZ, abs=1)


@needs_ffmpeg
@pytest.mark.parametrize("ending", ["m4a", "mp4", "mov", "aac", "webm"])
def test_ffmpeg_reads_what_libsndfile_does_not(
    ending: str, tmp_path: Path, on_disk: Callable[[bytes], Blob]
) -> None:
    source, made = tmp_path / "tone.wav", tmp_path / f"tone.{ending}"
    source.write_bytes(wav(2, 48_000, 2))
    assert FFMPEG is not None
    subprocess.run([FFMPEG, "-v", "error", "-i", source, made], check=True)
    data = made.read_bytes()
    assert len(data) < INLINE_BYTES

    for content in (data, on_disk(data)):
        samples = heard(content)
        assert len(samples) / RATE_HZ == pytest.approx(2, abs=0.2)
        assert loudest_hz(samples) == pytest.approx(TONE_HZ, abs=1)
    source_of_it = open_source(data)
    source_of_it.close()
    if ending in ("m4a", "mp4", "mov"):
        assert source_of_it.promised_frames == pytest.approx(2 * RATE_HZ, abs=0.2 * RATE_HZ)


@needs_ffmpeg
def test_a_truncated_container_is_refused_in_words(tmp_path: Path) -> None:
    made = tmp_path / "tone.m4a"
    assert FFMPEG is not None
    command = [FFMPEG, "-v", "error", "-f", "wav", "-i", "-", made]
    subprocess.run(command, input=wav(2), check=True)
    data = made.read_bytes()

    with pytest.raises(InvalidRequest, match="cannot be read"):
        heard(data[: len(data) // 2])


@needs_ffmpeg
def test_ffmpeg_follows_no_list_and_no_address(on_disk: Callable[[bytes], Blob]) -> None:
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttps://example.com/a.ts\n"
    with pytest.raises(UnsupportedMedia, match="text"):
        heard(playlist)
    # Even where it calls itself something that ffmpeg is asked for.
    with pytest.raises(InvalidRequest, match="cannot be read"):
        heard(on_disk(b"\0\0\0\x18ftypM4A " + playlist))


def test_an_ffmpeg_that_never_ends_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nexec >&- 2>&-\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(ffmpeg, "_END_S", 0.1)

    with pytest.raises(InvalidRequest, match="does not come to an end"):
        heard(b"\0\0\0\x18ftypM4A " + bytes(100))


def test_a_temporary_folder_that_takes_nothing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))

    with pytest.raises(DiskFull, match="temporary folder: No such file"):
        heard(b"\0\0\0\x18ftypM4A " + bytes(100))


class StarvingSource:
    """Finds no memory for its second piece."""

    rate_hz = RATE_HZ
    channels = 1
    promised_frames: int | None = None
    pieces = 0

    def read(self, frames: int) -> NDArray[np.float32]:
        self.pieces += 1
        if self.pieces > 1:
            raise MemoryError
        return tone(1)

    def close(self) -> None:
        pass


def test_want_of_memory_is_for_whoever_reads() -> None:
    feed = SoundFeed(MonoSound(StarvingSource(), longest_s=3600), tone(0)[:, 0])
    try:
        assert feed.wait_for(0, 2 * RATE_HZ, timeout_s=DEADLINE_S)
        with pytest.raises(MemoryError):
            feed.window(0, 2 * RATE_HZ)
    finally:
        feed.close()


def test_without_ffmpeg_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(UnsupportedMedia, match="ffmpeg") as refusal:
        heard(b"\0\0\0\x18ftypM4A " + bytes(100))

    assert "install ffmpeg" in refusal.value.hint
    assert "M4A or MP4" in refusal.value.message


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"Hello, this is no sound at all.\n" * 5, "text"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a PNG picture"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "a JPEG picture"),
        (b"\0\0\0\x18ftypheic" + bytes(100), "a HEIF picture"),
        (b"RIFF\x24\0\0\0WEBPVP8 " + bytes(40), "a RIFF file that is no WAV"),
        (b"PK\x03\x04" + bytes(100), "a ZIP archive"),
        (bytes(1000), "no known kind of file"),
    ],
)
def test_what_is_no_sound_is_named(data: bytes, what: str) -> None:
    with pytest.raises(UnsupportedMedia, match=what) as refusal:
        heard(data)

    assert refusal.value.status == 415
    assert refusal.value.details["param"] == "file"


@pytest.mark.parametrize("how", [{"format": "WAV"}, {"format": "AIFF"}, {"format": "FLAC"}])
def test_a_truncated_file_is_refused(how: dict[str, str]) -> None:
    rng = np.random.default_rng(1)
    samples = rng.uniform(-0.5, 0.5, (RATE_HZ * 40, 1)).astype(np.float32)
    data = encoded(samples, RATE_HZ, **how)

    with pytest.raises(InvalidRequest, match="cannot be read"):
        heard(data[: len(data) // 2])


def test_a_beginning_alone_is_not_said_to_be_a_file_that_does_not_exist() -> None:
    for format_, size in (("MP3", 20), ("FLAC", 42)):
        with pytest.raises(InvalidRequest, match="what follows makes no sense"):
            heard(encoded(tone(1), RATE_HZ, format=format_)[:size])


def test_a_wav_out_of_a_pipe_does_not_know_its_size_and_is_heard() -> None:
    data = bytearray(wav(1))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"

    assert len(heard(bytes(data))) == RATE_HZ


@pytest.mark.parametrize("more", [1, 8])
def test_a_wav_that_counts_a_few_bytes_too_many_is_heard(more: int) -> None:
    data = bytearray(wav(1))
    data[4:8] = struct.pack("<I", len(data) - 8 + more)

    assert len(heard(bytes(data))) == RATE_HZ


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_sound_in_which_no_word_fits_is_refused(seconds: float) -> None:
    with pytest.raises(InvalidRequest, match="shortest") as refusal:
        heard(wav(seconds))

    assert refusal.value.status == 400


def test_a_header_without_sound_and_with_nonsense_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        heard(b"RIFF\x24\0\0\0WAVEfmt " + bytes(28))
    with pytest.raises(InvalidRequest, match="cannot be read"):
        heard(b"OggS" + bytes(500))


def test_a_rate_that_nobody_hears_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="samples a second"):
        heard(wav(100, 10))


def test_a_small_file_that_holds_hours_is_refused_before_they_are_decoded() -> None:
    hours = np.zeros((3 * 3600 * 8_000, 1), np.int16)
    data = encoded(hours, 8_000, format="FLAC")
    assert len(data) < len(hours) // 50

    with pytest.raises(PayloadTooLarge, match=r"its file says 10800\.0 s") as refusal:
        open_sound(data, longest_s=3600)

    assert refusal.value.status == 413


@needs_ffmpeg
def test_one_that_does_not_say_how_long_it_is_ends_at_the_limit(tmp_path: Path) -> None:
    made = tmp_path / "long.webm"
    assert FFMPEG is not None
    command = [FFMPEG, "-v", "error", "-f", "wav", "-i", "-", made]
    subprocess.run(command, input=wav(100), check=True)

    with pytest.raises(PayloadTooLarge, match="longer than the 50 s"):
        heard(made.read_bytes(), longest_s=50)


@pytest.mark.parametrize("channels", [1, 2])
def test_floats_that_are_none_are_silence(channels: int) -> None:
    samples = tone(1, channels=channels)
    samples[100:200] = np.nan
    samples[300:400] = np.inf
    samples[500:600] = np.finfo(np.float32).max
    data = encoded(samples, RATE_HZ, format="WAV", subtype="FLOAT")

    got = heard(data)

    assert np.all(np.isfinite(got))
    assert np.max(np.abs(got)) <= 1


def test_a_file_that_is_gone_is_one_of_a_request_that_has_ended() -> None:
    with pytest.raises(Cancelled):
        open_sound(Blob("/nowhere/0", 5), longest_s=60)


def test_a_file_that_was_opened_is_heard_to_its_end_though_it_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "0"
    path.write_bytes(wav(30))

    feed = open_sound(Blob(str(path), path.stat().st_size), longest_s=60)
    path.unlink()

    assert len(all_of(feed)) == 30 * RATE_HZ
    feed.close()


def test_no_more_is_decoded_ahead_than_a_minute(on_disk: Callable[[bytes], Blob]) -> None:
    content = on_disk(wav(200, 8_000))
    feed = open_sound(content, longest_s=3600)

    assert feed.wait_for(0, AHEAD_SAMPLES, timeout_s=DEADLINE_S)
    held = feed.window(0, 200 * RATE_HZ)
    assert AHEAD_SAMPLES <= len(held) < 2 * AHEAD_SAMPLES
    assert feed.total is None
    assert len(all_of(feed)) == pytest.approx(200 * RATE_HZ, abs=RATE_HZ)
    assert feed.total == pytest.approx(200 * RATE_HZ, abs=RATE_HZ)
    feed.close()


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
def test_a_reader_that_goes_on_in_windows_never_waits_for_ever(
    rate_hz: int, on_disk: Callable[[bytes], Blob]
) -> None:
    feed = open_sound(on_disk(wav(200, rate_hz)), longest_s=3600)
    window, start = 31 * RATE_HZ, 0
    while start < 200 * RATE_HZ:
        assert feed.wait_for(start, window, timeout_s=DEADLINE_S)
        assert len(feed.window(start, window)) == min(window, 200 * RATE_HZ - start)
        # As far behind the edge of a piece as can be.
        start += 30 * RATE_HZ + 7
    feed.close()


def test_a_feed_that_is_closed_gives_its_thread_and_its_file_back(
    on_disk: Callable[[bytes], Blob],
) -> None:
    content = on_disk(wav(600, 8_000))
    others = threading.active_count()
    feed = open_sound(content, longest_s=3600)
    assert feed.wait_for(0, AHEAD_SAMPLES, timeout_s=DEADLINE_S)

    feed.close()

    for thread in threading.enumerate():
        if thread.name == "sound":
            thread.join(DEADLINE_S)
    assert threading.active_count() == others


class _Faulty:
    """A source that raises what nobody thought of, after its first piece."""

    rate_hz, channels, promised_frames = RATE_HZ, 1, None

    def __init__(self) -> None:
        self.reads = 0
        self.closed = threading.Event()

    def read(self, frames: int) -> NDArray[np.float32]:
        self.reads += 1
        if self.reads > 1:
            raise ValueError("a fault")
        return tone(1)

    def close(self) -> None:
        self.closed.set()


def test_what_nobody_thought_of_is_told_to_who_listens() -> None:
    source = _Faulty()
    sound = MonoSound(source, longest_s=60)
    first = sound.read()
    assert first is not None
    feed = SoundFeed(sound, first)

    assert source.closed.wait(DEADLINE_S)
    assert feed.wait_for(0, 100 * RATE_HZ, timeout_s=DEADLINE_S)
    with pytest.raises(InternalError, match="a fault"):
        feed.window(0, RATE_HZ)


@pytest.mark.parametrize(
    ("head", "name", "reader"),
    [
        (b"\xff\xfb\x90\x64", "MP3", "soundfile"),
        (b"\xff\xf1\x50\x80", "AAC", "system"),
        (b"ID3\x04", "MP3", "soundfile"),
        (b"\x1a\x45\xdf\xa3", "WebM or Matroska", "system"),
        (b"\0\0\0\x14ftypqt  ", "MOV", "system"),
        (b"#!AMR\n", "AMR", "system"),
        (b"", "no known kind of file", "none"),
    ],
)
def test_a_file_is_known_by_how_it_begins(head: bytes, name: str, reader: str) -> None:
    found = format_of(head)
    assert (found.name, found.reader) == (name, reader)


class _Framework:
    """AudioToolbox's functions, as far as they are used, over libsndfile.

    It shows that bytes are asked for by the callbacks and what is passed; not that macOS takes it.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.status = 0

    def AudioFileOpenWithCallbacks(self, _: None, read: Any, *rest: Any) -> int:
        self.calls.append("open")
        size = rest[1](None)
        buffer = ctypes.create_string_buffer(size)
        count = ctypes.c_uint32()
        assert read(None, 0, size, ctypes.addressof(buffer), ctypes.pointer(count)) == 0
        self.source = SoundFileSource(BytesIO(buffer.raw[: count.value]))
        return self.status

    def ExtAudioFileWrapAudioFileID(self, *_: Any) -> int:
        return 0

    def ExtAudioFileGetProperty(self, _: Any, code: Any, __: Any, into: Any) -> int:
        if code.value.to_bytes(4, "big") == b"ffmt":
            into._obj.rate_hz, into._obj.channels = self.source.rate_hz, self.source.channels
        else:
            into._obj.value = self.source.promised_frames
        return 0

    def ExtAudioFileSetProperty(self, _: Any, code: Any, size: Any, wanted: Any) -> int:
        assert (code.value.to_bytes(4, "big"), size.value) == (b"cfmt", 40)
        assert wanted._obj.frame_bytes == 4 * self.source.channels
        return 0

    def ExtAudioFileRead(self, _: Any, count: Any, buffers: Any) -> int:
        samples = self.source.read(count._obj.value)
        ctypes.memmove(buffers._obj.data, samples.tobytes(), samples.nbytes)
        count._obj.value = len(samples)
        return 0

    def AudioFileClose(self, _: Any) -> int:
        self.calls.append("close")
        return 0

    def ExtAudioFileDispose(self, _: Any) -> int:
        self.calls.append("dispose")
        return 0


def test_what_macos_reads_is_asked_for_by_callbacks_and_given_back() -> None:
    framework = _Framework()
    source = AudioToolboxSource(BytesIO(wav(1, 44_100, 2)), framework)

    sound = MonoSound(source, longest_s=60)
    pieces: list[NDArray[np.float32]] = []
    while (piece := sound.read()) is not None:
        pieces.append(piece)
    sound.close()
    sound.close()

    assert loudest_hz(np.concatenate(pieces)) == pytest.approx(TONE_HZ, abs=1)
    assert framework.calls == ["open", "dispose", "close"]


def test_what_macos_does_not_read_is_refused_with_its_status() -> None:
    framework = _Framework()
    framework.status = int.from_bytes(b"typ?", "big")

    with pytest.raises(InvalidRequest, match=r"macOS says 1954115647 .*OpenWithCallbacks"):
        AudioToolboxSource(BytesIO(wav(1)), framework)


def test_every_refusal_leaves_no_file_open(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    path = tmp_path / "0"
    before = open_files() if Path("/proc/self/fd").exists() else 0
    for data in (b"text", b"RIFF\x24\0\0\0WAVEfmt " + bytes(28), wav(0.05), b"fLaC" + bytes(99)):
        path.write_bytes(data)
        with pytest.raises(MlxGuiError):
            open_sound(Blob(str(path), len(data)), longest_s=60)
    if before:
        assert open_files() == before


def test_a_source_can_be_read_by_itself() -> None:
    source = open_source(wav(1, 8_000, 2))
    assert (source.rate_hz, source.channels, source.promised_frames) == (8_000, 2, 8_000)
    assert source.read(100).shape == (100, 2)
    source.close()


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def movie(header: bytes, *, behind: bytes = b"") -> bytes:
    """An MP4 whose header says `header`, with its sound before it."""
    return box(b"ftyp", b"M4A ") + box(b"mdat", bytes(99)) + box(b"moov", header) + behind


SHORT_HEADER = box(b"mvhd", struct.pack(">12xII", 1000, 83_250) + bytes(80))
LONG_HEADER = box(b"mvhd", b"\1" + struct.pack(">19xIQ", 48_000, 48_000 * 7200))


@pytest.mark.parametrize(
    ("content", "duration_s"),
    [
        (movie(SHORT_HEADER), 83.25),
        (movie(box(b"iods", b"") + LONG_HEADER, behind=b"?"), 7200.0),
        (movie(box(b"mvhd", struct.pack(">12xII", 1000, 0xFFFFFFFF))), None),
        (movie(box(b"mvhd", struct.pack(">12xII", 0, 7))), None),
        (movie(box(b"mvhd", b"\7" + bytes(40))), None),
        (movie(SHORT_HEADER[:15]), None),
        (box(b"moov", SHORT_HEADER)[:20], None),
        (struct.pack(">I4s", 3, b"free") * 9, None),
        (struct.pack(">I4sQ", 1, b"moov", 1 << 63), None),
        (struct.pack(">I4s", 1, b"moov"), None),
        (box(b"free", b"") * 100_000 + movie(SHORT_HEADER), None),
        (b"\x1a\x45\xdf\xa3 is WebM", None),
        (b"", None),
    ],
)
def test_an_mp4_says_how_long_it_is_or_nothing(content: bytes, duration_s: float | None) -> None:
    file = BytesIO(content)

    assert mp4_duration_s(file) == duration_s
    assert file.tell() == 0
