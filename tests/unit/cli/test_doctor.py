"""`mlx-gui doctor`: what it sees here, and what it says about what it may see."""

import errno
import json
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import typer

from mlx_gui.cli import doctor_facts
from mlx_gui.cli.doctor import command as doctor
from mlx_gui.cli.doctor import finding_line
from mlx_gui.cli.doctor_checks import Finding, Folder, Machine, findings
from mlx_gui.config import Config, resolve
from mlx_gui.core.device import BlasFacts, DeviceFacts
from mlx_gui.core.errors import WorkerFailed
from mlx_gui.core.mlx_library import MlxLibrary
from mlx_gui.service.system import Activity, Installed, ServiceStatus

CPU = DeviceFacts(
    backend="cpu",
    name="Some CPU",
    memory_bytes=16_000_000_000,
    working_set_bytes=None,
    versions={"mlx": "0.32.4"},
    model_types={"text": ("llama",)},
    blas=BlasFacts(library="libopenblas.so.0", shim="shim.so"),
)
METAL = DeviceFacts(
    backend="metal",
    name="Apple M9",
    memory_bytes=64_000_000_000,
    working_set_bytes=48_000_000_000,
    versions={},
    model_types={},
)
WELL = Machine(
    system="Linux",
    versions={"mlx-gui": "0.1.0", "mlx": "0.32.4"},
    python="/env/bin/python",
    library=MlxLibrary({"mlx-cpu": "0.32.4"}, "mlx-cpu"),
    device=CPU,
    available_bytes=8_000_000_000,
    compiler="/usr/bin/cc",
    data_dir=Path("/data"),
    data_dir_problem=None,
    disk_free_bytes=50_000_000_000,
    address="127.0.0.1:8000",
    port="free",
    folders=(Folder(Path("/data/models"), exists=True, problem=None),),
    chosen_folders=False,
    offline=False,
    hub="https://hub.example",
    hub_problem=None,
    service=ServiceStatus("systemd", Path("/x.service"), None, None),
)


def by_topic(machine: Machine) -> dict[str, Finding]:
    return {finding.topic: finding for finding in findings(machine)}


def test_a_machine_where_all_is_well_needs_no_advice() -> None:
    found = by_topic(WELL)
    assert list(found) == [
        "Versions", "Backend", "BLAS", "BLAS shim", "Memory", "Data directory", "Disk", "Port",
        "Models", "Hub", "Service",
    ]  # fmt: skip
    assert {finding.level for finding in found.values()} == {"ok"}
    assert {finding.advice for finding in found.values()} == {""}


def test_a_mac_with_metal_is_not_asked_for_a_matrix_library() -> None:
    found = by_topic(replace(WELL, system="Darwin", device=METAL))
    assert found["Backend"] == Finding("Backend", "ok", "metal, Apple M9")
    assert "BLAS" not in found


BOTH = {"mlx-cpu": "0.32.4", "mlx-cuda-12": "0.32.4"}
FOR_CUDA = replace(WELL, library=MlxLibrary(BOTH, "mlx-cuda-12"))
CUDA = DeviceFacts("cuda", "NVIDIA H200", 1, 1, {}, {})


def test_a_machine_with_cuda_says_whose_library_it_has() -> None:
    found = by_topic(replace(FOR_CUDA, device=CUDA))
    assert found["MLX for CUDA"] == Finding("MLX for CUDA", "ok", "mlx-cuda-12 0.32.4")
    assert found["Backend"] == Finding("Backend", "ok", "cuda, NVIDIA H200")


def test_how_to_go_back_to_the_processor_is_two_commands_for_this_python() -> None:
    advice = by_topic(replace(FOR_CUDA, device="no libcuda.so.1"))["Backend"].advice
    assert advice.endswith(
        "/env/bin/python -m pip uninstall --yes mlx-cuda-12 && "
        "/env/bin/python -m pip install --force-reinstall --no-deps mlx-cpu==0.32.4"
    )


BARE_CPU = replace(WELL, device=DeviceFacts("cpu", "Some CPU", 1, None, {}, {}))
REFUSED_BLAS = DeviceFacts(
    "cpu", "Some CPU", 1, None, {}, (), BlasFacts(None, None, "it computes wrongly here")
)
NO_SHIM = DeviceFacts("cpu", "Some CPU", 1, None, {}, (), BlasFacts("libopenblas.so.0", None))
PACKS = DeviceFacts(
    "cpu", "Some CPU", 1, None, {}, (), BlasFacts("libopenblas.so.0", "shim.so", packed=True)
)


