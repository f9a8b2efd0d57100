"""What each group of tables keeps."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, update

from mlx_gui.core.device import BlasFacts, DeviceFacts
from mlx_gui.core.errors import ErrorInfo
from mlx_gui.core.job import Job
from mlx_gui.core.model import LoadSpec, MemoryUse, TextOptions
from mlx_gui.store.connections import engine
from mlx_gui.store.devices import recall_device, remember_device
from mlx_gui.store.jobs import all_jobs, forget_jobs, keep_job
from mlx_gui.store.measurements import Measurement, all_measurements, record_measurement
from mlx_gui.store.migrate import migrate
from mlx_gui.store.model_settings import all_model_settings, change_model_settings
from mlx_gui.store.models import KnownModel, record_found
from mlx_gui.store.schema import devices
from mlx_gui.store.server_settings import clear_override, override, overrides

FACTS = DeviceFacts(
    backend="cpu",
    name="a processor",
    memory_bytes=8_000_000_000,
    working_set_bytes=None,
    versions={"mlx": "0.32.4"},
    model_types={"text": ("llama", "qwen3")},
    blas=BlasFacts("libopenblas.so.0", None),
)
SPEC = LoadSpec("org/one", "/models/org/one", "text", "engine", "float32", TextOptions(8192, 8))


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    path = tmp_path / "some.db"
    migrate(path)
    database = engine(path, pool_size=1, pragmas=("foreign_keys=ON",))
    with database.begin() as opened:
        yield opened
    database.dispose()


def test_models_keep_id_and_discovery_across_scans(connection: Connection) -> None:
    first = record_found(connection, {"org/one": None, "two": "as two"}, now="day 1")
    again = record_found(connection, {"org/one": "as one", "three": None}, now="day 2")
    assert first == {"org/one": KnownModel("day 1"), "two": KnownModel("day 1", seen="as two")}
    assert again == {
        "org/one": KnownModel("day 1", seen="as one"),
        "two": KnownModel("day 1", seen="as two"),
        "three": KnownModel("day 2"),
    }
    ids = connection.exec_driver_sql("SELECT id, name FROM models ORDER BY id").all()
    assert [tuple(row) for row in ids] == [(1, "org/one"), (2, "two"), (3, "three")]


def test_a_scan_that_finds_nothing_forgets_nothing(connection: Connection) -> None:
    record_found(connection, {"one": None}, now="day 1")
    assert record_found(connection, {}, now="day 2") == {"one": KnownModel("day 1")}


def test_overrides_come_back_as_they_were_set(connection: Connection) -> None:
    values = {"port": 1, "queue_timeout_s": 0.5, "offline": True, "allowed_hosts": ["a", "b"]}
    for name, value in values.items():
        override(connection, name, value=value, now="now")
    override(connection, "port", value=2, now="later")
    assert overrides(connection) == values | {"port": 2}
    clear_override(connection, "port")
    clear_override(connection, "port")
    assert "port" not in overrides(connection)


def test_settings_of_models_come_back_as_they_were_set(connection: Connection) -> None:
    values = {"temperature": 0.5, "truncate": False, "template_arguments": {"a": [1, None]}}
    change_model_settings(connection, "org/one", changes=values, now="now")
    change_model_settings(connection, "two", changes={"slots": 1}, now="now")
    change_model_settings(connection, "two", changes={"slots": 2, "top_k": None}, now="later")
    assert all_model_settings(connection) == {"org/one": values, "two": {"slots": 2}}
    change_model_settings(connection, "org/one", changes=dict.fromkeys(values), now="later")
    assert all_model_settings(connection) == {"two": {"slots": 2}}


def test_a_job_is_kept_as_it_was_last_the_oldest_first(connection: Connection) -> None:
    error = ErrorInfo("disk_full", "It is full.", "Free some.", {"needed_bytes": 2**40})
    young = Job("job-a", "kind", '{"a":1}', "Do a", "queued", 2.5, 2.5, total=2**40, unit="bytes")
    old = Job("job-b", "kind", "{}", "Do b", "failed", 1.5, 3.5, 3.5, "stage", 1, error=error)
    for job in (young, msgspec.structs.replace(old, state="running", error=None), old):
        keep_job(connection, job)
    assert all_jobs(connection) == [old, young]
    forget_jobs(connection, ["job-b", "job-c"])
    assert all_jobs(connection) == [young]


def test_the_last_measurement_of_a_spec_is_kept(connection: Connection) -> None:
    assert all_measurements(connection) == {}
    use = MemoryUse(1, 2, 3, 4, load_peak_bytes=5, peak_rss_bytes=6)
    for load_ms in (900.0, 800.5):
        record_measurement(connection, SPEC, measured=Measurement(use, load_ms), now="now")
    assert all_measurements(connection) == {SPEC.key(): Measurement(use, 800.5)}


def test_only_the_present_device_is_remembered(connection: Connection) -> None:
    assert recall_device(connection, "one") is None
    remember_device(connection, "one", facts=FACTS, now="now")
    assert recall_device(connection, "one") == FACTS
    remember_device(connection, "two", facts=FACTS, now="now")
    assert recall_device(connection, "one") is None


def test_facts_of_an_older_shape_are_probed_again(connection: Connection) -> None:
    remember_device(connection, "one", facts=FACTS, now="now")
    connection.execute(update(devices).values(facts='{"backend": "abacus"}'))
    assert recall_device(connection, "one") is None


def test_what_an_earlier_version_found_of_the_device_is_asked_anew(connection: Connection) -> None:
    remember_device(connection, "one", facts=FACTS, now="now")
    earlier = msgspec.to_builtins(FACTS)
    earlier["text_model_types"] = earlier.pop("model_types")["text"]
    connection.execute(update(devices).values(facts=msgspec.json.encode(earlier).decode()))
    assert recall_device(connection, "one") is None
    remember_device(connection, "one", facts=FACTS, now="later")
    assert recall_device(connection, "one") == FACTS
