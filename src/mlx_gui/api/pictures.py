"""What a model that reads text only is sent besides: pictures, sound, files.

What the user shows now is refused: an answer that never saw it would mislead. What is part of the
history, or what a tool gave back, is not the user's to take away: a text stands in its place, and
the conversation goes on.
"""

from collections.abc import Sequence
from typing import Literal, Never

from mlx_gui.api.notices import Notices
from mlx_gui.core.errors import CapabilityMissing

Sense = Literal["a picture", "sound", "a video", "a file"]

_PLACEHOLDERS: dict[Sense, str] = {
    "a picture": "[There is a picture here, which this model cannot see.]",
    "sound": "[There is sound here, which this model cannot hear.]",
    "a video": "[There is a video here, which this model cannot see.]",
    "a file": "[There is a file here, which this model cannot read.]",
}


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


def unreadable(sense: Sense, *, type_: str, where: str, shown_now: bool, notices: Notices) -> str:
    """The text that stands in the place of a part of the type `type_`, which is noted as left out.

    Raises CapabilityMissing where the user shows it now.
    """
    if shown_now:
        refuse(sense, type_=type_, where=where)
    notices.leave_out([type_])
    return _PLACEHOLDERS[sense]


def refuse(sense: Sense, *, type_: str, where: str) -> Never:
    """Raises CapabilityMissing for what the user shows now."""
    raise CapabilityMissing(
        f"This model reads text only, but `{where}` is {sense} (`{type_}`).",
        hint="Leave it out, send what it says as text, or ask a model that takes pictures and "
        "files.",
        param=where,
    )