@pytest.mark.parametrize(
    ("machine", "topic", "level", "said", "advised"),
    [
        (replace(WELL, versions={"mlx": None}), "Versions", "fail", "mlx", "Install"),
        (replace(WELL, device="no libc"), "Backend", "fail", "no libc", "install"),
        (replace(WELL, system="Darwin"), "Backend", "warn", "no Metal device", "Apple silicon"),
        (
            replace(FOR_CUDA, device="no libcuda.so.1"),
            "Backend", "fail", "no libcuda.so.1", "Install NVIDIA's driver",
        ),
        (FOR_CUDA, "Backend", "warn", "no CUDA device", "nvidia-smi"),
        (
            replace(WELL, library=MlxLibrary(BOTH, "mlx-cpu")),
            "MLX for CUDA", "warn", "the library of mlx-cpu lies in its place",
            "install --force-reinstall --no-deps mlx-cuda-12==0.32.4",
        ),
        (
            replace(WELL, library=MlxLibrary(BOTH, None)),
            "MLX for CUDA", "warn", "another file lies", "--force-reinstall",
        ),
        (
            replace(WELL, library=MlxLibrary({"mlx-cuda-13": "0.31.0"}, "mlx-cuda-13")),
            "MLX for CUDA", "warn", "0.31.0 is not for mlx 0.32.4", "install mlx-cuda-13==0.32.4",
        ),
        (BARE_CPU, "BLAS", "warn", "none was found", "libopenblas0-pthread"),
        (replace(WELL, device=REFUSED_BLAS), "BLAS", "warn", "it computes wrongly", "Install"),
        (replace(WELL, device=NO_SHIM, compiler=None), "BLAS shim", "warn", "compiler", "gcc"),
        (replace(WELL, available_bytes=10**9), "Memory", "warn", "1.0 GB available", "programs"),
        (
            replace(WELL, data_dir_problem="Permission denied"),
            "Data directory", "fail", "Permission denied", "--data-dir",
        ),
        (replace(WELL, disk_free_bytes=10**8), "Disk", "fail", "100.0 MB free", "Remove"),
        (replace(WELL, disk_free_bytes=5 * 10**9), "Disk", "warn", "5.0 GB free", "Remove"),
        (replace(WELL, port="taken"), "Port", "fail", "another program", "--port"),
        (
            replace(WELL, folders=(Folder(Path("/x"), exists=True, problem="Not a directory"),)),
            "Models", "fail", "Not a directory", "leave it out",
        ),
        (
            replace(
                WELL, folders=(Folder(Path("/x"), exists=False, problem=None),), chosen_folders=True
            ),
            "Models", "warn", "/x is not there", "--model-dirs",
        ),
        (replace(WELL, hub_problem="timed out"), "Hub", "warn", "timed out", "HF_ENDPOINT"),
    ],
)  # fmt: skip
def test_what_is_wrong_comes_with_what_to_do(
    machine: Machine, topic: str, level: str, said: str, advised: str
) -> None:
    finding = by_topic(machine)[topic]
    assert finding.level == level
    assert said in finding.text
    assert advised in finding.advice


@pytest.mark.parametrize(
    ("machine", "topic", "said"),
    [
        (replace(WELL, offline=True, hub_problem=None), "Hub", "offline is set"),
        (replace(WELL, port="ours"), "Port", "which runs"),
        (replace(WELL, port="any"), "Port", "at start"),
        (replace(WELL, device=NO_SHIM), "BLAS shim", "not built"),
        (replace(WELL, device=PACKS), "BLAS shim", "stay packed"),
        (
            replace(WELL, folders=(Folder(Path("/x"), exists=False, problem=None),)),
            "Models",
            "not there yet",
        ),
    ],
)
def test_what_is_merely_so_is_no_warning(machine: Machine, topic: str, said: str) -> None:
    finding = by_topic(machine)[topic]
    assert (finding.level, finding.advice) == ("ok", "")
    assert said in finding.text


