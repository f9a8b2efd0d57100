"""Pictures through the official clients, of every family: seen, counted, in order, refused."""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anthropic
import httpx
import ollama
import openai
import pytest
from PIL import Image

from tests.support.media import media_server
from tests.support.pictures import BLUE, GREEN, RED, data_url, encoded, plain
from tests.support.server import Server, running_server
from tests.support.waiting import wait_until

SEES, BLIND = "fake/vision", "fake/echo"
RED_64, BLUE_32, GREEN_40 = plain(RED), plain(BLUE, (32, 32)), plain(GREEN, (40, 40))
SEEN = "I see 64x64 #ff0000, 32x32 #0000ff. You said: "
LARGE = encoded(Image.effect_noise((1000, 900), 90).convert("RGB"), "PNG", compress_level=0)
"""Too large to travel inside a request."""


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture(scope="module")
def gpt(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def claude(server: Server) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.address, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def llama(server: Server) -> Iterator[ollama.Client]:
    with ollama.Client(host=server.address) as client:
        yield client


def by_chat(gpt: openai.OpenAI, stream: bool) -> str:
    content: Any = [
        {"type": "text", "text": "Compare "},
        {"type": "image_url", "image_url": {"url": data_url(RED_64), "detail": "high"}},
        {"type": "text", "text": "with "},
        {"type": "image_url", "image_url": {"url": data_url(BLUE_32, "image/jpeg")}},
    ]
    messages: Any = [{"role": "user", "content": content}]
    if stream:
        chunks = gpt.chat.completions.create(model=SEES, messages=messages, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    answer = gpt.chat.completions.create(model=SEES, messages=messages)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.image_tokens == 8
    return answer.choices[0].message.content or ""


def by_responses(gpt: openai.OpenAI, stream: bool) -> str:
    content: Any = [
        {"type": "input_text", "text": "Compare "},
        {"type": "input_image", "image_url": data_url(RED_64), "detail": "auto"},
        {"type": "input_text", "text": "with "},
        {"type": "input_image", "image_url": data_url(BLUE_32)},
    ]
    asked: Any = [{"role": "user", "content": content}]
    if stream:
        events = gpt.responses.create(model=SEES, input=asked, stream=True)
        return "".join(
            event.delta for event in events if event.type == "response.output_text.delta"
        )
    answer = gpt.responses.create(model=SEES, input=asked)
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.model_dump()["image_tokens"] == 8
    return answer.output_text


def image_block(data: bytes) -> Any:
    source = {"type": "base64", "media_type": "image/png", "data": base64_of(data)}
    return {"type": "image", "source": source}


def by_messages(claude: anthropic.Anthropic, stream: bool) -> str:
    content: Any = [
        {"type": "text", "text": "Compare "},
        image_block(RED_64),
        {"type": "text", "text": "with "},
        image_block(BLUE_32),
    ]
    asked: Any = {
        "model": SEES, "max_tokens": 50, "messages": [{"role": "user", "content": content}],
    }  # fmt: skip
    if stream:
        with claude.messages.stream(**asked) as events:
            return events.get_final_text()
    answer = claude.messages.create(**asked)
    asked.pop("max_tokens")
    counted = claude.messages.count_tokens(**asked).input_tokens
    assert counted >= 8
    block = answer.content[0]
    assert block.type == "text"
    return block.text


def by_ollama_chat(llama: ollama.Client, stream: bool) -> str:
    messages: Any = [{"role": "user", "content": "Compare with ", "images": [RED_64, BLUE_32]}]
    if stream:
        pieces = llama.chat(SEES, messages, stream=True)
        return "".join(piece.message.content or "" for piece in pieces)
    return llama.chat(SEES, messages).message.content or ""


def by_ollama_generate(llama: ollama.Client, stream: bool) -> str:
    if stream:
        pieces = llama.generate(SEES, "Compare with ", images=[RED_64, BLUE_32], stream=True)
        return "".join(piece.response for piece in pieces)
    return llama.generate(SEES, "Compare with ", images=[RED_64, BLUE_32]).response


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "ask", [by_chat, by_responses, by_messages, by_ollama_chat, by_ollama_generate]
)
def test_pictures_are_seen_in_their_order(
    ask: Callable[[Any, bool], str],
    stream: bool,
    gpt: openai.OpenAI,
    claude: anthropic.Anthropic,
    llama: ollama.Client,
) -> None:
    client = {by_messages: claude, by_ollama_chat: llama, by_ollama_generate: llama}.get(ask, gpt)

    assert ask(client, stream) == SEEN + "Compare with "


def test_curl_shows_a_picture_too(server: Server, tmp_path: Path) -> None:
    image = {"type": "image_url", "image_url": data_url(RED_64)}
    body = {"model": SEES, "messages": [{"role": "user", "content": [image]}]}
    (tmp_path / "body.json").write_text(json.dumps(body))
    command = ["curl", "-sS", f"{server.address}/v1/chat/completions", "--json", "@body.json"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=60)

    assert "64x64 #ff0000" in json.loads(said.stdout)["choices"][0]["message"]["content"]


def test_large_pictures_travel_as_files_and_leave_nothing(
    gpt: openai.OpenAI, server: Server
) -> None:
    content: Any = [
        {"type": "image_url", "image_url": {"url": data_url(LARGE)}},
        {"type": "image_url", "image_url": {"url": data_url(LARGE)}},
        {"type": "image_url", "image_url": {"url": data_url(RED_64)}},
    ]
    messages: Any = [{"role": "user", "content": content}]
    answer = gpt.chat.completions.create(model=SEES, messages=messages).choices[0].message.content

    assert answer is not None
    assert answer.count("1000x900") == 2
    assert "64x64 #ff0000" in answer
    uploads = server.data_dir / "cache" / "uploads"
    wait_until(lambda: not list(uploads.iterdir()), what="the end of the files")


def test_pictures_of_earlier_turns_are_seen_with_those_of_now(gpt: openai.OpenAI) -> None:
    def show(data: bytes) -> Any:
        return [{"type": "image_url", "image_url": {"url": data_url(data)}}]

    messages: Any = [
        {"role": "user", "content": show(RED_64)},
        {"role": "assistant", "content": "Red."},
        {"role": "user", "content": [*show(BLUE_32), {"type": "text", "text": "And?"}]},
    ]
    answer = gpt.chat.completions.create(model=SEES, messages=messages)

    assert answer.choices[0].message.content == SEEN + "And?"


def test_a_stored_response_keeps_what_it_was_shown(gpt: openai.OpenAI) -> None:
    content: Any = [{"type": "input_image", "image_url": data_url(RED_64), "detail": "auto"}]
    first = gpt.responses.create(model=SEES, input=[{"role": "user", "content": content}])
    second = gpt.responses.create(
        model=SEES, input="Which colour was it?", previous_response_id=first.id
    )
    listed = gpt.responses.input_items.list(first.id).data[0].model_dump()

    assert second.output_text == "I see 64x64 #ff0000. You said: Which colour was it?"
    assert listed["content"][0]["image_url"] == data_url(RED_64)


TOOLS_SAW = "I see 64x64 #ff0000, 32x32 #0000ff. You said: "


def test_what_tools_show_is_seen_and_named_in_openais_chat(gpt: openai.OpenAI) -> None:
    def call(id: str) -> Any:
        return {"id": id, "type": "function", "function": {"name": "look", "arguments": "{}"}}

    def result(id: str, data: bytes) -> Any:
        content = [{"type": "text", "text": "See "}]
        content += [{"type": "image_url", "image_url": {"url": data_url(data)}}]
        return {"role": "tool", "tool_call_id": id, "content": content}

    messages: Any = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": None, "tool_calls": [call("1"), call("2")]},
        result("1", RED_64),
        result("2", BLUE_32),
    ]
    answer = gpt.chat.completions.create(model=SEES, messages=messages)

    assert answer.choices[0].message.content == TOOLS_SAW + "[picture 1]\n[picture 2]\n"


