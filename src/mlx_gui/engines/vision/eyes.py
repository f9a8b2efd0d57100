"""How each family reads pictures: the tokens that stand for one, and its pixels.

For the preparation thread; no MLX. A picture is scaled once more by the model's own processor.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image
from transformers import AutoImageProcessor

from mlx_gui.core.errors import InvalidRequest, LoadFailed
from mlx_gui.engines.pictures.picture import Picture
from mlx_gui.engines.text.inputs import Positions
from mlx_gui.engines.text.pictures import Eyes, Pixels, Read
from mlx_gui.engines.vision import mrope
from mlx_gui.engines.vision.mlx_vlm import (
    PixtralImageProcessor,
    Qwen3VLImageProcessor,
    get_resize_output_image_size,
    qwen_picture_settings,
)

_UNREADABLE = (ArithmeticError, LookupError, TypeError, ValueError)
"""What processors raise at a picture whose shape they cannot make sense of."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What eyes are made of: the model's folder and config, and its tokens by name and by id."""

    path: Path
    config: Mapping[str, Any]
    processor_config: Mapping[str, Any]
    token_id: Callable[[str], int]
    token: Callable[[int], str]


class _Eyes(ABC):
    """What all families have in common; see `engines.text.pictures.Eyes`."""

    def __init__(self, marker: int, most_pixels: int) -> None:
        self.marker = marker
        self.most_pixels = most_pixels

    def read(self, picture: Picture, *, where: str) -> Read:
        try:
            ids, grid = self._tokens(picture.image)
        except _UNREADABLE as error:
            raise InvalidRequest(
                f"The model cannot look at a picture of {picture.size[0]}x{picture.size[1]} "
                f"pixels: {error}",
                hint="Send it in another size.",
                param=where or None,
            ) from error
        return Read(
            picture.digest,
            ids,
            grid,
            pixels=lambda: self._pixels(picture.image),
            scaled_down=picture.scaled_down_words(where),
        )

    def spelt(self, text: str) -> str:
        return text

    def positions(self, count: int, places: Sequence[tuple[int, Read]]) -> Positions | None:
        return None

    @abstractmethod
    def _tokens(self, image: Image) -> tuple[tuple[int, ...], tuple[int, int]]:
        """What stands for the picture in a prompt, and rows and columns of it."""

    @abstractmethod
    def _pixels(self, image: Image) -> Pixels:
        """What the tower is given."""


class QwenEyes(_Eyes):
    """Qwen2-VL: as many tokens as the picture has squares, placed in a plane."""

    def __init__(self, folder: Folder, most_pixels: int) -> None:
        super().__init__(folder.config.get("image_token_id", 151_655), most_pixels)
        settings: dict[str, Any] = qwen_picture_settings(str(folder.path), default_patch_size=14)
        self._processor: Any = Qwen3VLImageProcessor(**settings)

    def positions(self, count: int, places: Sequence[tuple[int, Read]]) -> Positions | None:
        return mrope.positions(count, [(start, read.grid) for start, read in places])

    def _tokens(self, image: Image) -> tuple[tuple[int, ...], tuple[int, int]]:
        square = self._processor.patch_size * self._processor.merge_size
        height, width = self._processor._resolved_size(image.height, image.width)
        grid = height // square, width // square
        return (self.marker,) * (grid[0] * grid[1]), grid

    def _pixels(self, image: Image) -> Pixels:
        return self._processor([image])


