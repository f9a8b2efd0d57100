"""What the commands print, from what the server answers."""

from datetime import UTC, datetime

import pytest

from mlx_gui.cli.chat import pace_sentence, printable
from mlx_gui.cli.jobs import job_facts, job_row
from mlx_gui.cli.list import licence_name, model_row, short_count
from mlx_gui.cli.load import load_sentence
from mlx_gui.cli.ps import loaded_row, serial_sentence, time_left
from mlx_gui.cli.settings import pending_sentence, shown_value
from mlx_gui.cli.status import status_rows
from mlx_gui.cli.unload import unload_sentence, unload_sentences
from mlx_gui.client import ChatUsage
from mlx_gui.wire.addresses import AddressBody, AddressList
from mlx_gui.wire.jobs import JobBody
from mlx_gui.wire.model_settings import ModelSettingBody, ModelSettingsBody
from mlx_gui.wire.models import (
    BusyModel,
    ErrorBody,
    LoadResult,
    MemoryReturnedBody,
    MemoryUseBody,
    ModelObject,
    UnloadAllResult,
    UnloadResult,
)
from mlx_gui.wire.status import (
    BudgetStatus,
    ContainerStatus,
    DeviceStatus,
    DiskStatus,
    FolderStatus,
    LoadedModel,
    MachineStatus,
    ManagerStatus,
    MemoryStatus,
    ServerStatus,
    SystemStatus,
)

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
MODEL = ModelObject(
    id="org/tiny",
    created=0,
    created_at="2025-03-01T12:00:00Z",
    owned_by="org",
    display_name="tiny",
    kind="text",
    model_type="llama",
    capabilities=["chat"],
    context_length=8192,
    parameter_count=134_515_008,
    quantization="4-bit",
    disk_bytes=75_700_000,
    path="/models/org/tiny",
    supported=True,
    problem=None,
    state="not_loaded",
)
MEMORY = MemoryUseBody(
    weights_bytes=1, kv_bytes=2, prefix_bytes=0, other_bytes=3, total_bytes=412_000_000
)
LOADED = LoadedModel(
    id="org/tiny",
    state="busy",
    pid=77,
    memory=MEMORY,
    slots=4,
    active=2,
    queued=1,
    loads=1,
    last_used_at=None,
    expires_at="2025-03-01T12:14:03Z",
    weight_form="float32",
    context=8192,
    serial_because=None,
)


def test_a_model_is_one_row() -> None:
    row = ("org/tiny", "text", "135M", "4-bit", "75.7 MB", "8,192", "-")
    assert model_row(MODEL) == row


def test_a_licence_is_one_short_name() -> None:
    assert licence_name(MODEL) == "-"
    assert licence_name(MODEL.model_copy(update={"license": "apache-2.0"})) == "apache-2.0"
    cut = licence_name(MODEL.model_copy(update={"license": "x" * 300}))
    assert (len(cut), cut[-1]) == (24, "…")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"state": "ready"}, "ready"),
        ({"state": "loading", "load_progress": 0.426}, "loading, 43%"),
        ({"problem": "config.json is missing."}, "cannot be served: config.json is missing."),
        ({"state": "away", "problem": "Its disk is away."}, "Its disk is away."),
        (
            {"state": "failed", "error": ErrorBody(code="load_failed", message="It broke.")},
            "failed: It broke.",
        ),
    ],
)
def test_the_last_column_says_how_a_model_is(change: dict[str, object], said: str) -> None:
    assert model_row(MODEL.model_copy(update=change))[-1] == said


def test_what_is_not_known_of_a_model_is_a_dash() -> None:
    unknown = {"kind": None, "parameter_count": None, "quantization": None, "context_length": None}
    row = model_row(MODEL.model_copy(update=unknown))
    assert row == ("org/tiny", "-", "-", "-", "75.7 MB", "-", "-")


