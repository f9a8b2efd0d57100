"""Settings of a model over its real workers and over a restart of the server."""

import threading
from pathlib import Path
from typing import Any

import httpx

from tests.process.visitor import Visitor, script, visited_server
from tests.support.waiting import wait_until
from tests.unit.kinds.folders import write_model

PATH = "/v1/models/fake/echo/settings"


def changed(server: Visitor, **settings: Any) -> dict[str, Any]:
    answer = server.client.patch(PATH, json={"settings": settings})
    return answer.raise_for_status().json()


def test_a_change_waits_for_running_answers_then_loads_the_model_anew(tmp_path: Path) -> None:
    with visited_server(tmp_path) as server:
        gate = script(text="word", repeat=100_000, delay_ms=2)
        with server.stream("fake/echo", gate) as running:
            assert "word" in running.text()
            before = server.worker("fake/echo")
            assert changed(server, context_tokens=100)["reload_pending"]
            answers: list[httpx.Response] = []
            later = threading.Thread(target=lambda: answers.append(server.ask("fake/echo", "Hi")))
            later.start()
            wait_until(
                lambda: server.row("fake/echo")["queued"] == 1, what="the request to be queued"
            )
            assert "word" in running.text()
            running.hang_up()
            later.join(60)
        assert answers[0].json()["choices"][0]["message"]["content"] == "You said: Hi"
        assert not before.is_running()
        assert server.row("fake/echo")["context"] == 100
        assert not server.client.get(PATH).json()["reload_pending"]
        assert server.ask("fake/echo", "word " * 200).status_code == 400


def test_settings_outlive_the_server_and_keep_alive_holds_at_once(tmp_path: Path) -> None:
    with visited_server(tmp_path) as server:
        assert not changed(server, slots=3, keep_alive_s=0)["reload_pending"]
    with visited_server(tmp_path) as server:
        assert server.ask("fake/echo", "Hi").status_code == 200
        wait_until(
            lambda: server.status()["loaded_models"] == [], what="the model to be unloaded at once"
        )
        changed(server, keep_alive_s=None)
        assert server.ask("fake/echo", "Hi").status_code == 200
        row = server.row("fake/echo")
        assert (row["slots"], row["state"]) == (3, "ready")


def test_a_chat_template_is_tried_before_it_is_kept(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "models" / "org" / "shelf")
    own = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    settings = {"model_dirs": tmp_path / "models"}
    with visited_server(tmp_path, settings=settings) as server:
        path = "/v1/models/org/shelf"
        for wrong, line in (("{{ messages }}\n{% for", 2), ("\n\n{{ raise_exception('no') }}", 3)):
            change = {"settings": {"chat_template": wrong, "slots": 2}}
            for refused in (
                server.client.patch(f"{path}/settings", json=change),
                server.client.post(f"{path}/template/try", json={"template": wrong}),
            ):
                assert refused.status_code == 400
                assert f"line {line}" in refused.json()["error"]["message"]
        kept = server.client.get(f"{path}/settings").json()["settings"]
        assert (kept["chat_template"]["value"], kept["slots"]["source"]) == (None, "server")

        better = "{% for message in messages %}<{{ message.role }}>{% endfor %}"
        tried = server.client.post(f"{path}/template/try", json={"template": better}).json()
        assert tried == {"model": "org/shelf", "prompt": "<user><assistant><user>"}
        change = {"settings": {"chat_template": better}}
        server.client.patch(f"{path}/settings", json=change).raise_for_status()
        told = server.client.get(f"{path}/template").json()
        assert (told["template"], told["source"], told["own"]) == (better, "setting", own)
        assert (folder / "chat_template.jinja").read_text(encoding="utf-8") == own

        reset = {"settings": {"chat_template": None}}
        server.client.patch(f"{path}/settings", json=reset).raise_for_status()
        told = server.client.get(f"{path}/template").json()
        assert (told["template"], told["source"], told["own"]) == (own, "file", own)