def test_what_tools_show_is_seen_in_responses(gpt: openai.OpenAI) -> None:
    shown = [{"type": "input_image", "image_url": data_url(RED_64)}]
    asked: Any = [
        {"role": "user", "content": "Look."},
        {"type": "function_call", "call_id": "1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": shown},
        {"role": "user", "content": "Well?"},
    ]

    answer = gpt.responses.create(model=SEES, input=asked).output_text
    assert answer == "I see 64x64 #ff0000. You said: [picture 1]\nWell?"


def test_what_tools_show_is_seen_in_messages(claude: anthropic.Anthropic) -> None:
    use = {"type": "tool_use", "name": "look", "input": {}}
    results = [
        {"type": "tool_result", "tool_use_id": id, "content": [image_block(data)]}
        for id, data in (("1", RED_64), ("2", BLUE_32))
    ]
    messages: Any = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": [{**use, "id": "1"}, {**use, "id": "2"}]},
        {"role": "user", "content": [*results, {"type": "text", "text": "Well?"}]},
    ]
    answer = claude.messages.create(model=SEES, max_tokens=50, messages=messages)

    block = answer.content[0]
    assert block.type == "text"
    assert block.text == TOOLS_SAW + "[picture 1]\n[picture 2]\nWell?"


def test_what_tools_show_is_seen_in_ollamas_chat(llama: ollama.Client) -> None:
    messages: Any = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "tool_calls": [{"function": {"name": "look", "arguments": {}}}]},
        {"role": "tool", "tool_name": "look", "images": [RED_64]},
    ]

    said = llama.chat(SEES, messages).message.content
    assert said == "I see 64x64 #ff0000. You said: [picture 1]\n"


