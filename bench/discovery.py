"""A search of the hub, when the hub has to be asked and when its answer is remembered.

The hub is one on this machine that answers at once, with a page of a hundred models as long as
real ones are, chat templates included. The server makes a list of twenty of them.
"""

import http.client
import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from bench.context import Context, environment
from bench.pairs import Sample, interleave
from bench.report import Bound, Row, figure_row
from bench.server import serving

_MODELS = 100
_TEMPLATE_CHARACTERS = 8000
_SEARCHES = 30


def measure(context: Context) -> list[Row]:
    """Times over HTTP; nothing to compare with."""
    with _hub() as endpoint:
        variables = environment({"MLX_GUI_HUB_ENDPOINT": endpoint})
        data_dir = context.scratch / "discovery"
        with serving(data_dir, "--no-starter", environment=variables) as server:
            netloc = urlsplit(server.client.address).netloc
            names = iter(range(1_000_000))

            def searches() -> Sample:
                path = f"/v1/discover/models?query=model{next(names)}"
                asked_s = _timed(netloc, path)
                known_s = sorted(_timed(netloc, path) for _ in range(_SEARCHES))
                return {"asked_ms": asked_s * 1000, "known_ms": known_s[len(known_s) // 2] * 1000}

            found = interleave({"search": searches}, rounds=context.rounds)["search"]
    return [
        figure_row("search that asks the hub", found["asked_ms"], "ms", None),
        figure_row("search that is remembered", found["known_ms"], "ms", Bound("≤", 20)),
    ]


def _timed(netloc: str, path: str) -> float:
    connection = http.client.HTTPConnection(netloc)
    began_s = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    took_s = time.perf_counter() - began_s
    connection.close()
    assert answer.status == 200, body
    assert len(json.loads(body)["data"]) == 20
    return took_s


@contextmanager
def _hub() -> Generator[str]:
    page = json.dumps([_model(number) for number in range(_MODELS)]).encode()

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:
            """Only times are of interest."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _model(number: int) -> dict[str, object]:
    template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    long = template + "{# #}" * ((_TEMPLATE_CHARACTERS - len(template)) // 5)
    return {
        "id": f"org/model-{number}",
        "tags": ["mlx", "safetensors", "llama", "text-generation", "license:mit"],
        "pipeline_tag": "text-generation",
        "library_name": "mlx",
        "downloads": 1000 - number,
        "likes": number,
        "gated": False,
        "lastModified": "2026-01-02T03:04:05.000Z",
        "cardData": {"license": "mit", "base_model": "org/base"},
        "config": {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "quantization_config": {"group_size": 64, "bits": 4},
            "tokenizer_config": {"chat_template": long},
        },
        "safetensors": {"parameters": {"BF16": 10**7, "U32": 10**8}, "total": 11 * 10**7},
    }
