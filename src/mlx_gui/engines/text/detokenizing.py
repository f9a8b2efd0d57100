"""Token ids become text, bit by bit."""

import codecs
from collections.abc import Callable, Sequence, Set

from mlx_gui.engines.text.token_bytes import TokenBytes

Decode = Callable[[list[int]], str]

_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
_LONGEST_CHARACTER_TOKENS = 16
"""No character takes so many; bytes that never become one are given out as they are."""
_UNFINISHED_BYTES = 3
"""The most of a character that is not at its end."""

_utf8 = codecs.getincrementaldecoder("utf-8")


class TextStream:
    """Text of tokens as they come; a character is given out once all its bytes are there.

    How a token reads depends on those before it (spaces, mostly), so the last ones that were given
    out are decoded again with the new ones and only the difference counts. So do those of `before`,
    which the text goes on from; a character that they leave unfinished belongs to it. Tokens of
    `hidden` have no text.
    """

    def __init__(
        self,
        decode: Decode,
        token_bytes: TokenBytes,
        hidden: Set[int] = frozenset(),
        before: Sequence[int] = (),
    ) -> None:
        self._decode = decode
        self._token_bytes = token_bytes
        self._hidden = hidden
        self._shown: list[int] = []
        begin = next((n for n, token in enumerate(before) if not self._goes_on(token)), len(before))
        self._waiting = [token for token in before[begin:] if token not in hidden]
        whole, text = self._left()
        # Characters of what waits that stand before: those of a token that also begins another.
        self._told = len(text) - len(self._unshown(whole))
        self._shown, self._waiting = self._waiting[:whole], self._waiting[whole:]
        self.cut = False
        """Whether the text has ended inside of a character, of which nothing is shown."""

    def add(self, token: int) -> str:
        """The text that `token` completes, often none."""
        if token in self._hidden:
            return ""
        self._waiting.append(token)
        text = self._unshown(len(self._waiting))
        if text and not text.endswith(_INCOMPLETE):
            return self._show(len(self._waiting), text)
        if len(self._waiting) < _LONGEST_CHARACTER_TOKENS:
            return ""
        whole, _ = self._whole()
        count = whole or len(self._waiting)
        return self._show(count, self._unshown(count))

    def finish(self) -> str:
        """What is left, without the bytes of a character that has not come to its end."""
        whole, text = self._left()
        self.cut = whole < len(self._waiting)
        return self._show(len(self._waiting), text)

    def _show(self, count: int, text: str) -> str:
        """`text`, which is that of so many tokens, where it has not been told before."""
        told, self._told = self._told, 0
        self._shown, self._waiting = self._waiting[:count], self._waiting[count:]
        return text[told:]

    def _unshown(self, count: int) -> str:
        """The text of so many tokens of those that wait."""
        before = self._decode(self._shown) if self._shown else ""
        return self._decode(self._shown + self._waiting[:count])[len(before) :]

    def _goes_on(self, token: int) -> bool:
        """Whether it is nothing but bytes inside of a character."""
        data = self._token_bytes(token)
        return bool(data) and all(0x80 <= byte < 0xC0 for byte in data)

    def _left(self) -> tuple[int, str]:
        """How many tokens wait before one of an unfinished character, and all text before that."""
        whole, mixed = self._whole()
        if not mixed:
            return whole, self._unshown(whole) if whole else ""
        return whole, self._unshown(whole + 1).removesuffix(_INCOMPLETE)

    def _whole(self) -> tuple[int, bool]:
        """How many tokens wait before one of an unfinished character, and if that ends another."""
        data, place = b"", len(self._waiting)
        while place and len(data) < _UNFINISHED_BYTES:
            place -= 1
            data = self._token_bytes(self._waiting[place]) + data
        decoder = _utf8("replace")
        decoder.decode(data)
        left, place = len(decoder.getstate()[0]), len(self._waiting)
        while left > 0:
            place -= 1
            left -= len(self._token_bytes(self._waiting[place]))
        return place, left < 0


def text_of(ids: Sequence[int], decode: Decode, token_bytes: TokenBytes) -> str:
    """The text of `ids`, without the bytes of a character that they leave unfinished."""
    stream = TextStream(decode, token_bytes)
    stream._waiting = list(ids)
    return stream.finish()
