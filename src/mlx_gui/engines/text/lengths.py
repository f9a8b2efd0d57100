"""Texts that are much too long are known by their beginning: 16 MB take many seconds to read."""

from collections.abc import Callable, Sequence

from mlx_gui.core.errors import InvalidRequest

_CHARACTERS_A_TOKEN = (2, 8, 32)
"""So many of the limit's tokens would have; the text's beginning of that length is looked at."""

_QUICK_CHARACTERS = 200_000
"""Read whole in a fraction of a second, and counted exactly."""

MAX_TOKENIZED_CHARACTERS = 1_000_000
"""Of a text whose tokens are asked for one by one."""


def tokens_if_too_long(
    text: str, limit_tokens: int, *, encode: Callable[[str], Sequence[int]]
) -> int | None:
    """About how many tokens `text` has, where its beginning alone has more than the limit.

    None where it may fit, and where it is so short that it is as quick to read all of it.
    """
    for each in _CHARACTERS_A_TOKEN:
        characters = each * limit_tokens
        if len(text) <= max(2 * characters, _QUICK_CHARACTERS):
            return None
        tokens = len(encode(text[:characters]))
        if tokens > limit_tokens:
            return tokens * len(text) // characters
    return None


def check_tokenized(text: str) -> None:
    """Raises InvalidRequest for a text that has too many tokens to tell them one by one."""
    if len(text) > MAX_TOKENIZED_CHARACTERS:
        raise InvalidRequest(
            f"The text has {len(text)} characters; {MAX_TOKENIZED_CHARACTERS} are tokenised at "
            "once.",
            hint="Send it in parts.",
        )
