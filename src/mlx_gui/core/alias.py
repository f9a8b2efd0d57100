"""Other names of models, which people choose: `gpt-4o` for a model of this machine."""

from collections.abc import Iterable

import msgspec

from mlx_gui.core.errors import InvalidRequest

LONGEST_ALIAS = 256
_EVERY = "*"


class Alias(msgspec.Struct, frozen=True):
    """`name` stands for the model with the id `model_id`, be it installed or not.

    A name that ends in `*` stands for it in all names that begin so.
    """

    name: str
    model_id: str
    created_at: str


def checked_alias(text: str) -> str:
    """`text`, if a model may be called so. Raises InvalidRequest."""
    beginning = text.removesuffix(_EVERY)
    if (
        0 < len(beginning) <= LONGEST_ALIAS
        and beginning.isprintable()
        and not any(letter in beginning for letter in " +*\\?#%")
        and all(part not in ("", ".", "..") for part in _parts(text))
    ):
        return text
    written = text if len(text) <= LONGEST_ALIAS else f"{text[:LONGEST_ALIAS]}…"
    raise InvalidRequest(
        f"{written!r} cannot be the alias of a model.",
        hint=f"An alias has up to {LONGEST_ALIAS} characters, no spaces and none of `+\\?#%`; "
        "`*` at its end stands for any rest, and parts between slashes are not empty.",
        param="alias",
    )


def pattern_for(name: str, aliases: Iterable[str]) -> str | None:
    """The longest of `aliases` that ends in `*` and begins as `name` does, in any case."""
    beginnings = (alias for alias in aliases if alias.endswith(_EVERY))
    fitting = (
        alias
        for alias in beginnings
        if name.casefold().startswith(alias.removesuffix(_EVERY).casefold())
    )
    return max(fitting, key=len, default=None)


def _parts(text: str) -> list[str]:
    """The parts between slashes; a `*` may be the last one."""
    if text.endswith(f"/{_EVERY}"):
        text = text[:-2]
    return text.removesuffix(_EVERY).split("/")
