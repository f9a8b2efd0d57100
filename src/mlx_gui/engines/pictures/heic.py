"""HEIC, as phones write it: read by pi-heif, which the extra `heic` brings."""

from importlib import import_module

from mlx_gui.core.errors import UnsupportedMedia
from mlx_gui.core.picture_formats import TAKEN
from mlx_gui.engines.pictures.picture import named

_READER = "pi_heif"


def open_heic_reader(*, where: str) -> None:
    """Have Pillow read HEIC from now on; the picture that stands `where` is one.

    Raises UnsupportedMedia where the extra is not installed.
    """
    try:
        reader = import_module(_READER)
    except ImportError as error:
        raise UnsupportedMedia(
            f"{named(where)} is HEIC, and what reads that is not installed.",
            hint=f"Install it where the server is: pip install 'mlx-gui[heic]'. Or send {TAKEN}.",
            details={"param": where} if where else None,
        ) from error
    # Nothing but the picture itself is looked at.
    reader.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
