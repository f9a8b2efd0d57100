"""Files as a Xet store has them: in chunks, which are bundled into xorbs.

Chunks are as large as each other here and not packed, where a real store cuts them by what they
hold; whoever reads them cannot tell. A xorb is known by its place in the file.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHUNK_BYTES = 64 * 1024
CHUNKS_OF_A_XORB = 24
XORB_BYTES = CHUNK_BYTES * CHUNKS_OF_A_XORB
_HEADER_BYTES = 8


def xet_hash_of(path: Path) -> str:
    """What a file is known by, as the real client reckons it."""
    # Else it keeps a log in the home of whoever runs the tests.
    os.environ.setdefault("HF_XET_LOG_DEST", "")
    import hf_xet

    return hf_xet.hash_files([str(path)])[0].hash


def xorb_name(file_hash: str, number: int) -> str:
    return hashlib.sha256(f"{file_hash} {number}".encode()).hexdigest()


def plan(file_hash: str, size: int, span: range, url: str) -> dict[str, Any]:
    """What builds the bytes of `span`: runs of chunks, and where they are; `url` is of a xorb."""
    first, last = span.start // CHUNK_BYTES, -(-span.stop // CHUNK_BYTES)
    terms: list[dict[str, Any]] = []
    offers: dict[str, list[dict[str, Any]]] = {}
    chunk = first
    while chunk < last:
        number, start = divmod(chunk, CHUNKS_OF_A_XORB)
        end = min(last - number * CHUNKS_OF_A_XORB, CHUNKS_OF_A_XORB)
        name = xorb_name(file_hash, number)
        from_byte, to_byte = (number * XORB_BYTES + each * CHUNK_BYTES for each in (start, end))
        run = {"start": start, "end": end}
        length = min(to_byte, size) - from_byte
        packed_from = start * (CHUNK_BYTES + _HEADER_BYTES)
        packed_to = packed_from + length + (end - start) * _HEADER_BYTES
        terms.append({"hash": name, "unpacked_length": length, "range": run})
        packed = {"start": packed_from, "end": packed_to - 1}
        offers[name] = [{"range": run, "url": url.format(number), "url_range": packed}]
        chunk += end - start
    offset = span.start - first * CHUNK_BYTES
    return {"offset_into_first_range": offset, "terms": terms, "fetch_info": offers}


def swollen_chunk() -> bytes:
    """A chunk of 128 KiB of zeros, the most that one may have, which LZ4 packs into 600 bytes."""
    block_bytes = 64 * 1024
    # A zero, of which a copy is made again and again, and five zeros more, as every block ends.
    rest, last = divmod(block_bytes - 6 - 19, 255)
    block = b"\x1f\0\1\0" + b"\xff" * rest + bytes([last]) + b"\x50" + bytes(5)
    packed_block = len(block).to_bytes(4, "little") + block
    frame = bytes.fromhex("04224d18604082") + packed_block * 2 + bytes(4)
    lengths = len(frame).to_bytes(3, "little") + b"\1" + (2 * block_bytes).to_bytes(3, "little")
    return b"\0" + lengths + frame


def xorb(source: Path, number: int) -> bytes:
    """The bundle of a file's chunks with that number."""
    return b"".join(_chunks(source, number))


def _chunks(source: Path, number: int) -> Iterator[bytes]:
    with source.open("rb") as file:
        file.seek(number * XORB_BYTES)
        for _ in range(CHUNKS_OF_A_XORB):
            chunk = file.read(CHUNK_BYTES)
            if not chunk:
                return
            length = len(chunk).to_bytes(3, "little")
            yield b"\0" + length + b"\0" + length + chunk
