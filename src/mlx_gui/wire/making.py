"""The JSON that asks for a model to be made of something that is on this machine."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class ImportRequest(BaseModel):
    """A model folder, or a GGUF file, at an absolute `path` on the server's machine.

    A GGUF file is converted, and stays where it is with every mode. `name` is what the model is to
    be called; without it, as the folder or file is.
    """

    model_config = ConfigDict(strict=True)

    path: str
    mode: Literal["copy", "link", "move"] = "copy"
    name: str | None = None


class ConvertRequest(BaseModel):
    """How the weights are packed, by the usual values of `mode` where they are left out.

    `name` is what the new model is to be called; without it, as the old one and how it was packed.
    """

    model_config = ConfigDict(strict=True)

    bits: int | None = None
    group_size: int | None = None
    mode: Literal["affine", "mxfp4", "nvfp4", "mxfp8"] = "affine"
    name: str | None = None