def test_the_advice_stands_below_its_finding() -> None:
    line = finding_line(Finding("Disk", "warn", "5.0 GB free", "Remove things."))
    assert line.plain.splitlines() == [
        "warn  Disk            5.0 GB free",
        "                      Remove things.",
    ]


@pytest.fixture
def hub() -> Iterator[str]:
    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(307)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing on stderr."""

    with HTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(20)


@pytest.fixture
def no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe child has tests of its own."""
    monkeypatch.setattr("mlx_gui.serve.probe_device", lambda config: CPU)


def config_for(folder: Path, **flags: object) -> Config:
    return resolve(flags={"data_dir": str(folder), **flags}, environment={})


@pytest.mark.usefixtures("no_probe")
def test_this_machine_is_examined_without_a_server(
    tmp_path: Path, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub)
    folder = tmp_path / "not" / "there" / "yet"
    (tmp_path / "file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        machine = doctor_facts.examine(
            config_for(
                folder,
                port=str(taken.getsockname()[1]),
                model_dirs=f"{tmp_path}:{tmp_path / 'gone'}:{tmp_path / 'file'}",
            )
        )
    assert machine.device is CPU
    assert machine.available_bytes > 0
    assert machine.disk_free_bytes > 0
    assert machine.data_dir_problem is None
    assert not folder.exists()
    assert machine.port == "taken"
    assert [(each.exists, each.problem) for each in machine.folders] == [
        (True, None),
        (False, None),
        (True, os.strerror(errno.ENOTDIR)),
    ]
    assert (machine.hub, machine.hub_problem) == (hub, None)


@pytest.mark.usefixtures("no_probe")
def test_offline_asks_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    machine = doctor_facts.examine(config_for(tmp_path, offline="on", port="0"))
    assert machine.hub_problem is None
    assert machine.port == "any"


@pytest.mark.usefixtures("no_probe")
def test_a_hub_that_does_not_answer_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert doctor_facts.examine(config_for(tmp_path, port="0")).hub_problem


@pytest.mark.usefixtures("no_probe")
def test_a_data_directory_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    config = replace(config_for(tmp_path, offline="on", port="0"), data_dir=file)
    machine = doctor_facts.examine(config)
    assert machine.data_dir_problem == os.strerror(errno.ENOTDIR)


def test_a_probe_that_fails_is_told_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def probe(config: Config) -> DeviceFacts:
        raise WorkerFailed("The probe ended: libmlx.so is missing.")

    monkeypatch.setattr("mlx_gui.serve.probe_device", probe)
    machine = doctor_facts.examine(config_for(tmp_path, offline="on", port="0"))
    assert machine.device == "The probe ended: libmlx.so is missing."


def test_a_finding_that_fails_makes_the_command_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for machine, code in ((WELL, 0), (replace(WELL, port="taken"), 1)):
        monkeypatch.setattr("mlx_gui.cli.doctor.examine", lambda config, seen=machine: seen)
        assert doctor_exit_code(tmp_path) == code
        shown = {each["topic"]: each["level"] for each in json.loads(capsys.readouterr().out)}
        assert shown["Port"] == ("fail" if code else "ok")


def doctor_exit_code(data_dir: Path) -> int:
    try:
        doctor(json=True, data_dir=str(data_dir))
    except typer.Exit as ended:
        return ended.exit_code
    return 0


UNIT = Installed("/opt/python", "/data", ours=True)


@pytest.mark.parametrize(
    ("service", "level", "said"),
    [
        (ServiceStatus("systemd", Path("/u"), UNIT, Activity(running=True)), "ok", "/data"),
        (
            ServiceStatus("systemd", Path("/u"), UNIT, Activity(False, trouble="It ended.")),
            "warn",
            "does not run. It ended.",
        ),
        (
            ServiceStatus("launchd", Path("/u"), UNIT, Activity(True), program_is_there=False),
            "warn",
            "/opt/python, which is not there",
        ),
        ("systemd runs no services for this user now.", "warn", "systemd runs no services"),
    ],
)
def test_a_service_that_cannot_do_its_work_is_told(
    service: ServiceStatus | str, level: str, said: str
) -> None:
    found = by_topic(replace(WELL, service=service))["Service"]
    assert found.level == level
    assert said in found.text
    assert bool(found.advice) == (level != "ok")