@pytest.mark.parametrize(
    ("count", "short"),
    [(999, "999"), (1_500, "1.5K"), (134_515_008, "135M"), (23_572_403_200, "23.6B")],
)
def test_parameters_are_counted_in_three_digits(count: int, short: str) -> None:
    assert short_count(count) == short


def test_a_model_in_memory_is_one_row() -> None:
    row = ("org/tiny", "busy", "77", "412.0 MB", "8,192", "2 of 4", "1", "in 14 min 3 s")
    assert loaded_row(LOADED, NOW) == row


def test_a_model_that_waits_for_its_worker_has_no_process() -> None:
    waiting = LOADED.model_copy(
        update={"pid": None, "memory": None, "context": None, "expires_at": None}
    )
    assert loaded_row(waiting, NOW) == (
        "org/tiny", "busy", "-", "-", "-", "2 of 4", "1", "-",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("expires_at", "said"),
    [
        (None, "-"),
        ("2025-03-01T12:00:05Z", "in 5.0 s"),
        ("2025-03-01T14:00:00+01:00", "in 1 h"),
        ("2025-03-01T11:59:00Z", "now"),
    ],
)
def test_a_keep_alive_is_told_as_the_time_that_is_left(expires_at: str | None, said: str) -> None:
    assert time_left(expires_at, NOW) == said


def test_a_load_says_its_time_and_memory() -> None:
    model = MODEL.model_copy(update={"memory": MEMORY})
    fresh = LoadResult(model=model, already_loaded=False, duration_ms=1234)
    assert load_sentence(fresh) == "org/tiny is ready after 1.2 s, 412.0 MB of memory."
    again = LoadResult(model=MODEL, already_loaded=True, duration_ms=0)
    assert load_sentence(again) == "org/tiny was already loaded."


def test_an_unload_says_what_came_back() -> None:
    gone = UnloadResult(model=MODEL, was_loaded=True, freed_bytes=412_000_000)
    assert unload_sentence(gone) == "org/tiny is unloaded; 412.0 MB are free again."
    never = UnloadResult(model=MODEL, was_loaded=False, freed_bytes=0)
    assert unload_sentence(never) == "org/tiny was not loaded."


def test_the_status_names_server_device_memory_and_work() -> None:
    rows = dict(status_rows(SYSTEM, MANAGER, REACHED))
    assert rows["From elsewhere"] == "The server listens on 127.0.0.1. Set host."
    assert rows["Server"] == "http://127.0.0.1:8000, version 0.1.0, process 5"
    assert rows["Interface"] == "http://127.0.0.1:8000/admin"
    assert rows["Running for"].startswith("1 h 30 min, since 2025-")
    assert rows["Device"] == "Some CPU, cpu"
    assert rows["BLAS"] == "libopenblas.so.0"
    assert rows["Memory"] == "8.0 GB of 16.0 GB available, pressure normal"
    assert rows["Models' budget"] == "412.0 MB of 10.0 GB in use"
    assert rows["Budget set by"] == ("what other programs leave free now, less a reserve of 2.0 GB")
    assert rows["Container"] == "16.0 GB at most, 8.0 GB of it left, swap 0 B"
    assert rows["Machine"] == "Board, 8 cores, Some OS"
    assert rows["Model folders"] == (
        "/data/models (50.0 GB free), /new (not there yet, 7 kB free), /gone (cannot be read)"
    )
    assert rows["In memory"] == "1 of at most 3 models"
    assert rows["Requests"] == "2 running, 1 waiting"


def test_the_status_does_without_a_device_that_was_not_examined_yet() -> None:
    rows = dict(status_rows(SYSTEM.model_copy(update={"device": None}), MANAGER, REACHED))
    assert rows["Device"] == "not examined yet"


def test_the_pace_of_an_answer_leaves_the_first_token_out() -> None:
    usage = ChatUsage(prompt_tokens=33, completion_tokens=11)
    assert pace_sentence(usage, 0.214, 0.5) == (
        "20.0 tok/s, 11 tokens after a prompt of 33, first token after 0.21 s"
    )


