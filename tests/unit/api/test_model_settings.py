"""`/v1/models/{name}/settings` over a real store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from mlx_gui.model_settings import MODEL_SETTINGS
from mlx_gui.store.database import Store
from mlx_gui.wire.model_settings import ModelSettingsBody
from tests.support.models import changed_facts
from tests.unit.api.parts import MODEL, Shelf, application, config, services, serving

FACTS = MODEL.facts
assert FACTS is not None
SMALL = msgspec.structs.replace(
    MODEL, id="org/small", facts=changed_facts(FACTS, vocabulary_size=10)
)
LARGE = msgspec.structs.replace(
    MODEL, id="org/large", facts=changed_facts(FACTS, vocabulary_size=11)
)
ADAPTED = msgspec.structs.replace(MODEL, id="org/one+me/tune", base="org/one", adapter="/tune")
PATH = "/v1/models/org/one/settings"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[httpx.Client]:
    store = Store.open(tmp_path)
    parts = services(
        config(tmp_path, keep_alive_s=5), shelf=Shelf(MODEL, SMALL, LARGE, ADAPTED), store=store
    )
    with serving(application(parts)) as address, httpx.Client(base_url=address) as client:
        yield client
    store.close()


def patched(server: httpx.Client, path: str = PATH, **changes: Any) -> ModelSettingsBody:
    answer = server.patch(path, json={"settings": changes})
    assert answer.status_code == 200, answer.text
    return ModelSettingsBody.model_validate_json(answer.content)


def test_every_row_is_shown_with_value_default_and_source(server: httpx.Client) -> None:
    shown = ModelSettingsBody.model_validate_json(server.get(PATH).content)
    assert (shown.model, shown.reload_pending) == ("org/one", False)
    assert list(shown.settings) == [row.name for row in MODEL_SETTINGS]
    assert server.get(PATH).json()["settings"]["keep_alive_s"] == {
        "value": 5,
        "default": 5,
        "source": "server",
        "reload": False,
        "type": "integer",
        "unit": "s",
        "bounds": [-1, 315360000],
        "choices": [],
        "words": [],
        "help": "Time the model stays loaded after its last request; 0 unloads at once, -1 never.",
    }
    assert shown.settings["temperature"].value is None
    assert shown.settings["kv_bits"].choices == ["0", "4", "8"]
    assert shown.settings["context_tokens"].value == "auto"
    assert shown.settings["context_tokens"].words == ["auto"]


def test_a_change_answers_what_holds_now_and_null_resets_it(server: httpx.Client) -> None:
    changed = patched(server, temperature=0.5, keep_alive_s=-1)
    assert changed.settings["temperature"].value == 0.5
    assert changed.settings["temperature"].source == "model"
    assert changed.settings["keep_alive_s"].value == -1
    assert server.get(PATH).json() == changed.model_dump(mode="json")
    reset = patched(server, temperature=None)
    assert (reset.settings["temperature"].value, reset.settings["keep_alive_s"].value) == (None, -1)


def test_another_model_is_not_touched(server: httpx.Client) -> None:
    patched(server, slots=2)
    other = server.get("/v1/models/org/small/settings").json()
    assert other["settings"]["slots"]["source"] == "server"


@pytest.mark.parametrize("plus", ["+", "%2B"])
def test_a_model_with_an_adapter_has_settings_of_its_own(server: httpx.Client, plus: str) -> None:
    patched(server, slots=2, top_k=3)
    adapted = patched(server, f"/v1/models/org/one{plus}me/tune/settings", slots=4)
    assert adapted.model == "org/one+me/tune"
    assert (adapted.settings["slots"].value, adapted.settings["top_k"].value) == (4, 3)
    assert patched(server).settings["slots"].value == 2


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({}, "settings", "`settings` is required"),
        ({"settings": []}, "settings", "`settings` should be"),
        ([], None, "The body should be"),
        ({"settings": {"temprature": 1}}, "settings.temprature", "not a setting of a model"),
        ({"settings": {"temperature": 3}}, "settings.temperature", "a number from 0 to 2"),
        ({"settings": {"slots": 2**40}}, "settings.slots", "from 1 to 256"),
        ({"settings": {"draft_model": "org/gone"}}, "settings.draft_model", "'org/gone'"),
        ({"settings": {"draft_model": "org/one+me/tune"}}, "settings.draft_model", "adapter"),
    ],
)
def test_a_bad_change_is_refused_and_changes_nothing(
    server: httpx.Client, body: Any, param: str | None, said: str
) -> None:
    before = server.get(PATH).json()
    answer = server.patch(PATH, json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert said in error["message"]
    assert error["param"] == param
    assert error["hint"]
    assert server.get(PATH).json() == before


@pytest.mark.parametrize("raw", [b'{"settings": {"temperature": NaN}}', b"{", b"\xff"])
def test_what_is_no_json_is_refused(server: httpx.Client, raw: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = server.patch(PATH, content=raw, headers=headers)
    assert answer.status_code == 400


def test_of_several_changes_none_is_made_if_one_is_bad(server: httpx.Client) -> None:
    changes = {"settings": {"slots": 2, "temperature": -1}}
    assert server.patch(PATH, json=changes).status_code == 400
    assert server.get(PATH).json()["settings"]["slots"]["source"] == "server"


def test_a_draft_must_have_the_same_vocabulary(server: httpx.Client) -> None:
    path = "/v1/models/org/large/settings"
    answer = server.patch(path, json={"settings": {"draft_model": "org/small"}})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "model_unsupported"
    assert "vocabulary of 11, org/small one of 10" in error["message"]
    assert patched(server, draft_model="org/small").settings["draft_model"].value == "org/small"


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_model_that_is_not_there_has_no_settings(server: httpx.Client, method: str) -> None:
    body = {"json": {"settings": {}}} if method == "PATCH" else {}
    answer = server.request(method, "/v1/models/org/gone/settings", **body)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"
