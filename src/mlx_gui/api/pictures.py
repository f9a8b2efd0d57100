"""What a request shows a model besides text: pictures, sound, files.

A model that sees gets pictures. To one that reads text only, what the user shows now is refused:
an answer that never saw it would mislead. What is part of the history, or what a tool gave back, is
not the user's to take away: a text stands in its place, and the conversation goes on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Never

from mlx_gui.api.encoded_pictures import check_not_empty, checked_picture, decoded, inside_data_url
from mlx_gui.api.notices import Notices
from mlx_gui.core.errors import CapabilityMissing, InvalidRequest
from mlx_gui.core.generation import ImagePart, Message, Part, TextPart

Sense = Literal["a picture", "sound", "a video", "a file"]
MediaUrls = Literal["off", "https", "http"]
"""Which addresses pictures are fetched from: none, those of https, or of http as well."""

_PLACEHOLDERS: dict[Sense, str] = {
    "a picture": "[There is a picture here, which this model cannot see.]",
    "sound": "[There is sound here, which this model cannot hear.]",
    "a video": "[There is a video here, which this model cannot see.]",
    "a file": "[There is a file here, which this model cannot read.]",
}
_UNABLE: dict[Sense, tuple[str, str]] = {
    "a picture": (
        "reads text only",
        "Leave it out, send what it says as text, or ask a model that takes pictures.",
    ),
    "sound": (
        "cannot hear",
        "Leave it out, or send it as `input_audio` to /v1/chat/completions and set "
        "chat_audio_model: the speech model that it names writes it down.",
    ),
    "a video": ("takes no videos", "Leave it out, or send pictures of it."),
    "a file": ("takes no files", "Leave it out, or send what it says as text."),
}
"""What models say to each, and what to do then."""
_LOW_PIXELS = 512 * 512
_DETAILS = ("auto", "low", "high", "original")


@dataclass(frozen=True, slots=True)
class Sight:
    """What a model that sees may be shown in one request, by the settings."""

    most_pictures: int = 100
    most_pixels: int = 4 * 1024 * 1024
    most_bytes: int = 32 * 1024 * 1024
    urls: MediaUrls = "off"


@dataclass(frozen=True, slots=True)
class PictureSource:
    """A picture as a request has it: an address, which may be a data URL, or `base64` itself.

    `where` it stands in the request is what errors name. `detail` is how closely to look.
    """

    text: str
    where: str
    base64: bool = False
    detail: str | None = None


class Shown:
    """What one request shows. `sight` is None for a model that reads text only.

    `links` are the pictures that have to be fetched, with their addresses. With `hears`, sounds are
    taken: a text stands for each in `sounds`, with its file and where it stands.
    """

    def __init__(
        self, notices: Notices, sight: Sight | None = None, *, hears: bool = False
    ) -> None:
        self.notices = notices
        self.sight = sight
        self.hears = hears
        self.links: list[tuple[ImagePart, str]] = []
        self.sounds: list[tuple[TextPart, bytes, str]] = []
        self._count = 0
        self._of_results = 0

    @property
    def sees(self) -> bool:
        return self.sight is not None

    def picture(self, source: PictureSource) -> ImagePart:
        """The picture for a model that sees; one that has to be fetched is still empty.

        Raises InvalidRequest, UnsupportedMedia and PayloadTooLarge.
        """
        sight = self._sight_for_one_more(source.where)
        pixels = _pixels(source, sight.most_pixels)
        if source.base64:
            inside = source.text
        elif source.text[:5].lower() == "data:":
            inside = inside_data_url(source.text, where=source.where)
        else:
            check_address(source.text, where=source.where, urls=sight.urls)
            link = ImagePart(b"", pixels, source.where)
            self.links.append((link, source.text))
            return link
        data = decoded(inside, where=source.where, most_bytes=sight.most_bytes)
        checked_picture(data, where=source.where)
        return ImagePart(data, pixels, source.where)

    def picture_of_result(self, source: PictureSource) -> tuple[TextPart, ImagePart]:
        """The picture, and the text that stands for it in the result of a tool."""
        picture = self.picture(source)
        self._of_results += 1
        return TextPart(f"[picture {self._of_results}]"), picture

    def sound(self, encoded: object, *, where: str) -> TextPart:
        """What stands for a sound in base64 until it is written down. Raises InvalidRequest."""
        if not isinstance(encoded, str):
            raise InvalidRequest(
                f"`{where}` is required, as a string.",
                hint="Send the file of the sound in base64 there.",
                param=where,
            )
        # How large it may be, the body says already.
        data = decoded(encoded, where=where, most_bytes=len(encoded))
        check_not_empty(data, where=where)
        part = TextPart(f"[sound {len(self.sounds) + 1}]")
        self.sounds.append((part, data, where))
        return part

    def unreadable(self, sense: Sense, *, type_: str, where: str, shown_now: bool) -> str:
        """The text that stands in the place of a part of the type `type_`, noted as left out.

        Raises CapabilityMissing where the user shows it now.
        """
        if shown_now:
            refuse(sense, type_=type_, where=where)
        self.notices.leave_out([type_])
        return _PLACEHOLDERS[sense]

    def _sight_for_one_more(self, where: str) -> Sight:
        assert self.sight is not None, "a model that is blind is shown nothing"
        self._count += 1
        if self._count > self.sight.most_pictures:
            raise InvalidRequest(
                f"`{where}` is picture {self._count} of the request; {self.sight.most_pictures} "
                "are the most that this server takes.",
                hint="Raise max_pictures, or send less of them; those of earlier turns count too.",
                param=where,
            )
        return self.sight


def newest_user_turn(roles: Sequence[str]) -> range:
    """The indexes of the messages that the user's newest turn may consist of; none without a user.

    `roles` are those of all messages. Messages of the user in a row are one turn, with or without
    something of the system's between them.
    """
    end = len(roles)
    while end and roles[end - 1] != "user":
        end -= 1
    begin = end
    while begin and roles[begin - 1] in ("user", "system", "developer"):
        begin -= 1
    return range(begin, end)


def behind_results(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The messages, with what results of tools show moved into a message of the user behind them.

    No template has a place for pictures in a result. Each is named as in the result's text.
    """
    placed: list[Message] = []
    waiting: list[Part] = []
    shown = 0
    for message in messages:
        if message.role == "tool":
            for part in message.parts:
                if isinstance(part, ImagePart):
                    shown += 1
                    waiting += (TextPart(f"[picture {shown}]\n"), part)
            rest = tuple(part for part in message.parts if not isinstance(part, ImagePart))
            placed.append(Message("tool", rest, message.name))
            continue
        if waiting and message.role == "user":
            placed.append(Message("user", (*waiting, *message.parts), message.name))
        else:
            placed += (*_of_user(waiting), message)
        waiting = []
    return (*placed, *_of_user(waiting))


