"""The first request that people copy must be one."""

import json
import shlex

from mlx_gui.greeting import first_request, greeting


def test_the_first_curl_is_a_complete_request_to_the_model_that_is_there() -> None:
    text = first_request("http://127.0.0.1:8000", "org/name")
    words = shlex.split(text[text.index("curl ") :])
    assert words[:2] == ["curl", "http://127.0.0.1:8000/v1/chat/completions"]
    assert json.loads(words[words.index("-d") + 1])["model"] == "org/name"


def test_without_a_model_it_only_says_where_the_server_is() -> None:
    text = greeting("http://127.0.0.1:8000", "1.2.3")
    assert "http://127.0.0.1:8000/admin" in text
    assert "curl" not in text