def post(server: Server, path: str, **body: Any) -> httpx.Response:
    with server.client() as client:
        return client.post(path, json={"model": SEES, **body})


def showing(image: Any, *, detail: Any = None) -> Any:
    """Messages of OpenAI's with one picture."""
    part = {"type": "image_url", "image_url": image, "detail": detail}
    return [{"role": "user", "content": [{"type": "text", "text": "What?"}, part]}]


def test_the_tokens_of_pictures_are_counted_everywhere(server: Server) -> None:
    shown = showing(data_url(RED_64))
    tokenized = post(server, "/v1/tokenize", messages=shown).json()
    chat = post(server, "/v1/chat/completions", messages=shown).json()
    content = [{"type": "input_image", "image_url": data_url(RED_64)}]
    counted = post(
        server, "/v1/responses/input_tokens", input=[{"role": "user", "content": content}]
    )
    generated = post(
        server, "/api/generate", prompt="What?", images=[base64_of(RED_64)], stream=False
    )

    assert tokenized["count"] >= 6
    assert chat["usage"]["prompt_tokens"] == 2 + 6
    assert counted.json()["input_tokens"] >= 6
    assert generated.json()["prompt_eval_count"] == 2 + 6


def test_a_header_says_what_was_scaled_down_and_why(server: Server) -> None:
    large = data_url(plain(RED, (3000, 2000)))
    answer = post(server, "/v1/chat/completions", messages=showing(large))
    assert answer.headers["x-mlx-gui-scaled-down"] == (
        "messages[0].content[1].image_url from 3000x2000 to 2508x1672"
    )

    low = showing({"url": data_url(plain(RED, (1024, 1024))), "detail": "low"})
    answer = post(server, "/v1/chat/completions", messages=low)
    assert answer.headers["x-mlx-gui-scaled-down"].endswith(
        "image_url.url from 1024x1024 to 512x512"
    )

    answer = post(server, "/v1/chat/completions", messages=showing(data_url(RED_64)))
    assert "x-mlx-gui-scaled-down" not in answer.headers


PNG = base64_of(RED_64)
UNREADABLE = [
    ("", 400, "is empty"),
    ("%%%", 400, "not valid base64"),
    (PNG[:-3], 400, "not valid base64"),
    ("ünï", 400, "not valid base64"),
    (base64_of(RED_64[:50]), 400, "cannot be read"),
    (base64_of(b"%PDF-1.7"), 415, "a PDF document"),
    (base64_of(b"<svg/>"), 415, "an SVG drawing"),
    (base64_of(b"<!doctype html>"), 415, "an HTML page"),
    (base64_of(plain(RED, (20_000, 2))), 400, "200 times"),
    (base64_of(encoded(Image.new("1", (10_000, 10_000)))), 413, "67108864"),
]  # fmt: skip
"""What is sent as base64, the status, and what the refusal says."""


def refused_chat(server: Server, image: str) -> tuple[httpx.Response, str]:
    url = f"data:image/png;base64,{image}"
    answer = post(server, "/v1/chat/completions", messages=showing({"url": url}))
    error = answer.json()["error"]
    assert error["param"] == "messages[0].content[1].image_url.url"
    return answer, error["message"]


