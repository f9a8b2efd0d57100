"""How long an MP4, M4A or MOV is, by the box of its header that says so."""

import os
import struct
from typing import BinaryIO

_HEAD = struct.Struct(">I4s")
_LONG = struct.Struct(">Q")
_MOST_BOXES = 1000
_TIMES = {0: struct.Struct(">12xII"), 1: struct.Struct(">20xIQ")}
"""Ticks a second, and ticks in all, by the version of the box."""
_UNKNOWN = {0: (1 << 32) - 1, 1: (1 << 64) - 1}


def mp4_duration_s(file: BinaryIO) -> float | None:
    """None where it does not say, or nothing that makes sense; `file` is at its beginning then."""
    try:
        return _duration_s(file)
    except (OSError, struct.error):
        return None
    finally:
        file.seek(0)


def _duration_s(file: BinaryIO) -> float | None:
    end = file.seek(0, os.SEEK_END)
    movie = _box(file, b"moov", 0, end)
    header = None if movie is None else _box(file, b"mvhd", *movie)
    if header is None:
        return None
    file.seek(header[0])
    content = file.read(min(header[1] - header[0], 32))
    version = content[0] if content else None
    if version not in _TIMES:
        return None
    ticks_a_second, ticks = _TIMES[version].unpack_from(content)
    if not ticks_a_second or not ticks or ticks == _UNKNOWN[version]:
        return None
    return ticks / ticks_a_second


def _box(file: BinaryIO, kind: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Where the content of the first box of this kind begins and ends, within `start` and `end`."""
    for _ in range(_MOST_BOXES):
        if end - start < _HEAD.size:
            return None
        file.seek(start)
        length, found = _HEAD.unpack(file.read(_HEAD.size))
        inside = start + _HEAD.size
        if length == 1:
            (length,) = _LONG.unpack(file.read(_LONG.size))
            inside += _LONG.size
        elif length == 0:
            length = end - start
        if not inside - start <= length <= end - start:
            return None
        if found == kind:
            return inside, start + length
        start += length
    return None
