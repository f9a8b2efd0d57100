"""A process that renders chat templates, one after the other, and knows no model."""

import json
import socket
import time

from mlx_gui.engines.text.template import TemplateFailed, Templates
from mlx_gui.engines.text.template_process import FAILED, HEADER, READY, TEXT


def serve_templates(channel: socket.socket) -> int:
    """Render what comes until the worker is gone; returns the exit code."""
    templates = Templates()
    _send(channel, READY, b"")
    with channel.makefile("rb") as requests:
        while header := requests.read(HEADER.size):
            _, length = HEADER.unpack(header)
            try:
                text = _rendered(templates, requests.read(length))
            except TemplateFailed as failure:
                _send(channel, FAILED, str(failure).encode(errors="surrogatepass"))
            else:
                _send(channel, TEXT, text.encode(errors="surrogatepass"))
    return 0


def _rendered(templates: Templates, content: bytes) -> str:
    try:
        asked = json.loads(content)
    except RecursionError as problem:
        raise TemplateFailed("something in the request is nested too deeply") from problem
    until_s = time.monotonic() + asked["left_s"]
    return templates.render(asked["source"], asked["variables"], until_s=until_s)


def _send(channel: socket.socket, kind: bytes, content: bytes) -> None:
    channel.sendall(HEADER.pack(kind, len(content)) + content)
