"""Installed and loaded models as Ollama's clients see them."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from mlx_gui.api.ollama.models.disk import modified_s
from mlx_gui.api.ollama.models.translate import NEVER, card, digest, listed, running
from mlx_gui.api.ollama.models.wire import OllamaModelDetails
from mlx_gui.control.residency.views import ResidentView
from mlx_gui.core.licence import Licence
from mlx_gui.core.model import LoadSpec, MemoryNeed, MemoryUse, Model, TextOptions
from tests.support.models import changed_facts
from tests.unit.api.parts import MODEL

MODIFIED_S = 1_700_000_000.5
MODIFIED_AT = "2023-11-14T22:13:20.500Z"
NOW_S = 1_800_000_000.0
SPEC = LoadSpec("org/one", "/models/org/one", "text", "engine", "float32", TextOptions(2048, 8))
RESIDENT = ResidentView(
    model_id="org/one",
    state="ready",
    pid=1,
    spec=SPEC,
    need=MemoryNeed(500, 100, 50, 700),
    memory=MemoryUse(600, 10, 800, 900),
    active=0,
    queued=0,
    loads=1,
    last_used_at=NOW_S,
    expires_at=NOW_S + 60,
    load_progress=None,
    load_stage=None,
    error=None,
)


def facts(**changes: object) -> Model:
    assert MODEL.facts is not None
    return msgspec.structs.replace(MODEL, facts=changed_facts(MODEL.facts, **changes))


def test_an_installed_model_is_listed_with_its_size_and_what_it_is() -> None:
    shown = listed(facts(float16_bytes=1), MODIFIED_S)

    assert (shown.name, shown.model, shown.size) == ("org/one", "org/one", 271_000_000)
    assert shown.modified_at == MODIFIED_AT
    assert shown.details == OllamaModelDetails(
        family="llama", families=["llama"], parameter_size="135.0M", quantization_level="F16"
    )


@pytest.mark.parametrize(
    ("changes", "size", "level"),
    [
        ({"parameter_count": 3_212_749_888, "quantization": "4-bit"}, "3.2B", "4-bit"),
        ({"parameter_count": 70_000}, "70.0K", "F32"),
        ({"parameter_count": 12}, "12", "F32"),
    ],
)
def test_sizes_and_precision_are_in_few_letters(
    changes: dict[str, object], size: str, level: str
) -> None:
    details = listed(facts(**changes), None).details

    assert (details.parameter_size, details.quantization_level) == (size, level)


def test_the_digest_is_stable_and_changes_with_the_files() -> None:
    assert digest(MODEL, MODIFIED_S) == digest(MODEL, MODIFIED_S)
    assert digest(MODEL, MODIFIED_S) != digest(MODEL, MODIFIED_S + 1)
    assert digest(MODEL, None) != digest(msgspec.structs.replace(MODEL, path="/other"), None)
    assert len(digest(MODEL, None)) == 64


def test_a_model_without_a_file_time_was_modified_when_it_was_found() -> None:
    assert listed(MODEL, None).modified_at == MODEL.discovered_at


@pytest.mark.parametrize(("on_gpu", "vram"), [(False, 0), (True, 900)])
def test_a_loaded_model_has_its_measured_size_and_its_context(on_gpu: bool, vram: int) -> None:
    shown = running(MODEL, RESIDENT, None, on_gpu=on_gpu, keep_alive_s=900, now_s=NOW_S)

    assert (shown.size, shown.size_vram, shown.context_length) == (900, vram, 2048)
    assert shown.expires_at == "2027-01-15T08:01:00.000Z"
    assert shown.digest == digest(MODEL, None)


def test_a_model_that_loads_has_its_planned_size() -> None:
    loading = replace(RESIDENT, memory=None, expires_at=None)
    shown = running(MODEL, loading, None, on_gpu=False, keep_alive_s=900, now_s=NOW_S)

    assert shown.size == 650


@pytest.mark.parametrize(
    ("asked_s", "setting_s", "expires_at"),
    [
        (None, 120, "2027-01-15T08:02:00.000Z"),
        (None, -1, NEVER),
        (60.0, -1, "2027-01-15T08:01:00.000Z"),
        (-1.0, 120, NEVER),
    ],
)
def test_while_a_model_answers_its_time_is_what_it_would_get_now(
    asked_s: float | None, setting_s: float, expires_at: str
) -> None:
    busy = replace(RESIDENT, expires_at=None, keep_alive_s=asked_s)
    shown = running(MODEL, busy, None, on_gpu=False, keep_alive_s=setting_s, now_s=NOW_S)

    assert shown.expires_at == expires_at


def test_a_pinned_model_never_expires() -> None:
    pinned = replace(RESIDENT, expires_at=None, pinned=True)
    shown = running(MODEL, pinned, None, on_gpu=False, keep_alive_s=900, now_s=NOW_S)

    assert shown.expires_at == NEVER


def test_a_model_that_fills_gaps_can_insert() -> None:
    shown = card(
        facts(capabilities=("chat", "completion", "fill_in_the_middle")), MODIFIED_S, template=""
    )

    assert shown.capabilities == ["completion", "insert"]


def test_a_card_says_what_the_model_can_do() -> None:
    shown = card(facts(capabilities=("chat", "tools", "thinking")), MODIFIED_S, template="{{ x }}")

    assert shown.capabilities == ["completion", "tools", "thinking"]
    assert shown.model_info == {
        "general.architecture": "llama",
        "general.basename": "one",
        "general.parameter_count": 135_000_000,
        "llama.context_length": 4096,
    }
    assert (shown.template, shown.modified_at) == ("{{ x }}", MODIFIED_AT)


@pytest.mark.parametrize(("text", "shown"), [("Free.", "Free."), (None, "mit"), ("", "mit")])
def test_a_card_has_the_licence_in_full_or_by_its_name(text: str | None, shown: str) -> None:
    licensed = msgspec.structs.replace(MODEL, licence=Licence("mit"))
    told = card(licensed, None, template="", license_text=text)

    assert told.license == shown
    assert told.model_info["general.license"] == "mit"
    assert card(MODEL, None, template="").license == ""


def test_a_model_whose_files_could_not_be_read_is_shown_all_the_same() -> None:
    damaged = msgspec.structs.replace(MODEL, facts=None, problem="config.json is missing.")
    shown = card(damaged, None, template="")

    assert (shown.capabilities, shown.model_info) == ([], {})
    assert shown.details.family == ""


def test_a_model_changed_when_its_config_did(tmp_path: Path) -> None:
    model = msgspec.structs.replace(MODEL, path=str(tmp_path))
    assert modified_s(model) is None
    (tmp_path / "config.json").write_text("{}")

    assert modified_s(model) == (tmp_path / "config.json").stat().st_mtime
