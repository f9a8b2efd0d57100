"""Opens whatever sound a request brings, by what it is and not by what it is called."""

import sys
import tempfile
from contextlib import ExitStack
from io import BytesIO
from typing import BinaryIO, cast

import numpy as np

from mlx_gui.core.blob import Content, open_content
from mlx_gui.core.errors import DiskFull, UnsupportedMedia
from mlx_gui.engines.sound.audio_toolbox import READ_BY_MACOS, AudioToolboxSource
from mlx_gui.engines.sound.feed import SoundFeed
from mlx_gui.engines.sound.ffmpeg import FfmpegSource
from mlx_gui.engines.sound.formats import HEAD_BYTES, format_of
from mlx_gui.engines.sound.mono import RATE_HZ, MonoSound, too_short
from mlx_gui.engines.sound.sound_file import SoundFileSource
from mlx_gui.engines.sound.source import PARAM, Samples, SoundSource

LEAST_S = 0.1
"""Shorter sound holds no word."""


def open_sound(content: Content, *, longest_s: float) -> SoundFeed:
    """The sound of `content`, begun to be decoded; who asks for it closes it.

    Raises UnsupportedMedia for what is no sound, or none that anything here reads; InvalidRequest
    for what is damaged or too short; PayloadTooLarge for what says that it is longer than
    `longest_s`; Cancelled where the request has ended meanwhile.
    """
    with ExitStack() as unfinished:
        source = open_source(content)
        unfinished.callback(source.close)
        sound = MonoSound(source, longest_s=longest_s)
        first: Samples = np.zeros(0, np.float32)
        while len(first) < LEAST_S * RATE_HZ:
            if (piece := sound.read()) is None:
                raise too_short(sound.duration_s, LEAST_S)
            first = np.concatenate([first, piece])
        feed = SoundFeed(sound, first)
        unfinished.pop_all()
        return feed


def open_source(content: Content) -> SoundSource:
    """As `open_sound`, before anything of it is read."""
    with ExitStack() as unfinished:
        file = unfinished.enter_context(open_content(content))
        source = _source(file)
        unfinished.pop_all()
        return source


def _source(file: BinaryIO) -> SoundSource:
    head = file.read(HEAD_BYTES)
    file.seek(0)
    found = format_of(head)
    match found.reader:
        case "soundfile":
            return SoundFileSource(file)
        case "system" if sys.platform == "darwin" and found.name in READ_BY_MACOS:
            return AudioToolboxSource(file)
        case "system":
            return _by_ffmpeg(file, found.name)
        case "none":
            raise UnsupportedMedia(
                f"`{PARAM}` is no sound: it is {found.name}.",
                hint="Send WAV, MP3, FLAC, Ogg, Opus, AIFF, CAF, M4A, MP4 or WebM.",
                details={"param": PARAM},
            )


def _by_ffmpeg(file: BinaryIO, name: str) -> SoundSource:
    with ExitStack() as unfinished:
        source = FfmpegSource(unfinished.enter_context(_on_disk(file)), name)
        unfinished.pop_all()
        return source


def _on_disk(file: BinaryIO) -> BinaryIO:
    """The same in a file that another process can read; it has no name and leaves with us.

    Raises DiskFull.
    """
    if not isinstance(file, BytesIO):
        return file
    with ExitStack() as unfinished:
        try:
            kept = cast(BinaryIO, unfinished.enter_context(tempfile.TemporaryFile()))
            with file:
                kept.write(file.getbuffer())
            kept.flush()
        except OSError as error:
            raise DiskFull(
                f"The sound cannot be put into the system's temporary folder: {error.strerror}.",
                hint="Free some space there, or send WAV, which needs none.",
            ) from error
        unfinished.pop_all()
        return kept
