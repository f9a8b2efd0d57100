"""What a request asks of the fake engines that go word by word, as a JSON object before its text:

{"fake": {"delay_ms": 5, "crash_after": 3, "hang_after": 3, "prepare_ms": 5}}
"""

import json
import os
import signal

import msgspec

from mlx_gui.core.errors import InvalidRequest

_START = '{"fake":'


class WordScript(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Counts are of words, None means never."""

    delay_ms: float = 0
    crash_after: int | None = None
    hang_after: int | None = None
    prepare_ms: float = 0

    def follow(self, done_words: int) -> None:
        """Crash or hang if it is time to."""
        if self.crash_after == done_words:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.hang_after == done_words:
            signal.pause()


class _Envelope(msgspec.Struct):
    fake: WordScript


def read_word_script(text: str) -> tuple[WordScript, str]:
    """The script that `text` begins with, and what follows it. Raises InvalidRequest."""
    text = text.lstrip()
    if not text.startswith(_START):
        return WordScript(), text
    try:
        envelope, end = json.JSONDecoder().raw_decode(text)
        return msgspec.convert(envelope, _Envelope).fake, text[end:]
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(
            f"This is no script for the fake engine: {error}.",
            hint="The docstring of engines.fake.scripts lists the fields.",
        ) from None
