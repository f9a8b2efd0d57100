"""Pictures for tests, as files."""

import base64
from io import BytesIO
from typing import Any

from PIL import Image

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def encoded(image: Image.Image, format: str = "PNG", **how: Any) -> bytes:
    """The file of a picture."""
    file = BytesIO()
    image.save(file, format, **how)
    return file.getvalue()


def plain(
    colour: tuple[int, int, int], size: tuple[int, int] = (64, 64), format: str = "PNG"
) -> bytes:
    """The file of a picture of one colour."""
    return encoded(Image.new("RGB", size, colour), format)


def endless_jpeg(passes: int = 3000) -> bytes:
    """A small file with thousands of passes over a large picture."""
    file = encoded(Image.new("L", (4000, 4000), 100), "JPEG", progressive=True)
    last_pass = file[file.rfind(b"\xff\xda") : -2]
    return file[:-2] + last_pass * passes + b"\xff\xd9"


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
