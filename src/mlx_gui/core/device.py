"""The machine as the probe child found it."""

from typing import Literal

import msgspec

Backend = Literal["metal", "cuda", "cpu"]


class BlasFacts(msgspec.Struct, frozen=True):
    """The CPU BLAS that workers open before MLX; `problem` says why a faster one is not used."""

    library: str | None
    shim: str | None
    problem: str | None = None


class DeviceFacts(msgspec.Struct, frozen=True):
    """What the control plane must know of the device but never asks MLX for itself.

    `working_set_bytes` is the recommended maximum on Metal and the total VRAM on CUDA, else None.
    `text_model_types` are the architectures that the installed mlx-lm can load.
    """

    backend: Backend
    name: str
    memory_bytes: int
    working_set_bytes: int | None
    versions: dict[str, str]
    text_model_types: tuple[str, ...]
    blas: BlasFacts | None = None