def refuse(sense: Sense, *, type_: str, where: str) -> Never:
    """Raises CapabilityMissing for what the user shows now."""
    unable, hint = _UNABLE[sense]
    raise CapabilityMissing(
        f"This model {unable}, but `{where}` is {sense} (`{type_}`).", hint=hint, param=where
    )


def check_address(text: str, *, where: str, urls: MediaUrls) -> None:
    """Raises InvalidRequest for an address that nothing is fetched from."""
    scheme, colon, _ = text.partition(":")
    named = scheme.lower() if colon and scheme.isalpha() else ""
    if named not in ("http", "https"):
        raise InvalidRequest(
            f"`{where}` is no picture and no address of one: it begins with {text[:24]!r}.",
            hint="Send a data URL (data:image/png;base64,…), or an address that begins with "
            "https://. Files of this machine are not read.",
            param=where,
        )
    if urls == "off" or (named == "http" and urls == "https"):
        said = "fetches no pictures" if urls == "off" else "fetches pictures by https only"
        raise InvalidRequest(
            f"`{where}` is an address ({named}:), but this server {said}.",
            hint="Send the picture itself as a data URL, or set media_urls.",
            param=where,
        )


def _of_user(parts: Sequence[Part]) -> tuple[Message, ...]:
    return (Message("user", tuple(parts)),) if parts else ()


def _pixels(source: PictureSource, most: int) -> int:
    if source.detail is not None and source.detail not in _DETAILS:
        raise InvalidRequest(
            f"`{source.where}` asks for the detail {source.detail[:40]!r}; known are "
            f"{', '.join(_DETAILS)}.",
            hint="Leave `detail` out.",
            param=source.where,
        )
    return min(most, _LOW_PIXELS) if source.detail == "low" else most