@pytest.mark.parametrize("tokens", [0, 1])
def test_an_answer_of_one_token_has_no_pace(tokens: int) -> None:
    usage = ChatUsage(prompt_tokens=3, completion_tokens=tokens)
    assert "tok/s" not in pace_sentence(usage, 0.2, 0.0)


def test_a_models_text_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[2J\r\x07b\x9b31m\x7f\tc\nü") == "a[2Jb31m\tc\nü"


REACHED = AddressList(
    host="127.0.0.1",
    port=8000,
    addresses=[
        AddressBody(url="http://127.0.0.1:8000", kind="loopback", interface="lo", key_needed=False)
    ],
    reason="The server listens on 127.0.0.1.",
    hint="Set host.",
)
SYSTEM = SystemStatus(
    server=ServerStatus(
        version="0.1.0",
        boot_id="b",
        pid=5,
        started_at="2025-03-01T10:30:00Z",
        uptime_s=5400,
        address="http://127.0.0.1:8000",
        addresses=["http://127.0.0.1:8000"],
        data_dir="/data",
        model_dirs=["/data/models"],
        rss_bytes=90_000_000,
    ),
    machine=MachineStatus(model="Board", chip=None, cores=8, system="Some OS"),
    device=DeviceStatus(
        backend="cpu",
        name="Some CPU",
        memory_bytes=16_000_000_000,
        working_set_bytes=None,
        blas="libopenblas.so.0",
    ),
    memory=MemoryStatus(
        total_bytes=16_000_000_000,
        available_bytes=8_000_000_000,
        other_apps_bytes=7_000_000_000,
        budget_bytes=10_000_000_000,
        used_by_models_bytes=412_000_000,
        pressure="normal",
        segments=[],
        machine_bytes=32_000_000_000,
        free_bytes=7_000_000_000,
        budget=BudgetStatus(
            static_bytes=12_000_000_000,
            now_bytes=10_000_000_000,
            reason="what other programs leave free now, less a reserve of 2.0 GB",
            reserve_bytes=2_000_000_000,
            bounds=[],
        ),
        container=ContainerStatus(
            limit_bytes=16_000_000_000, room_bytes=8_000_000_000, swap_bytes=0
        ),
    ),
    disk=DiskStatus(path="/data", free_bytes=50_000_000_000, total_bytes=100_000_000_000),
    folders=[
        FolderStatus(path="/data", use="data", exists=True, free_bytes=50, total_bytes=100),
        FolderStatus(
            path="/data/models",
            use="models",
            exists=True,
            free_bytes=50_000_000_000,
            total_bytes=100_000_000_000,
        ),
        FolderStatus(path="/new", use="models", exists=False, free_bytes=7_000, total_bytes=9_000),
        FolderStatus(path="/gone", use="models", exists=False, free_bytes=None, total_bytes=None),
    ],
    versions={"mlx": "0.32.4"},
)
MANAGER = ManagerStatus(
    loaded_models=[LOADED], queue=[], max_loaded_models=3, active_requests=2, queued_requests=1
)


def setting(value: object, kind: str = "text") -> ModelSettingBody:
    return ModelSettingBody.model_validate(
        {
            "value": value,
            "default": None,
            "source": "model",
            "reload": True,
            "type": kind,
            "unit": "",
            "bounds": None,
            "choices": [],
            "words": [],
            "help": "It is so.",
        }
    )


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (None, "number", "-"),
        (0.5, "number", "0.5"),
        (False, "switch", "off"),
        ({"a": "ü"}, "object", '{"a": "ü"}'),
        ("{% for m %}\n  {{ m }}", "lines", "{% for m %} {{ m }}"),
        ("\x1b[31mred", "lines", "[31mred"),
        ("x" * 70, "lines", "x" * 60 + "…"),
    ],
)
def test_a_setting_is_shown_on_one_line(value: object, kind: str, expected: str) -> None:
    assert shown_value(setting(value, kind)) == expected


