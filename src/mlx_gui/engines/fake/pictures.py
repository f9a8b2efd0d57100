"""What the fake engine sees: the size of each picture and its mean colour."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL.Image import Resampling

from mlx_gui.core.errors import CapabilityMissing, InvalidRequest
from mlx_gui.core.generation import ImagePart, Message
from mlx_gui.core.model import LoadSpec
from mlx_gui.engines.base import StillWanted
from mlx_gui.engines.fake.loading import scripted_name
from mlx_gui.engines.pictures.desk import PictureDesk
from mlx_gui.engines.pictures.picture import Picture

_PATCH_PIXELS = 28 * 28
_SEEING = "vision"
"""How the names of models that see begin."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture of a request; it takes `tokens` of the prompt."""

    size: tuple[int, int]
    colour: str
    tokens: int
    scaled_down: str | None

    @property
    def words(self) -> str:
        """What the engine says of it."""
        return f"{self.size[0]}x{self.size[1]} {self.colour}"


class FakeEyes:
    """Reads the pictures of requests as engines that see do, in a process of its own."""

    def __init__(self) -> None:
        self._desk = PictureDesk()

    def see(
        self, messages: Sequence[Message], spec: LoadSpec, still_wanted: StillWanted
    ) -> tuple[Seen, ...]:
        """All pictures, in their order.

        Raises as `PictureDesk.read` does, CapabilityMissing where the model is blind, and
        InvalidRequest for one in a place that its template has not got.
        """
        parts = [
            (message.role, part)
            for message in messages
            for part in message.parts
            if isinstance(part, ImagePart)
        ]
        if parts and not scripted_name(spec).startswith(_SEEING):
            raise CapabilityMissing(
                "This model reads text only, and a message holds a picture.",
                hint="Choose a model with the capability vision.",
            )
        for role, part in parts:
            if role == "system":
                raise InvalidRequest(
                    "The chat template has no place for a picture in a system message.",
                    hint="Put the pictures into messages of the user.",
                    param=part.where or "messages",
                )
        shown = [part for _, part in parts]
        read = self._desk.read(shown, still_wanted=still_wanted)
        return tuple(_seen(picture, part) for picture, part in zip(read, shown, strict=True))

    def close(self) -> None:
        self._desk.close()


def _seen(picture: Picture, part: ImagePart) -> Seen:
    red, green, blue = picture.image.resize((1, 1), Resampling.BOX).tobytes()
    width, height = picture.size
    return Seen(
        picture.size,
        f"#{red:02x}{green:02x}{blue:02x}",
        -(-width * height // _PATCH_PIXELS),
        picture.scaled_down_words(part.where),
    )
