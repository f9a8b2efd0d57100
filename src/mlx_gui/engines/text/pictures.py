"""Pictures in prompts: tokens that stand for them, and what a model that sees is asked for.

What reads pictures and what looks at them is the engine's that loads such a model.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import mlx.core as mx
from numpy.typing import NDArray

from mlx_gui.core.errors import ContextTooLong, InvalidRequest
from mlx_gui.core.generation import ImagePart, Message
from mlx_gui.engines.base import StillWanted
from mlx_gui.engines.pictures.desk import PictureDesk
from mlx_gui.engines.pictures.picture import Picture
from mlx_gui.engines.text.inputs import Digest, Imprint, Positions

Pixels = Mapping[str, NDArray[Any]]
"""What a model's processor makes of a picture, by the names that the model has for it."""


@dataclass(frozen=True, slots=True)
class Read:
    """A picture before it becomes pixels.

    `ids` stand for it in a prompt, the first of them the marker; `grid` are rows and columns of
    those that the model places in the plane. `pixels` is called once the prompt is known to fit.
    `scaled_down` says in words what the picture has lost.
    """

    digest: Digest
    ids: tuple[int, ...]
    grid: tuple[int, int]
    pixels: Callable[[], Pixels]
    scaled_down: str | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture in a prompt: its `ids` stand there from `start` on."""

    start: int
    ids: tuple[int, ...]
    digest: Digest
    pixels: Pixels

    @property
    def end(self) -> int:
        return self.start + len(self.ids)

    @property
    def imprint(self) -> Imprint:
        return Imprint(self.start, len(self.ids), self.digest)


class Eyes(Protocol):
    """Reads pictures for one model, on the preparation thread and without MLX."""

    marker: int
    """The token that stands in a prompt where a picture is to be."""
    most_pixels: int
    """Larger pictures are scaled down before they come here."""

    def read(self, picture: Picture, *, where: str) -> Read:
        """The picture that stands there in a request.

        Raises InvalidRequest for one that the model cannot look at.
        """
        ...

    def spelt(self, text: str) -> str:
        """What a chat template wrote, with one marker where it wrote its sign for a picture."""
        ...

    def positions(self, count: int, places: Sequence[tuple[int, Read]]) -> Positions | None:
        """Those of a prompt of `count` tokens with pictures that begin at these places."""
        ...


Glance = Generator[None, None, mx.array]
"""A look at a picture, in one part or several: each is computed when it is asked for.

Returns the values [tokens, values] in place of those of its ids. Raises as a model does.
"""

Tower = Callable[[Placed], Glance]
"""Looks at a picture. For the main thread, which waits for each part."""


def pictures_in(messages: Sequence[Message]) -> tuple[ImagePart, ...]:
    """All pictures, in the order in which a template writes them."""
    return tuple(
        part for message in messages for part in message.parts if isinstance(part, ImagePart)
    )


class Album:
    """The pictures of the request that is prepared, as tokens. `eyes` read for its model.

    A prompt of more than `context` tokens is refused before any more of its pictures are read.
    """

    def __init__(self, eyes: Eyes, context: int) -> None:
        self.eyes = eyes
        self._context = context
        self._desk = PictureDesk()
        self._read: dict[int, Read] = {}

    def read(self, messages: Sequence[Message], still_wanted: StillWanted) -> None:
        """Read all pictures of `messages`.

        Raises as `PictureDesk.read` and `Eyes.read` do, and ContextTooLong.
        """
        self._read = {}
        tokens = 0
        parts = pictures_in(messages)
        pictures = self._desk.read(
            parts, most_pixels=self.eyes.most_pixels, still_wanted=still_wanted
        )
        for place, (part, picture) in enumerate(zip(parts, pictures, strict=True)):
            read = self.eyes.read(picture, where=part.where)
            self._read[id(part)] = read
            tokens += len(read.ids)
            if tokens > self._context:
                raise ContextTooLong(
                    f"The first {place + 1} pictures alone have {tokens} tokens, the context holds "
                    f"{self._context}.",
                    hint="Send fewer or smaller pictures, or load the model with a longer context.",
                    details={"prompt_tokens": tokens, "context_tokens": self._context},
                )

    def filled(
        self, ids: Sequence[int], pictures: Sequence[ImagePart], *, whole: bool
    ) -> list[int]:
        """`ids` of what a template wrote, with the tokens of each picture in place of its marker.

        Raises InvalidRequest unless there is one marker for each, where `ids` are of the `whole`.
        """
        marker = self.eyes.marker
        written = sum(each == marker for each in ids)
        if whole and written != len(pictures):
            raise InvalidRequest(
                f"The chat template has no place for all pictures of these messages: there are "
                f"{len(pictures)}, and it wrote {written}.",
                hint="Put the pictures into messages of the user.",
                param="messages",
            )
        left = iter(pictures)
        filled: list[int] = []
        for each in ids:
            picture = next(left, None) if each == marker else None
            filled += (each,) if picture is None else self._read[id(picture)].ids
        return filled

    def places(
        self, ids: Sequence[int], pictures: Sequence[ImagePart], *, behind: int
    ) -> tuple[tuple[int, Read], ...]:
        """Where the tokens of each picture begin in `ids`, none of them before `behind`."""
        found: list[tuple[int, Read]] = []
        for picture in pictures:
            read = self._read[id(picture)]
            start = ids.index(self.eyes.marker, behind)
            found.append((start, read))
            behind = start + len(read.ids)
        return tuple(found)

    def placed(
        self, places: Sequence[tuple[int, Read]], count: int, still_wanted: StillWanted
    ) -> tuple[tuple[Placed, ...], Positions | None]:
        """The pictures as pixels, and positions of the prompt's `count` tokens if they make any."""
        pictures: list[Placed] = []
        for start, read in places:
            still_wanted()
            pictures.append(Placed(start, read.ids, read.digest, read.pixels()))
        self._read = {}
        return tuple(pictures), self.eyes.positions(count, places)