def test_a_pending_change_names_the_model() -> None:
    answer = ModelSettingsBody(model="org/tiny", settings={}, reload_pending=True)
    assert pending_sentence(answer).startswith("org/tiny is loaded with other settings")


def test_a_model_that_cannot_batch_says_why() -> None:
    serial = LOADED.model_copy(update={"serial_because": "Its KV cache is quantized."})
    assert serial_sentence(serial) == (
        "org/tiny answers one request at a time: Its KV cache is quantized."
    )


def test_an_adapter_is_listed_as_one() -> None:
    adapted = MODEL.model_copy(update={"id": "org/tiny+tune", "base_model": "org/tiny"})
    assert model_row(adapted)[:2] == ("org/tiny+tune", "adapter")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pinned": True}, "never, pinned"),
        ({"expires_at": None, "keep_alive_s": -1.0}, "never"),
        ({"expires_at": None}, "-"),
        ({"keep_alive_s": 60.0}, "in 14 min 3 s"),
    ],
)
def test_a_model_in_memory_says_how_long_it_stays(change: dict[str, object], said: str) -> None:
    assert loaded_row(LOADED.model_copy(update=change), NOW)[-1] == said


def test_an_unload_proves_what_came_back() -> None:
    returned = MemoryReturnedBody(
        held_bytes=412_000_000,
        available_before_bytes=1_000_000_000,
        available_after_bytes=1_410_000_000,
    )
    gone = UnloadResult(model=MODEL, was_loaded=True, freed_bytes=412_000_000, returned=returned)
    assert unload_sentence(gone) == (
        "org/tiny is unloaded; 412.0 MB are free again. "
        "The machine has 1.4 GB available, before it had 1.0 GB."
    )


def test_unloading_all_says_what_became_of_each() -> None:
    gone = UnloadResult(model=MODEL, was_loaded=True, freed_bytes=412_000_000)
    busy = BusyModel(id="org/busy", reason="It has 2 requests under way.")
    result = UnloadAllResult(models=[gone], busy=[busy], freed_bytes=412_000_000)
    assert unload_sentences(result) == [
        "org/tiny is unloaded; 412.0 MB are free again.",
        "org/busy stays: It has 2 requests under way.",
    ]
    nothing = UnloadAllResult(models=[], busy=[], freed_bytes=0)
    assert unload_sentences(nothing) == ["No model was in memory."]


JOB = JobBody(
    id="job-1",
    kind="test",
    title="Do it",
    arguments={},
    state="running",
    stage="download",
    done=12_000_000,
    total=92_900_000,
    unit="bytes",
    error=None,
    retry_at=None,
    created_at="2026-01-02T03:04:05.000Z",
    updated_at="2026-01-02T03:04:05.000Z",
    ended_at=None,
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "12.0 MB of 92.9 MB"),
        ({"total": None}, "12.0 MB"),
        ({"total": None, "done": 0}, "-"),
        ({"unit": "steps", "done": 3, "total": 7}, "3 steps of 7 steps"),
    ],
)
def test_a_job_is_shown_with_as_much_as_is_known(changes: dict[str, object], words: str) -> None:
    job = JOB.model_copy(update=changes)
    assert job_row(job) == ("job-1", "Do it", "running", "download", words)
    assert job_facts(job)[-1] == ("Stage", f"download, {words}")


def test_a_job_that_failed_says_why_and_what_to_do() -> None:
    error = ErrorBody(code="fetch_failed", message="It is silent.", hint="Ask later.")
    job = JOB.model_copy(update={"state": "failed", "stage": "", "error": error})
    assert job_row(job)[3] == "-"
    assert job_facts(job)[-1] == ("Error", "It is silent. Ask later.")
