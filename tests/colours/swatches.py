"""Pictures of one colour, with the noise and the shapes that a model has to see through."""

from collections.abc import Mapping

import numpy as np
from PIL import Image

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "red": (220, 30, 30),
    "green": (30, 160, 40),
    "blue": (30, 60, 220),
    "yellow": (240, 220, 40),
    "black": (10, 10, 10),
    "white": (245, 245, 245),
}
"""By the word that a model says."""


def swatch(
    name: str, size: tuple[int, int] = (64, 64), dice: np.random.Generator | None = None
) -> Image.Image:
    """A picture of the colour `name`; with `dice` in some other shade of it, with noise."""
    width, height = size
    pixels = np.tile(np.array(COLOURS[name], np.int32), (height, width, 1))
    if dice is not None:
        pixels = pixels + dice.integers(-15, 16, 3) + dice.integers(-12, 13, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def any_swatch(name: str, dice: np.random.Generator) -> Image.Image:
    """One of any shape."""
    width, height = (int(side) for side in dice.integers(40, 260, 2))
    return swatch(name, (width, height), dice)
