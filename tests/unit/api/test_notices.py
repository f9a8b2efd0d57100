"""What an answer's headers say of its request."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from mlx_gui.api.notices import (
    LEFT_OUT_HEADER,
    MAX_CHARACTERS,
    MOVED_HEADER,
    NOT_ENFORCED_HEADER,
    SCALED_DOWN_HEADER,
    Notices,
)
from mlx_gui.core.generation import Done, Event, GenerateRequest, Prepared, Usage
from tests.unit.api.parts import ScriptedDispatch

HELLO = [{"role": "user", "content": "Hi"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": HELLO},
    "/v1/completions": {"prompt": "Hi"},
    "/v1/responses": {"input": "Hi", "store": False},
    "/v1/messages": {"messages": HELLO, "max_tokens": 5},
    "/api/chat": {"messages": HELLO},
    "/api/generate": {"prompt": "Hi"},
}


async def in_part(_: GenerateRequest) -> AsyncGenerator[Event]:
    yield Prepared(
        3,
        not_enforced=("#/properties/tags/uniqueItems",),
        scaled_down=("images[0] from 4000x3000 to 2365x1774",),
        moved=("messages[0].content[0].image_url",),
    )
    yield Done(0, "stop")
    yield Usage(3, 0)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", BODIES)
def test_what_was_not_taken_as_it_came_is_in_headers_of_every_family(
    address: str, dispatch: ScriptedDispatch, path: str, stream: bool
) -> None:
    body = {"model": "org/one", "stream": stream, **BODIES[path]}
    assert NOT_ENFORCED_HEADER not in httpx.post(address + path, json=body).headers

    dispatch.script = in_part
    answer = httpx.post(address + path, json=body)

    assert answer.status_code == 200, answer.text
    assert answer.headers[NOT_ENFORCED_HEADER] == "#/properties/tags/uniqueItems"
    assert answer.headers[SCALED_DOWN_HEADER] == "images[0] from 4000x3000 to 2365x1774"
    assert answer.headers[MOVED_HEADER] == "messages[0].content[0].image_url"
    assert LEFT_OUT_HEADER not in answer.headers


def test_each_notice_is_said_once_and_in_order() -> None:
    notices = Notices()

    notices.leave_out(["web_search", "mcp"])
    notices.leave_out(["web_search"])

    assert notices.headers() == {LEFT_OUT_HEADER: "web_search, mcp"}


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("a, b", "a%2C b"),
        ("100 %", "100 %25"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("x\r\nset-cookie: a", "x%0D%0Aset-cookie: a"),
        ("\x00", "%00"),
        ("half \ud800", "half ?"),
    ],
)
def test_a_name_cannot_end_its_header_nor_look_like_two(name: str, sent: str) -> None:
    notices = Notices()

    notices.leave_out([name])

    assert notices.headers() == {LEFT_OUT_HEADER: sent}


def test_a_header_is_bounded_and_counts_what_is_more() -> None:
    notices = Notices()

    notices.not_enforced(f"#/properties/p{number}/format" for number in range(1000))

    header = notices.headers()[NOT_ENFORCED_HEADER]
    *listed, last = header.split(", ")
    assert len(header) < MAX_CHARACTERS + 20
    assert listed == [f"#/properties/p{number}/format" for number in range(len(listed))]
    assert last == f"and {1000 - len(listed)} more"


def test_a_single_name_that_is_too_long_is_only_counted() -> None:
    notices = Notices()

    notices.leave_out(["x" * 100_000])

    assert notices.headers() == {LEFT_OUT_HEADER: "and 1 more"}
