"""OpenAI's harmony format: every message has a channel, and a call a recipient.

<|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…<|return|>
<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{…}<|call|>
"""

import re
from collections.abc import Sequence

from mlx_gui.core.generation import Tool
from mlx_gui.parsers.base import CallArguments, CallBegan, CallForm, NotACall, Piece, Text
from mlx_gui.parsers.json_text import object_text
from mlx_gui.parsers.markers import first_of, settled

START = "<|start|>"
_CHANNEL = "<|channel|>"
_MESSAGE = "<|message|>"
_ENDS = ("<|end|>", "<|call|>", "<|return|>")
_BODY_ENDS = (*_ENDS, START, _CHANNEL)
_END_CHARACTERS = max(map(len, _BODY_ENDS))
MARKERS = (START, _CHANNEL, _MESSAGE, "<|constrain|>", *_ENDS)

THINK_START = f"{_CHANNEL}analysis{_MESSAGE}"
THINK_END = "<|end|>"

FINAL = f"{_CHANNEL}final{_MESSAGE}"

# What ends a call is a token that ends the answer, so it is never read.
FORM = CallForm(
    before_name=f"{_CHANNEL}commentary to=functions.",
    before_arguments=f" <|constrain|>json{_MESSAGE}",
    after_arguments="",
    several=False,
)

_HEADER_CHARACTERS = 256
_HEADER_STARTS = (START, _CHANNEL, "to=", *_ENDS)
_ANALYSIS = re.compile(re.escape(_CHANNEL) + r"\s*analysis\b")
_RECIPIENT = re.compile(r"\bto=(?:functions\.)?([\w.-]+)")


class HarmonyAnswer:
    """Reads messages one after the other; text without any header is content."""

    def __init__(self, tools: Sequence[Tool], *, enforced: bool, thinking: bool) -> None:
        self._names = {tool.name for tool in tools}
        self._enforced = enforced
        self._pending = ""
        # No end of the body stands before this place of what is pending.
        self._searched = 0
        self._header: str | None = THINK_START if thinking else None
        self._call: str | None = None
        # Whether that has been told: its arguments come out while they are written.
        self._begun = False
        # A message to somebody who is no tool is shown as it stands, its end included.
        self._verbatim = False
        self.thinking = thinking

    def feed(self, text: str) -> list[Piece]:
        self._pending += text
        pieces: list[Piece] = []
        while self._in_header(pieces) if self._header is None else self._in_body(pieces):
            pass
        return pieces

    def finish(self) -> list[Piece]:
        pieces: list[Piece] = []
        if self._header is not None:
            self._end_body(len(self._pending), "", pieces)
        elif not self._pending.lstrip().startswith(_HEADER_STARTS) or "to=" in self._pending:
            self._show(self._pending, pieces)
        self._pending = ""
        return pieces

    def _in_header(self, pieces: list[Piece]) -> bool:
        """Take one step; False when it needs more text."""
        text = self._pending.lstrip()
        at = self._pending.find(_MESSAGE)
        length = at if at >= 0 else len(self._pending)
        if length > _HEADER_CHARACTERS or not any(
            text.startswith(s) or s.startswith(text) for s in _HEADER_STARTS
        ):
            self._header = ""
            # What it begins with is text as well, and does not end it before it has begun.
            self._searched = len(self._pending) - len(text) + 1
            return True
        if at < 0:
            return False
        head = self._pending[:at]
        self._header = head + _MESSAGE
        self._pending = self._pending[len(self._header) :]
        self.thinking = _ANALYSIS.search(head) is not None
        recipient = _RECIPIENT.search(head)
        if recipient is None:
            return True
        self.thinking = False
        if recipient[1] in self._names:
            self._call = recipient[1]
            if self._enforced:
                self._begin(recipient[1], pieces)
        else:
            self._verbatim = True
            self._show(self._header, pieces)
        return True

    def _in_body(self, pieces: list[Piece]) -> bool:
        if self._call is not None and not self._begun:
            text = self._pending.lstrip()
            if text.startswith("{"):
                self._pending = text
                self._searched = 0
                self._begin(self._call, pieces)
        at, marker = first_of(_BODY_ENDS, self._pending, self._searched)
        if marker:
            self._end_body(at, marker, pieces)
            return True
        self._searched = max(0, len(self._pending) - _END_CHARACTERS)
        if self._call is None or self._begun:
            certain = settled(_BODY_ENDS, self._pending)
            self._show(self._pending[:certain], pieces)
            self._pending = self._pending[certain:]
            self._searched = 0
        return False

    def _begin(self, call: str, pieces: list[Piece]) -> None:
        self._begun = True
        pieces.append(CallBegan(call))

    def _end_body(self, at: int, marker: str, pieces: list[Piece]) -> None:
        body = self._pending[:at]
        ended = marker if marker in _ENDS else ""
        self._searched = 0
        self._pending = self._pending[at + len(ended) :]
        if self._call is None or self._begun:
            self._show(body + ended if self._verbatim else body, pieces)
        else:
            try:
                arguments = object_text(body)
                pieces += (CallBegan(self._call), CallArguments(arguments))
            except NotACall:
                self._call = None
                self._show(f"{self._header}{body}{ended}", pieces)
        self._header = None
        self._call = None
        self._begun = False
        self._verbatim = False
        self.thinking = False

    def _show(self, text: str, pieces: list[Piece]) -> None:
        if not text:
            return
        if self._call is not None:
            pieces.append(CallArguments(text))
        else:
            pieces.append(Text("reasoning" if self.thinking else "content", text))