class MistralEyes(_Eyes):
    """Mistral Small 3: rows of tokens, with one that breaks each row and one that ends the last."""

    def __init__(self, folder: Folder, most_pixels: int) -> None:
        config, names = folder.config, folder.processor_config
        marker = config.get("image_token_index") or config.get("image_token_id")
        super().__init__(marker or folder.token_id(names.get("image_token", "[IMG]")), most_pixels)
        self._break = folder.token_id(names.get("image_break_token", "[IMG_BREAK]"))
        self._end = folder.token_id(names.get("image_end_token", "[IMG_END]"))
        self._processor: Any = PixtralImageProcessor.from_pretrained(str(folder.path))
        patch = config.get("vision_config", {}).get("patch_size", 14)
        self._square = patch * config.get("spatial_merge_size", 2)

    def _tokens(self, image: Image) -> tuple[tuple[int, ...], tuple[int, int]]:
        height, width = get_resize_output_image_size(
            (image.height, image.width), size=self._most(), patch_size=self._square
        )
        rows, columns = height // self._square, width // self._square
        if not rows or not columns:
            raise ValueError("as small as it has to be, nothing of it is left.")
        row = (*(self.marker,) * columns, self._break)
        return (*(row * rows)[:-1], self._end), (rows, columns)

    def _most(self) -> tuple[int, int]:
        """The largest height and width that the processor leaves as they are."""
        size = self._processor.size
        if not isinstance(size, dict):
            return int(size), int(size)
        edge = size.get("longest_edge")
        return (int(edge), int(edge)) if edge else (int(size["height"]), int(size["width"]))

    def _pixels(self, image: Image) -> Pixels:
        made = self._processor([image], patch_size=self._square)
        return {name: np.asarray(value) for name, value in made.items()}


class _SquareEyes(_Eyes):
    """Those to whom every picture is a square of the same size, between empty lines.

    `_spelling` is the sign that a template writes, and what is to stand there; `_ids` stand for
    each picture.
    """

    _ids: tuple[int, ...]
    _spelling: tuple[str, str]

    def __init__(self, folder: Folder, most_pixels: int, marker: int) -> None:
        super().__init__(marker, most_pixels)
        self._processor: Any = AutoImageProcessor.from_pretrained(
            str(folder.path), use_fast=False, local_files_only=True
        )

    def spelt(self, text: str) -> str:
        sign, spelt = self._spelling
        return text.replace(sign, spelt)

    def _tokens(self, image: Image) -> tuple[tuple[int, ...], tuple[int, int]]:
        return self._ids, (len(self._ids), 1)

    def _pixels(self, image: Image) -> Pixels:
        made = self._processor([image], return_tensors="np")
        return {"pixel_values": np.asarray(made["pixel_values"])}


class GemmaEyes(_SquareEyes):
    """Gemma 3, whose templates write what begins a picture."""

    def __init__(self, folder: Folder, most_pixels: int) -> None:
        config = folder.config
        super().__init__(folder, most_pixels, config.get("image_token_index", 262_144))
        sign = folder.token(config.get("boi_token_index", 255_999))
        end = folder.token(config.get("eoi_token_index", 256_000))
        self._spelling = sign, f"\n\n{sign}{folder.token(self.marker)}{end}\n\n"
        said = folder.processor_config.get("image_seq_length")
        self._ids = (self.marker,) * (said or config.get("mm_tokens_per_image") or 256)


class Gemma3nEyes(_SquareEyes):
    """Gemma 3n, whose templates write what stands for it; what ends it is the tower's as well."""

    def __init__(self, folder: Folder, most_pixels: int) -> None:
        config = folder.config
        super().__init__(folder, most_pixels, config.get("image_token_id", 262_145))
        sign = folder.token(self.marker)
        begin = folder.token(config.get("boi_token_id", 255_999))
        self._spelling = sign, f"\n\n{begin}{sign}\n\n"
        count = config.get("vision_soft_tokens_per_image") or 256
        self._ids = (*(self.marker,) * count, config.get("eoi_token_id", 262_144))


@dataclass(frozen=True, slots=True)
class Family:
    """How models of one type see; each token has a position in each of `position_axes`."""

    eyes: Callable[[Folder, int], Eyes]
    position_axes: int = 0


FAMILIES: Mapping[str, Family] = {
    "gemma3": Family(GemmaEyes),
    "gemma3n": Family(Gemma3nEyes),
    "mistral3": Family(MistralEyes),
    "qwen2_vl": Family(QwenEyes, mrope.AXES),
}
"""By the `model_type` of their config.json."""


def open_eyes(family: Family, folder: Folder, most_pixels: int, *, model_id: str) -> Eyes:
    """The eyes of a model. Raises LoadFailed where its processor's files are of no use."""
    try:
        return family.eyes(folder, most_pixels)
    except (ImportError, OSError, *_UNREADABLE, AttributeError) as error:
        raise LoadFailed(
            f"{model_id} cannot read pictures: {type(error).__name__}: {error}",
            hint="The folder needs preprocessor_config.json; install the model again.",
        ) from error
