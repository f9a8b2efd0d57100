"""Token ids become text, bit by bit."""

from collections.abc import Callable, Sequence, Set

Decode = Callable[[list[int]], str]

_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
_LONGEST_CHARACTER_TOKENS = 16
"""No character takes so many; bytes that never become one are given out as they are."""


class TextStream:
    """Text of tokens as they come; a character is given out once all its bytes are there.

    How a token reads depends on those before it (spaces, mostly), so the last ones that were given
    out are decoded again with the new ones and only the difference counts. So do those of `before`,
    which the text goes on from. Tokens of `hidden` have no text.
    """

    def __init__(
        self, decode: Decode, hidden: Set[int] = frozenset(), before: Sequence[int] = ()
    ) -> None:
        self._decode = decode
        self._hidden = hidden
        self._shown = [token for token in before if token not in hidden]
        self._waiting: list[int] = []

    def add(self, token: int) -> str:
        """The text that `token` completes, often none."""
        if token in self._hidden:
            return ""
        self._waiting.append(token)
        text = self._unshown()
        incomplete = not text or text.endswith(_INCOMPLETE)
        if incomplete and len(self._waiting) < _LONGEST_CHARACTER_TOKENS:
            return ""
        self._shown, self._waiting = self._waiting, []
        return text

    def finish(self) -> str:
        """What is left; bytes that never became a character read as replacement characters."""
        left = self._unshown() if self._waiting else ""
        self._waiting = []
        return left

    def _unshown(self) -> str:
        before = self._decode(self._shown) if self._shown else ""
        return self._decode(self._shown + self._waiting)[len(before) :]
