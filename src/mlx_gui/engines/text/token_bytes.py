"""The bytes that each token stands for; a character may be spread over several tokens."""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

if TYPE_CHECKING:  # it brings MLX, which no byte needs
    from mlx_gui.engines.text.mlx_lm import TokenizerWrapper

TokenBytes = Callable[[int], bytes]
"""The bytes of a token id; empty for an id without a token."""

_Read = Callable[[str], bytes]

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))


def token_bytes_of(tokenizer: "TokenizerWrapper") -> TokenBytes:
    """Reads the tokens of `tokenizer` as its decoder does, but without joining them to text.

    Special tokens read as they are written. Keeps what it has read.
    """
    inner: Any = tokenizer._tokenizer
    backend = getattr(inner, "backend_tokenizer", None)
    if backend is not None:
        return bytes_in_backend(backend)

    def decoded(id: int) -> bytes:
        match = _BYTE_TOKEN.fullmatch(str(inner.convert_ids_to_tokens(id)))
        return inner.decode([id]).encode() if match is None else bytes([int(match[1], 16)])

    return cache(decoded)


def bytes_in_backend(backend: Tokenizer) -> TokenBytes:
    """The same for what does all the work of most tokenizers."""
    read = _reader(_decoders(backend.decoder))
    written: Callable[[int], str | None] = backend.id_to_token

    def found(id: int) -> bytes:
        token = written(id)
        return b"" if token is None else read(token)

    return cache(found)


def _decoders(decoder: Any) -> list[Mapping[str, Any]]:
    """The decoder's steps, in order. The library tells its settings only to pickle."""
    if decoder is None:
        return []
    settings = json.loads(decoder.__getstate__())
    return settings["decoders"] if settings["type"] == "Sequence" else [settings]


def _reader(decoders: list[Mapping[str, Any]]) -> _Read:
    if any(step["type"] == "ByteLevel" for step in decoders):
        return _byte_level
    spaces = [pair for step in decoders if (pair := _replacement(step)) is not None]
    with_bytes = any(step["type"] == "ByteFallback" for step in decoders)

    def read(token: str) -> bytes:
        match = _BYTE_TOKEN.fullmatch(token) if with_bytes else None
        if match is not None:
            return bytes([int(match[1], 16)])
        for old, new in spaces:
            token = token.replace(old, new)
        return token.encode()

    return read


def _replacement(step: Mapping[str, Any]) -> tuple[str, str] | None:
    match step:
        case {"type": "Replace", "pattern": {"String": str(old)}, "content": str(new)}:
            return old, new
        case {"type": "Metaspace", "replacement": str(old)}:
            return old, " "
        case _:
            return None


def _byte_level(token: str) -> bytes:
    """GPT-2's alphabet, in which every byte has a visible character.

    A token with any other character is written in plain text.
    """
    alphabet = _alphabet()
    if all(letter in alphabet for letter in token):
        return bytes(alphabet[letter] for letter in token)
    return token.encode()


@cache
def _alphabet() -> Mapping[str, int]:
    hidden = [byte for byte in range(256) if byte not in _PRINTABLE]
    return {
        **{chr(byte): byte for byte in _PRINTABLE},
        **{chr(0x100 + place): byte for place, byte in enumerate(hidden)},
    }
