"""A client of mlx-gui's own HTTP API, for the command line, the tray and the app.

Every method raises the server's error as the class of `core.errors` that it was there, and
`ServerUnreachable` when nobody answers.
"""

from mlx_gui.client.answers import (
    AS_THE_MODEL,
    AnswerOptions,
    AnswerPiece,
    ChatMessage,
    ChatStream,
    ChatUsage,
    asking,
)
from mlx_gui.client.client import Client
from mlx_gui.client.connection import ANSWER_TIMEOUT_S, read_runtime
from mlx_gui.client.presence import serving
from mlx_gui.client.reaching import START_HINT, ServerUnreachable
from mlx_gui.client.sse import parse_sse
from mlx_gui.client.status import Event

__all__ = [
    "ANSWER_TIMEOUT_S",
    "AS_THE_MODEL",
    "START_HINT",
    "AnswerOptions",
    "AnswerPiece",
    "ChatMessage",
    "ChatStream",
    "ChatUsage",
    "Client",
    "Event",
    "ServerUnreachable",
    "asking",
    "parse_sse",
    "read_runtime",
    "serving",
]
