"""Ollama's pictures: bare base64. Data URLs and addresses are taken as well, as programs send them
that know other servers."""

from typing import Any

from mlx_gui.api.pictures import PictureSource
from mlx_gui.core.errors import InvalidRequest


def source_of(image: Any, where: str) -> PictureSource:
    """The picture that stands `where`. Raises InvalidRequest for what is no text."""
    if not isinstance(image, str):
        raise InvalidRequest(
            f"`{where}` should be a string.",
            hint="Send the file of the picture in base64.",
            param=where,
        )
    # No base64 has a colon.
    return PictureSource(image, where, base64=":" not in image[:32])
