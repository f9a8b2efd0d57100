"""Bytes that looking at a picture takes, once the model is there.

Formulas are of what mlx-vlm's towers do; the constants in them were measured.
"""

from mlx_gui.core.device import Backend
from mlx_gui.kinds.vision_facts import Tower

QUICK_READER_BYTES = 130_000_000
PATIENT_READER_BYTES = 400_000_000
"""What the two processes that read pictures hold at most; most of the time it is 35 MB each."""
PICTURE_READERS_BYTES = QUICK_READER_BYTES + PATIENT_READER_BYTES
_LAYERS_ALIVE = 4
"""So many arrays of a layer's values are in memory at once."""
_PIXEL_VALUES = 9
"""Of each pixel: three colours, as they come, as the tower has them, and cut into patches."""
_CONVOLVED_VALUES = 360
"""Of each pixel, in the widest block of the tower of Gemma 3n with what its product is made of."""
_FUSED_HEADS = (64, 80, 128)
"""Head sizes for which Metal and CUDA have a kernel that keeps no scores."""


def looking_bytes(tower: Tower, pixels: int, *, value_bytes: int, backend: Backend) -> int:
    """What one picture of so many pixels takes for a moment; one is looked at at a time."""
    if tower.fixed:
        pixels = tower.pixels
    pixels = min(pixels, tower.pixels)
    if tower.convolved:
        return pixels * (_CONVOLVED_VALUES * value_bytes + _PIXEL_VALUES * 4)
    patches = pixels // tower.patch**2
    values = _LAYERS_ALIVE * patches * (4 * tower.width + tower.inner)
    fused = backend != "cpu" and tower.width // max(tower.heads, 1) in _FUSED_HEADS
    if not fused:
        values += tower.heads * patches**2
    return values * value_bytes + pixels * _PIXEL_VALUES * 4
