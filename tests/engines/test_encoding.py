"""Sound in the formats that clients ask for, and at other speeds."""

import ctypes
import math
from io import BytesIO
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from mlx_gui.core.errors import InvalidRequest, WorkerFailed
from mlx_gui.core.sound_format import SoundFormat, check_format
from mlx_gui.engines.sound.aac import AacEncoder
from mlx_gui.engines.sound.encoding import Encoder, encoder_of, rate_of
from mlx_gui.engines.sound.opening import open_source
from mlx_gui.engines.sound.stretching import Stretch

Samples = NDArray[np.float32]
RATE_HZ = 24_000
FRAME = 1920
MADE: tuple[SoundFormat, ...] = ("mp3", "opus", "flac", "wav", "pcm")
MP3_SPARE = 3 * 1152
"""What MP3 adds to any sound: the frame of its own, and what its filters hold back."""


def tone(seconds: float, hz: float = 440, rate_hz: int = RATE_HZ) -> Samples:
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * math.pi * hz * times)).astype(np.float32)


def pieces_of(encoder: Encoder, samples: Samples, frame: int = FRAME) -> list[bytes]:
    """What comes out for each frame, and at the end."""
    frames = [samples[start : start + frame] for start in range(0, len(samples), frame)]
    return [*(encoder.add(each) for each in frames), encoder.end()]


def read(format: SoundFormat, data: bytes, rate_hz: int = RATE_HZ) -> Samples:
    if format == "pcm":
        return np.frombuffer(data, "<i2").astype(np.float32) / 32_767
    samples, found_hz = soundfile.read(BytesIO(data), dtype="float32")
    assert found_hz == rate_hz
    return samples


def loudest_hz(samples: Samples, rate_hz: int = RATE_HZ) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate_hz / len(samples)


@pytest.mark.parametrize("seconds", [0.08, 3.0])
@pytest.mark.parametrize("format", MADE)
def test_every_format_is_read_back_with_its_length_and_its_tone(
    format: SoundFormat, seconds: float
) -> None:
    sound = tone(seconds)

    got = read(format, b"".join(pieces_of(encoder_of(format, RATE_HZ), sound)))

    spare = MP3_SPARE if format == "mp3" else 0
    assert len(sound) <= len(got) <= len(sound) + spare
    if seconds > 1:
        assert loudest_hz(got) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("format", ["wav", "pcm", "flac"])
def test_what_loses_nothing_has_every_sample(format: SoundFormat) -> None:
    sound = np.array([0, 0.5, -0.5, 1, -1, 2, -2, math.nan], np.float32)

    got = read(format, b"".join(pieces_of(encoder_of(format, RATE_HZ), sound)))

    np.testing.assert_allclose(got, [0, 0.5, -0.5, 1, -1, 1, -1, 0], atol=1e-4)


@pytest.mark.parametrize(("format", "later"), [("mp3", 4), ("opus", 16), ("wav", 1), ("pcm", 1)])
def test_what_can_be_played_from_its_beginning_comes_as_it_is_made(
    format: SoundFormat, later: int
) -> None:
    pieces = pieces_of(encoder_of(format, RATE_HZ), tone(4.0))

    came = [number for number, each in enumerate(pieces) if each]
    assert len(came) > 2
    assert max(after - before for before, after in pairwise(came)) <= later


def test_flac_says_at_its_beginning_how_long_it_is_and_so_comes_at_the_end() -> None:
    *before, last = pieces_of(encoder_of("flac", RATE_HZ), tone(1.0))

    assert not any(before)
    assert soundfile.info(BytesIO(last)).frames == RATE_HZ


def test_a_wav_of_unknown_length_is_heard_by_our_own_ears_too() -> None:
    data = b"".join(pieces_of(encoder_of("wav", RATE_HZ), tone(1.0)))

    source = open_source(data)

    assert len(source.read(2 * RATE_HZ)) == RATE_HZ
    source.close()


@pytest.mark.parametrize("format", ["wav", "pcm"])
def test_no_sound_at_all_is_a_file_too(format: SoundFormat) -> None:
    assert len(read(format, encoder_of(format, RATE_HZ).end())) == 0


@pytest.mark.parametrize(
    ("format", "rate_hz", "made_hz"),
    [
        ("pcm", 44_100, 24_000),
        ("opus", 44_100, 24_000),
        ("opus", 16_000, 16_000),
        ("mp3", 44_100, 44_100),
        ("mp3", 96_000, 24_000),
        ("wav", 96_000, 96_000),
        ("flac", 11_025, 11_025),
    ],
)
def test_a_format_has_the_rate_of_the_sound_where_it_can(
    format: SoundFormat, rate_hz: int, made_hz: int
) -> None:
    assert rate_of(format, rate_hz) == made_hz
    encoder_of(format, made_hz).end()


