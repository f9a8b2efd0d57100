"""What a real browser lets the pages of others do with the server."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Page

from tests.support.server import Server

FOREIGN = "http://chat.example/"
ASK = """
async ([address, path, method, body]) => {
  try {
    const answer = await fetch(address + path, {
      method,
      headers: body === null ? {} : {
        "content-type": "application/json", authorization: "Bearer none", "x-stainless-lang": "js",
      },
      body: body === null ? undefined : JSON.stringify(body),
    });
    const id = answer.headers.get("x-request-id");
    return { status: answer.status, text: await answer.text(), id };
  } catch (error) {
    return { status: 0, text: String(error), id: null };
  }
}
"""
CHAT = {"model": "fake/echo", "messages": [{"role": "user", "content": "Hello"}]}


class Blank(BaseHTTPRequestHandler):
    """Serves an empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A page</title>")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def page_server() -> Iterator[str]:
    """The address of a page on another port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Blank)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def local_page(browser: Browser) -> Iterator[Page]:
    with page_server() as address:
        page = browser.new_page()
        page.goto(address)
        yield page
        page.close()


@pytest.fixture
def foreign_page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    blank = "<!doctype html><title>A page</title>"
    page.route(f"{FOREIGN}**", lambda route: route.fulfill(body=blank, content_type="text/html"))
    page.goto(FOREIGN)
    yield page
    page.close()


def ask(page: Page, server: Server, path: str, *, method: str = "POST", body: object = None):
    return page.evaluate(ASK, [server.address, path, method, body])


def test_a_page_of_another_port_infers_and_reads(local_page: Page, server: Server) -> None:
    answer = ask(local_page, server, "/v1/chat/completions", body=CHAT)
    assert answer["status"] == 200, answer
    assert "Hello" in json.loads(answer["text"])["choices"][0]["message"]["content"]
    assert answer["id"]

    streamed = ask(local_page, server, "/v1/chat/completions", body={**CHAT, "stream": True})
    assert streamed["text"].rstrip().endswith("data: [DONE]")
    wrong = ask(local_page, server, "/v1/chat/completions", body={})
    assert (wrong["status"], json.loads(wrong["text"])["error"]["param"]) == (400, "model")
    assert ask(local_page, server, "/v1/models", method="GET")["status"] == 200
    assert ask(local_page, server, "/api/tags", method="GET")["status"] == 200


def test_a_page_of_another_port_manages_nothing(local_page: Page, server: Server) -> None:
    for method, path in (
        ("POST", "/v1/models/fake/echo/load"),
        ("PATCH", "/v1/models/fake/echo/settings"),
    ):
        answer = ask(local_page, server, path, method=method, body={})
        assert answer["status"] == 403
        assert "not change anything" in json.loads(answer["text"])["error"]["message"]


def test_a_foreign_page_learns_nothing(foreign_page: Page, server: Server) -> None:
    assert ask(foreign_page, server, "/v1/chat/completions", body=CHAT)["status"] == 0
    assert ask(foreign_page, server, "/v1/models", method="GET")["status"] == 0


def test_a_page_without_an_origin_learns_nothing(local_page: Page, server: Server) -> None:
    local_page.set_content('<iframe sandbox="allow-scripts" srcdoc="<p>inside</p>"></iframe>')
    frame = local_page.frames[1]
    frame.wait_for_load_state()
    assert frame.evaluate("origin") == "null"
    for method, path, body in (("POST", "/v1/chat/completions", CHAT), ("GET", "/v1/models", None)):
        answer = frame.evaluate(ASK, [server.address, path, method, body])
        assert answer["status"] == 0