def refused_responses(server: Server, image: str) -> tuple[httpx.Response, str]:
    content = [{"type": "input_image", "image_url": f"data:image/png;base64,{image}"}]
    answer = post(server, "/v1/responses", input=[{"role": "user", "content": content}])
    error = answer.json()["error"]
    assert error["param"] == "input[0].content[0].image_url"
    return answer, error["message"]


def refused_messages(server: Server, image: str) -> tuple[httpx.Response, str]:
    source = {"type": "base64", "media_type": "image/png", "data": image}
    content = [{"type": "image", "source": source}]
    messages = [{"role": "user", "content": content}]
    answer = post(server, "/v1/messages", messages=messages, max_tokens=5)
    body = answer.json()
    assert body["type"] == "error"
    assert "messages[0].content[0].source.data" in body["error"]["message"]
    return answer, body["error"]["message"]


def refused_generate(server: Server, image: str) -> tuple[httpx.Response, str]:
    answer = post(server, "/api/generate", prompt="What?", images=[image])
    return answer, answer.json()["error"]


@pytest.mark.parametrize(("image", "status", "said"), UNREADABLE)
@pytest.mark.parametrize(
    "refused", [refused_chat, refused_responses, refused_messages, refused_generate]
)
def test_what_cannot_be_read_is_refused_in_the_familys_shape(
    server: Server,
    refused: Callable[[Server, str], tuple[httpx.Response, str]],
    image: str,
    status: int,
    said: str,
) -> None:
    answer, message = refused(server, image)

    assert answer.status_code == status
    assert said in message


@pytest.mark.parametrize(
    ("image", "status", "said"),
    [
        (None, 400, "is required"),
        (5, 400, "is required"),
        ({"url": None}, 400, "is required"),
        ("data:text/html;base64,PGh0bWw+", 415, "text/html"),
        ("data:image/png,abc", 400, "not in base64"),
        ("data:image/png;base64", 400, "not in base64"),
        ("secret.png", 400, "Files of this machine are not read"),
        ("file:" + "//" + "/secret.png", 400, "Files of this machine are not read"),
        ("ftp://example.com/a.png", 400, "no address"),
        ("gopher://example.com/", 400, "no address"),
        ("https://example.com/a.png", 400, "media_urls"),
        ("http://127.0.0.1:8000/a.png", 400, "media_urls"),
    ],
)
def test_what_is_no_picture_at_all_is_refused(
    server: Server, image: Any, status: int, said: str
) -> None:
    answer = post(server, "/v1/chat/completions", messages=showing(image))
    error = answer.json()["error"]

    assert answer.status_code == status
    assert said in error["message"] + (error.get("hint") or "")
    assert error["param"].startswith("messages[0].content[1].image_url")


def test_a_data_url_may_be_escaped_as_addresses_are(server: Server) -> None:
    escaped = f"data:image/png;base64,{quote(base64_of(RED_64), safe='')}"
    assert "%3D" in escaped or "%2F" in escaped or "%2B" in escaped
    answer = post(server, "/v1/chat/completions", messages=showing(escaped))

    assert "64x64 #ff0000" in answer.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"type": "file", "file": {"file_data": "JVBERi0="}}, "takes no files"),
        ({"type": "video_url", "video_url": {"url": "http://a/b.mp4"}}, "takes no videos"),
    ],
)
def test_a_model_that_sees_refuses_what_it_does_not_take_by_its_name(
    server: Server, part: dict[str, Any], said: str
) -> None:
    answer = post(server, "/v1/chat/completions", messages=[{"role": "user", "content": [part]}])

    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def test_a_detail_that_nobody_knows_is_refused(server: Server) -> None:
    for detail in ("huge", 5):
        shown = showing({"url": data_url(RED_64), "detail": detail})
        answer = post(server, "/v1/chat/completions", messages=shown)

        assert answer.status_code == 400
        assert "detail" in answer.json()["error"]["message"]


def test_two_hundred_pictures_are_refused(server: Server) -> None:
    shown = [{"type": "image_url", "image_url": data_url(RED_64)}] * 200
    answer = post(server, "/v1/chat/completions", messages=[{"role": "user", "content": shown}])

    assert answer.status_code == 400
    assert "picture 101 of the request" in answer.json()["error"]["message"]
    assert answer.json()["error"]["param"] == "messages[0].content[100].image_url"


