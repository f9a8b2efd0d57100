"""A chat with any server that speaks OpenAI's dialect."""

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any

from bench.timing import Ask, Timing

_TIMEOUT_S = 600


def stream_chat(netloc: str, model: str, ask: Ask, more: Mapping[str, object] = {}) -> Timing:
    """A streamed answer over a connection that is open already; `more` are fields of the request.

    Raises RuntimeError for one that is refused or breaks off, and OSError.
    """
    body = {
        "model": model,
        "messages": ask.messages,
        "temperature": 0,
        "max_tokens": ask.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        **more,
    }
    content = json.dumps(body)
    connection = http.client.HTTPConnection(netloc, timeout=_TIMEOUT_S)
    connection.connect()
    try:
        began_s = time.perf_counter()
        connection.request(
            "POST", "/v1/chat/completions", content, {"content-type": "application/json"}
        )
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(response.read().decode())
        return _timing(response, began_s)
    finally:
        connection.close()


def _timing(response: http.client.HTTPResponse, began_s: float) -> Timing:
    times_s: list[float] = []
    text = ""
    usage: dict[str, Any] | None = None
    for line in response:
        if not line.startswith(b"data: {"):
            continue
        chunk = json.loads(line.removeprefix(b"data: "))
        if "error" in chunk:
            raise RuntimeError(str(chunk["error"]))
        piece = "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])
        if piece:
            text += piece
            times_s.append(time.perf_counter() - began_s)
        usage = chunk.get("usage") or usage
    if usage is None or not times_s:
        raise RuntimeError(f"A stream broke off after {len(times_s)} pieces of text.")
    return Timing(
        usage["prompt_tokens"],
        usage["completion_tokens"],
        times_s[0],
        times_s[-1],
        cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
        text=text,
        times_s=times_s,
    )
