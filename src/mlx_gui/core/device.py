"""The machine as the probe child found it, and what suits it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import msgspec

from mlx_gui.core.model import Kind

Backend = Literal["metal", "cuda", "cpu"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What suits a backend.

    `prefill_tokens` of prompts are read between two decode steps, and `crowd` times as many while
    more short prompts wait than answers run: long enough to use the device well, short enough for
    running answers to keep flowing. `cache_bytes` bounds the memory that MLX keeps for reuse; None
    leaves MLX's own bound. `scored_logits_bytes` bounds the logits of a prompt's chunk, in 32 bits,
    where its tokens are scored: small enough that no plan grows by it where memory is short.
    `encoder_tokens` are read at once, padding included, of texts that are only read: as many as use
    the device well, and as few as are done soon.
    """

    prefill_tokens: int
    cache_bytes: int | None
    scored_logits_bytes: int
    encoder_tokens: int
    crowd: int = 4


LIMITS: Mapping[Backend, Limits] = MappingProxyType(
    {
        "cpu": Limits(
            prefill_tokens=128, cache_bytes=None, scored_logits_bytes=1 << 23, encoder_tokens=1024
        ),
        "metal": Limits(
            prefill_tokens=512,
            cache_bytes=1 << 30,
            scored_logits_bytes=1 << 26,
            encoder_tokens=16_384,
        ),
        "cuda": Limits(
            prefill_tokens=512,
            cache_bytes=1 << 30,
            scored_logits_bytes=1 << 26,
            encoder_tokens=16_384,
        ),
    }
)


def scored_tokens(backend: Backend, vocabulary: int) -> int:
    """Tokens of a prompt that are scored at once, at least one."""
    limits = LIMITS[backend]
    return max(min(limits.prefill_tokens, limits.scored_logits_bytes // (4 * vocabulary)), 1)


class BlasFacts(msgspec.Struct, frozen=True):
    """The CPU BLAS that workers open before MLX; `problem` says why a faster one is not used.

    With `packed` it multiplies packed weights as they are, and nobody has to unpack them.
    """

    library: str | None
    shim: str | None
    problem: str | None = None
    packed: bool = False


class DeviceFacts(msgspec.Struct, frozen=True):
    """What the control plane must know of the device but never asks MLX for itself.

    `working_set_bytes` is the recommended maximum on Metal and the total VRAM on CUDA, else None.
    `model_types` are the architectures that the installed libraries can load, for each kind that
    has any to name.
    """

    backend: Backend
    name: str
    memory_bytes: int
    working_set_bytes: int | None
    versions: dict[str, str]
    model_types: dict[Kind, tuple[str, ...]]
    blas: BlasFacts | None = None
