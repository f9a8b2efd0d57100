"""A process that renders chat templates, one after the other, and knows no model."""

import json
import socket
import time

from mlx_gui.engines.apart import ANSWER, FAILED, serve_apart
from mlx_gui.engines.text.template import TemplateFailed, Templates


def serve_templates(channel: socket.socket) -> int:
    """Render what comes until the worker is gone; returns the exit code."""
    templates = Templates()

    def work(content: bytes) -> tuple[bytes, bytes]:
        try:
            return ANSWER, _rendered(templates, content).encode(errors="surrogatepass")
        except TemplateFailed as failure:
            return FAILED, str(failure).encode(errors="surrogatepass")

    return serve_apart(channel, work)


def _rendered(templates: Templates, content: bytes) -> str:
    try:
        asked = json.loads(content)
    except RecursionError as problem:
        raise TemplateFailed("something in the request is nested too deeply") from problem
    until_s = time.monotonic() + asked["left_s"]
    return templates.render(asked["source"], asked["variables"], until_s=until_s)