def test_a_picture_in_a_system_message_is_refused_where_the_template_has_no_place(
    server: Server,
) -> None:
    part = {"type": "image_url", "image_url": data_url(RED_64)}
    messages = [{"role": "system", "content": [part]}, {"role": "user", "content": "What?"}]
    answer = post(server, "/v1/chat/completions", messages=messages)

    assert answer.status_code == 400
    assert "system message" in answer.json()["error"]["message"]


def test_a_picture_to_a_model_of_text_is_refused_and_loads_nothing(server: Server) -> None:
    with server.client() as client:
        client.post(f"/v1/models/{BLIND}/unload").raise_for_status()
        answer = post(
            server, "/v1/chat/completions", model=BLIND, messages=showing(data_url(RED_64))
        )
        state = client.get(f"/v1/models/{BLIND}").json()["state"]

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "capability_missing"
    assert state == "not_loaded"


@pytest.mark.parametrize(
    "image", ["data:text/html;base64,PGh0bWw+", "data:image/png;base64,%%%", "ftp://a/b"]
)
def test_what_cannot_be_a_picture_loads_nothing(server: Server, image: str) -> None:
    with server.client() as client:
        client.post(f"/v1/models/{SEES}/unload").raise_for_status()
        answer = post(server, "/v1/chat/completions", messages=showing(image))
        state = client.get(f"/v1/models/{SEES}").json()["state"]

    assert answer.status_code in (400, 415)
    assert state == "not_loaded"


def test_after_all_of_this_the_worker_still_answers(gpt: openai.OpenAI) -> None:
    assert by_chat(gpt, False) == SEEN + "Compare with "


def test_the_settings_bound_pictures(tmp_path: Path) -> None:
    settings = {"max_pictures": 1, "max_picture_bytes": 2048, "max_picture_pixels": 200_000}
    with running_server(tmp_path, settings=settings) as server:
        noise = data_url(encoded(Image.effect_noise((60, 60), 90).convert("RGB")))
        too_large = post(server, "/v1/chat/completions", messages=showing(noise))
        scaled = post(
            server, "/v1/chat/completions", messages=showing(data_url(plain(RED, (500, 500))))
        )
        two = post(server, "/api/generate", prompt="What?", images=[PNG, PNG])

    assert too_large.status_code == 413
    assert "max_picture_bytes" in too_large.text
    assert scaled.headers["x-mlx-gui-scaled-down"].endswith("from 500x500 to 447x447")
    assert two.status_code == 400
    assert "images[1]" in two.json()["error"]


def test_addresses_are_fetched_where_the_setting_says_so_and_never_from_this_machine(
    tmp_path: Path,
) -> None:
    with media_server() as media, running_server(tmp_path, settings={"media_urls": "http"}) as own:
        addresses = [
            f"http://127.0.0.1:{media.port}/a.png",
            f"http://localhost:{media.port}/a.png",
            f"http://[::ffff:127.0.0.1]:{media.port}/a.png",
            f"http://2130706433:{media.port}/a.png",
            f"{own.address}/v1/models",
        ]
        for address in addresses:
            chat = post(own, "/v1/chat/completions", messages=showing({"url": address}))
            content = [{"type": "input_image", "image_url": address}]
            response = post(own, "/v1/responses", input=[{"role": "user", "content": content}])
            source = {"type": "url", "url": address}
            block = [{"role": "user", "content": [{"type": "image", "source": source}]}]
            message = post(own, "/v1/messages", messages=block, max_tokens=5)
            generated = post(own, "/api/generate", prompt="What?", images=[address])

            for answer in (chat, response, message, generated):
                assert answer.status_code == 400
                assert "not public" in answer.text
        assert media.asked == []


def test_a_server_that_is_offline_fetches_nothing(tmp_path: Path) -> None:
    settings = {"media_urls": "https", "offline": True}
    with running_server(tmp_path, settings=settings) as own:
        shown = showing("https://pictures.test/a.png")
        offline = post(own, "/v1/chat/completions", messages=shown)
        shown = showing("http://pictures.test/a.png")
        unencrypted = post(own, "/v1/chat/completions", messages=shown)

    assert offline.status_code == 409
    assert offline.json()["error"]["code"] == "offline"
    assert "https only" in unencrypted.json()["error"]["message"]
