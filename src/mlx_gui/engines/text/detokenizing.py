"""Token ids become text, bit by bit."""

from collections.abc import Callable

Decode = Callable[[list[int]], str]

_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


class TextStream:
    """Text of tokens as they come; a character is given out once all its bytes are there.

    How a token reads depends on those before it (spaces, mostly), so the last ones that were given
    out are decoded again with the new ones and only the difference counts.
    """

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._shown: list[int] = []
        self._waiting: list[int] = []

    def add(self, token: int) -> str:
        """The text that `token` completes, often none."""
        self._waiting.append(token)
        text = self._unshown()
        if not text or text.endswith(_INCOMPLETE):
            return ""
        self._shown, self._waiting = self._waiting, []
        return text

    def finish(self) -> str:
        """What is left; bytes that never became a character read as replacement characters."""
        return self._unshown() if self._waiting else ""

    def _unshown(self) -> str:
        before = self._decode(self._shown) if self._shown else ""
        return self._decode(self._shown + self._waiting)[len(before) :]
