"""What a browser asks before it sends a page's request: whether the server takes it."""

import re

from starlette.datastructures import Headers
from starlette.responses import Response

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.setting_row import shown

METHODS = "GET, HEAD, POST, PATCH, DELETE"
_ASKED_METHOD = "access-control-request-method"
_ASKED_HEADERS = "access-control-request-headers"
_ASKED_NETWORK = "access-control-request-private-network"
_USUAL_HEADERS = "authorization, content-type, x-api-key"
_LONGEST_LIST, _MOST_NAMES = 4096, 64
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_LONGEST_METHOD = 32
_VALID_S = 7200
"""Chromium keeps an answer no longer than this."""


def is_preflight(method: str, headers: Headers) -> bool:
    """Whether a browser asks, and not the page itself."""
    return method == "OPTIONS" and "origin" in headers and _ASKED_METHOD in headers


def permission(headers: Headers) -> Response:
    """The answer that lets the request come, with any headers; it is judged when it is there.

    Raises InvalidRequest for names that are none, and for more of them than a client sends.
    """
    method = headers[_ASKED_METHOD]
    if len(method) > _LONGEST_METHOD or not _TOKEN.fullmatch(method):
        raise InvalidRequest(f"{shown(method)} is no method of HTTP.", hint=f"Use {METHODS}.")
    answer = Response(status_code=204)
    answer.headers.update(
        {
            "access-control-allow-methods": METHODS,
            "access-control-allow-headers": _mirrored(headers.getlist(_ASKED_HEADERS)),
            "access-control-max-age": str(_VALID_S),
            "vary": "Access-Control-Request-Method, Access-Control-Request-Headers",
        }
    )
    if headers.get(_ASKED_NETWORK) == "true":
        answer.headers["access-control-allow-private-network"] = "true"
    return answer


def _mirrored(lists: list[str]) -> str:
    """The asked names in one list."""
    text = ",".join(lists)
    if len(text) > _LONGEST_LIST:
        raise _unfit(f"has {len(text)} characters; {_LONGEST_LIST} are the most")
    names = [name for name in map(str.strip, text.lower().split(",")) if name]
    if len(names) > _MOST_NAMES:
        raise _unfit(f"has {len(names)} names; {_MOST_NAMES} are the most")
    for name in names:
        if not _TOKEN.fullmatch(name):
            raise _unfit(f"has {shown(name)}, which is no header's name")
    return ", ".join(names) or _USUAL_HEADERS


def _unfit(what: str) -> InvalidRequest:
    return InvalidRequest(
        f"Access-Control-Request-Headers {what}.", hint="Send fewer headers, with plain names."
    )