def test_aac_is_refused_where_it_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(InvalidRequest, match="makes mp3, opus, flac, wav, pcm") as refusal:
        check_format("aac")
    assert refusal.value.details["param"] == "response_format"
    monkeypatch.setattr("sys.platform", "darwin")
    check_format("aac")


class _Framework:
    """AudioToolbox's functions, as far as they are used: frames are copied as they are.

    It shows what is passed and that bytes come by the callbacks; not that macOS takes it.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.status = 0
        self._place = 0

    def AudioFileInitializeWithCallbacks(self, _: None, *rest: Any) -> int:
        _read, self._write, self._size, self._resize, kind, packets, _flags, _into = rest
        assert kind.value.to_bytes(4, "big") == b"adts"
        assert packets._obj.format.to_bytes(4, "big") == b"aac "
        assert (packets._obj.rate_hz, packets._obj.channels) == (RATE_HZ, 1)
        self.calls.append("open")
        return self.status

    def ExtAudioFileWrapAudioFileID(self, _: Any, writes: Any, __: Any) -> int:
        assert writes.value == 1
        return 0

    def ExtAudioFileSetProperty(self, _: Any, code: Any, size: Any, given: Any) -> int:
        assert (code.value.to_bytes(4, "big"), size.value) == (b"cfmt", 40)
        assert given._obj.frame_bytes == 4
        return 0

    def ExtAudioFileWrite(self, _: Any, count: Any, buffers: Any) -> int:
        size = 4 * count.value
        assert buffers._obj.size_bytes == size
        written = ctypes.c_uint32()
        assert self._write(None, self._place, size, buffers._obj.data, ctypes.pointer(written)) == 0
        assert written.value == size
        self._place += size
        assert self._size(None) == self._place
        return 0

    def ExtAudioFileDispose(self, _: Any) -> int:
        # An encoder holds its last frame back, and may take room that it does not need.
        assert self._resize(None, self._place + 7) == 0
        assert self._resize(None, self._place + 4) == 0
        self.calls.append("dispose")
        return 0

    def AudioFileClose(self, _: Any) -> int:
        self.calls.append("close")
        return 0


def test_what_macos_makes_comes_by_callbacks() -> None:
    framework = _Framework()
    sound = tone(0.5)

    *pieces, last = pieces_of(AacEncoder(RATE_HZ, framework), sound)

    assert b"".join(pieces) == sound.tobytes()
    assert last == bytes(4)
    assert framework.calls == ["open", "dispose", "close"]


def test_what_macos_does_not_make_fails_with_its_status() -> None:
    framework = _Framework()
    framework.status = int.from_bytes(b"fmt?", "big")

    with pytest.raises(WorkerFailed, match=r"macOS makes no AAC: .*InitializeWithCallbacks"):
        AacEncoder(RATE_HZ, framework)


def stretched(sound: Samples, speed: float, frame: int = FRAME) -> Samples:
    stretch = Stretch(RATE_HZ, speed)
    pieces = [stretch.add(sound[start : start + frame]) for start in range(0, len(sound), frame)]
    return np.concatenate([*pieces, stretch.end()])


@pytest.mark.parametrize("speed", [0.25, 0.5, 0.9, 1.25, 2, 4])
@pytest.mark.parametrize("hz", [110, 440, 2500])
def test_a_speed_changes_the_length_and_neither_pitch_nor_loudness(hz: float, speed: float) -> None:
    sound = tone(3.0, hz)

    got = stretched(sound, speed)

    assert len(got) == round(len(sound) / speed)
    assert loudest_hz(got) == pytest.approx(hz, rel=0.01)
    middle = got[len(got) // 10 : -len(got) // 10]
    assert float(middle.std()) == pytest.approx(float(sound.std()), rel=0.05)


def test_a_stretched_sound_does_not_depend_on_its_pieces() -> None:
    # Of a pure tone many windows follow equally well.
    sound = np.random.default_rng(1).standard_normal(RATE_HZ).astype(np.float32)

    np.testing.assert_array_equal(stretched(sound, 1.5), stretched(sound, 1.5, frame=77))


@pytest.mark.parametrize("count", [0, 1, 7, 900])
def test_a_sound_that_is_shorter_than_a_window_is_no_fault(count: int) -> None:
    assert len(stretched(np.ones(count, np.float32), 4)) <= count // 4 + 1


def test_a_long_sound_is_stretched_in_bounded_memory() -> None:
    stretch = Stretch(RATE_HZ, 2)

    for _ in range(600):
        stretch.add(np.zeros(FRAME, np.float32))

    assert len(stretch._sound) < 2 * RATE_HZ
