"""A picture as a model's processor takes it, and what bounds it."""

import hashlib
from dataclasses import dataclass

from PIL.Image import Image

from mlx_gui.kinds.vision_memory import PATIENT_READER_BYTES, QUICK_READER_BYTES

Size = tuple[int, int]
"""Width and height, in pixels."""

LEAST_SIDE = 28
"""Pictures with a shorter side are enlarged: processors guess wrong which axis of one with three
rows holds the colours, and no patch of a model is smaller than 14."""
MOST_ASPECT = 200
"""Of the longer side to the shorter one. No model takes more: there would be less than one patch
across."""


_BESIDE_BYTES = 80_000_000
"""What a process that reads pictures holds beside one that it decodes: itself, the result with its
copies, and a strip of what is scaled."""
QUICK_DECODING_BYTES = QUICK_READER_BYTES - _BESIDE_BYTES
"""What a picture may take that is read at once."""


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """What pictures may be. One with more than `most_pixels` is scaled down to so many, one that
    says it has more than `most_source_pixels`, or that takes more memory, is refused."""

    most_pixels: int = 4 * 1024 * 1024
    most_source_pixels: int = 64 * 1024 * 1024
    most_decoding_bytes: int = PATIENT_READER_BYTES - _BESIDE_BYTES


@dataclass(frozen=True, slots=True)
class Picture:
    """Upright, without transparency. `image` is in RGB and not to be changed.

    `digest` is the SHA-256 of size and pixels, all 32 bytes: two pictures with the same one are the
    same to a model. `original_size` is that of the file, upright as well.
    """

    image: Image
    digest: bytes
    original_size: Size

    @property
    def size(self) -> Size:
        return self.image.size

    @property
    def scaled_down(self) -> bool:
        """Whether it has fewer pixels than the file."""
        return self.size[0] < self.original_size[0] or self.size[1] < self.original_size[1]

    def scaled_down_words(self, where: str) -> str | None:
        """What is told of the loss of pixels, of the picture that stands `where`; None of none."""
        if not self.scaled_down:
            return None
        width, height = self.original_size
        return f"{where or 'picture'} from {width}x{height} to {self.size[0]}x{self.size[1]}"


def digest_of(size: Size, pixels: bytes) -> bytes:
    """See `Picture`; `pixels` are three bytes each, row by row."""
    digest = hashlib.sha256(b"%dx%d\n" % size)
    digest.update(pixels)
    return digest.digest()


def size_within(size: Size, most_pixels: int) -> Size:
    """The size that a picture gets: at most `most_pixels`, no side under `LEAST_SIDE`.

    The sides keep their proportion as far as whole numbers do.
    """
    width, height = size
    scale = min(1.0, (most_pixels / (width * height)) ** 0.5)
    scale = max(scale, LEAST_SIDE / min(width, height))
    return max(round(width * scale), LEAST_SIDE), max(round(height * scale), LEAST_SIDE)


def named(where: str) -> str:
    """The picture that stands `where`, as the beginning of a sentence."""
    return f"The picture `{where}`" if where else "The picture"
