"""`/v1/settings` over a real store."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from mlx_gui.api.manage.server_settings.translate import settings_body
from mlx_gui.config import resolve
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.setting_changes import checked
from mlx_gui.core.setting_row import Setting
from mlx_gui.server_settings import SERVER_SETTINGS
from mlx_gui.store.database import Store
from mlx_gui.wire.server_settings import ServerSettingsBody
from tests.unit.api.parts import application, config, services, serving

PATH = "/v1/settings"


class Here(NamedTuple):
    client: httpx.Client
    store: Store
    folder: Path


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    (tmp_path / "config.toml").write_text("truncate = true\n")
    store = Store.open(tmp_path)
    parts = services(config(tmp_path, keep_alive_s=5), store=store)
    with serving(application(parts)) as address, httpx.Client(base_url=address) as client:
        yield Here(client, store, tmp_path)
    store.close()


def shown(here: Here) -> ServerSettingsBody:
    answer = here.client.get(PATH)
    assert answer.status_code == 200, answer.text
    return ServerSettingsBody.model_validate_json(answer.content)


def patched(here: Here, **changes: Any) -> ServerSettingsBody:
    answer = here.client.patch(PATH, json={"settings": changes})
    assert answer.status_code == 200, answer.text
    return ServerSettingsBody.model_validate_json(answer.content)


def refusal(here: Here, status: int, **changes: Any) -> dict[str, Any]:
    before = here.client.get(PATH).json()
    answer = here.client.patch(PATH, json={"settings": changes})
    assert answer.status_code == status, answer.text
    assert here.client.get(PATH).json() == before
    return answer.json()["error"]


def test_every_row_is_shown_with_its_source_and_all_that_a_form_needs(here: Here) -> None:
    body = shown(here)
    assert list(body.settings) == [row.name for row in SERVER_SETTINGS]
    assert (body.restart_pending, body.problems) == (False, [])
    assert here.client.get(PATH).json()["settings"]["max_queue"] == {
        "value": 256,
        "default": 256,
        "source": "default",
        "restart": False,
        "reload": False,
        "pending": None,
        "changeable": True,
        "secret": False,
        "type": "integer",
        "unit": "",
        "bounds": [1, 100_000],
        "choices": [],
        "words": [],
        "help": "Requests that may wait for one model.",
    }
    assert body.settings["keep_alive_s"].source == "command line"
    assert not body.settings["keep_alive_s"].changeable
    assert body.settings["truncate"].source == "file"
    assert body.settings["log_level"].choices == ["debug", "info", "warning", "error"]
    assert body.settings["max_context_tokens"].words == ["auto"]
    assert body.settings["data_dir"].value == str(here.folder)
    assert body.settings["model_dirs"].value[0] == str(here.folder / "models")


def test_several_are_changed_at_once_and_null_resets_them(here: Here) -> None:
    changed = patched(here, slots=4, truncate=False, allowed_hosts=["a.lan"])
    assert changed == shown(here)
    names = ("slots", "truncate", "allowed_hosts")
    assert [changed.settings[name].value for name in names] == [4, False, ["a.lan"]]
    assert {changed.settings[name].source for name in names} == {"interface"}
    reset = patched(here, **dict.fromkeys(names))
    assert [reset.settings[name].value for name in names] == [32, True, []]
    assert [reset.settings[name].source for name in names] == ["default", "file", "default"]


def test_what_needs_a_restart_is_shown_as_pending(here: Here) -> None:
    changed = patched(here, port=9000)
    port = changed.settings["port"]
    assert (port.value, port.source, port.restart) == (8000, "default", True)
    assert port.pending is not None
    assert (port.pending.value, port.pending.source) == (9000, "interface")
    assert changed.restart_pending
    assert not patched(here, port=None).restart_pending


def test_what_stands_in_the_file_by_now_is_pending_and_nonsense_there_a_problem(
    here: Here,
) -> None:
    file = here.folder / "config.toml"
    file.write_text("truncate = false\n")
    truncate = shown(here).settings["truncate"]
    assert truncate.value is True
    assert truncate.pending is not None
    assert (truncate.pending.value, truncate.pending.source) == (False, "file")
    file.write_text("truncate = 'perhaps'\n")
    body = shown(here)
    assert body.settings["truncate"].value is True
    assert not body.restart_pending
    assert "true or false" in body.problems[0]


def test_what_a_flag_has_set_is_a_conflict_and_nothing_is_changed(here: Here) -> None:
    error = refusal(here, 409, keep_alive_s=7, slots=4)
    assert "--keep-alive-s (command line)" in error["message"]
    assert error["param"] == "settings.keep_alive_s"
    assert error["hint"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"slots": 0}, "from 1 to 256"),
        ({"slots": 2**63}, "from 1 to 256"),
        ({"slots": 4.0}, "a whole number"),
        ({"slots": "4"}, "a whole number"),
        ({"slots": [4]}, "a whole number"),
        ({"log_level": ""}, "one of debug"),
        ({"host": "a\x00b"}, "printable"),
        ({"trusted_proxies": ["*"]}, "a list of addresses"),
        ({"allowed_origins": ["https://*"]}, "a list of origins"),
        ({"data_dir": "/a"}, "cannot be changed here"),
        ({"": 1}, "not a setting of the server"),
        ({"x" * 10_000: 1}, "not a setting of the server"),
    ],
)
def test_nonsense_is_refused_with_help(here: Here, changes: dict[str, Any], said: str) -> None:
    error = refusal(here, 400, max_queue=9, **changes)
    assert said in error["message"]
    assert error["hint"]


@pytest.mark.parametrize("body", [{}, {"settings": []}, [], {"settings": None}])
def test_a_body_of_another_shape_is_refused(here: Here, body: Any) -> None:
    assert here.client.patch(PATH, json=body).status_code == 400


def test_other_types_of_content_are_refused(here: Here) -> None:
    answer = here.client.patch(PATH, content=b"slots=4", headers={"content-type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("pragma", "status", "code"),
    [("max_page_count = 1", 507, "disk_full"), ("query_only = 1", 503, "store_unavailable")],
)
def test_what_cannot_be_kept_is_an_error_and_does_not_hold(
    here: Here, pragma: str, status: int, code: str
) -> None:
    asyncio.run(here.store.write(lambda c: c.exec_driver_sql(f"PRAGMA {pragma}")))
    assert refusal(here, status, slots=4, model_dirs=["x" * 100_000])["code"] == code


def test_only_who_may_do_all_sees_and_changes_them(here: Here) -> None:
    page = {"origin": "http://localhost:3000"}
    assert here.client.get(PATH, headers=page).status_code == 403
    asked = {"settings": {"slots": 4}}
    assert here.client.patch(PATH, json=asked, headers=page).status_code == 403
    elsewhere = {"x-forwarded-for": "203.0.113.7"}
    assert here.client.patch(PATH, json=asked, headers=elsewhere).status_code == 401
    token = elsewhere | {"authorization": "Bearer secret-token"}
    assert here.client.patch(PATH, json=asked, headers=token).status_code == 200


def test_models_inherit_what_was_changed(here: Here) -> None:
    changes = {
        "slots": 4, "max_context_tokens": 512, "prefix_cache_bytes": 0, "kv_bits": 4,
        "tool_prompt": "refuse", "truncate": False,
    }  # fmt: skip
    patched(here, **changes)
    of_model = here.client.get("/v1/models/org/one/settings").json()["settings"]
    names = {"max_context_tokens": "context_tokens"}
    assert {name: of_model[names.get(name, name)]["value"] for name in changes} == changes


def test_the_guard_holds_to_what_was_changed(here: Here) -> None:
    def status(**headers: str) -> int:
        return here.client.get("/health", headers=headers).status_code

    assert status(host="box.lan") == 403
    assert status(origin="https://chat.example") == 403
    assert status(**{"x-forwarded-for": "127.0.0.1"}) == 401
    patched(
        here,
        allowed_hosts=["box.lan"],
        allowed_origins=["https://chat.example"],
        trusted_proxies=["127.0.0.1"],
        max_body_bytes=1024,
    )
    assert status(host="box.lan") == 200
    assert status(origin="https://chat.example") == 200
    assert status(**{"x-forwarded-for": "127.0.0.1"}) == 200
    long = b'{"settings": {}, "padding": "' + b" " * 2000 + b'"}'
    json = {"content-type": "application/json"}
    assert here.client.patch(PATH, content=long, headers=json).status_code == 413
    assert here.client.patch(PATH, content=iter([long]), headers=json).status_code == 413
    patched(here, max_body_bytes=None)
    assert here.client.patch(PATH, content=long, headers=json).status_code == 200


def test_secrets_are_not_shown_and_not_repeated(tmp_path: Path) -> None:
    row = Setting("log_level", "text", None, "A word.", choices=("a", "b"), secret=True)
    now = resolve(flags={"data_dir": str(tmp_path), "log_level": "debug"}, environment={})
    later = resolve(flags={"data_dir": str(tmp_path), "log_level": "error"}, environment={})

    body = settings_body([row], now, after_restart=later, changeable=[], problems=[])

    secret = body.settings["log_level"]
    assert (secret.value, secret.secret) == (None, True)
    assert secret.pending is not None
    assert secret.pending.value is None
    with pytest.raises(InvalidRequest) as caught:
        checked({"log_level": row}, {"log_level": "hunter2"}, of="the server")
    assert "hunter2" not in caught.value.message
