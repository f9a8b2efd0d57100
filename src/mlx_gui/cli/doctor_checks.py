"""What `mlx-gui doctor` says, as a pure function of what it saw."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.mlx_library import CPU_PACKAGE, MlxLibrary
from mlx_gui.core.units import format_bytes
from mlx_gui.service.system import ServiceStatus

Level = Literal["ok", "warn", "fail"]
PortUse = Literal["any", "free", "ours", "taken"]

LOW_DISK_BYTES = 10_000_000_000
FULL_DISK_BYTES = 1_000_000_000
LOW_MEMORY_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination; `advice` says what to do and is empty when all is well."""

    topic: str
    level: Level
    text: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of models; `problem` says why it cannot be read."""

    path: Path
    exists: bool
    problem: str | None


@dataclass(frozen=True, slots=True)
class Machine:
    """All that the examination looks at. A `problem` is None when there is none.

    `python` is the interpreter as a shell reads it. `device` is a sentence when the probe failed,
    `service` when there is one that cannot be asked. `hub_problem` is only looked for unless
    `offline`.
    """

    system: str
    versions: dict[str, str | None]
    python: str
    library: MlxLibrary
    device: DeviceFacts | str
    available_bytes: int
    compiler: str | None
    data_dir: Path
    data_dir_problem: str | None
    disk_free_bytes: int
    address: str
    port: PortUse
    folders: tuple[Folder, ...]
    chosen_folders: bool
    offline: bool
    hub: str
    hub_problem: str | None
    service: ServiceStatus | str


def findings(machine: Machine) -> Iterator[Finding]:
    """Every line, in the order in which one thing needs the other."""
    yield _versions(machine)
    yield from _library(machine)
    yield from _device(machine)
    yield _memory(machine)
    yield _data_dir(machine)
    yield _disk(machine)
    yield _port(machine)
    for folder in machine.folders:
        yield _folder(folder, chosen=machine.chosen_folders)
    yield _hub(machine)
    yield _service(machine.service)


def _versions(machine: Machine) -> Finding:
    missing = [name for name, version in machine.versions.items() if version is None]
    if missing:
        advice = "Install mlx-gui anew; pip brings them along."
        return Finding("Versions", "fail", f"Not installed: {', '.join(missing)}.", advice)
    named = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return Finding("Versions", "ok", named)


def _library(machine: Machine) -> Iterator[Finding]:
    """Only where there is more than what mlx-gui brings itself."""
    library, mlx = machine.library, machine.versions.get("mlx")
    if (cuda := library.cuda_package) is None:
        return
    pip, version = f"{machine.python} -m pip", library.packages[cuda]
    if mlx is not None and version != mlx:
        text = f"{cuda} {version} is not for mlx {mlx}."
        yield Finding(
            "MLX for CUDA", "warn", text, f"Install its like: {pip} install {cuda}=={mlx}"
        )
    elif library.owner == cuda:
        yield Finding("MLX for CUDA", "ok", f"{cuda} {version}")
    else:
        other = "another file" if library.owner is None else f"the library of {library.owner}"
        text = f"{cuda} is installed, but {other} lies in its place: models do not use the GPU."
        again = f"{pip} install --force-reinstall --no-deps {cuda}=={version}"
        yield Finding("MLX for CUDA", "warn", text, f"Install it once more: {again}")


def _device(machine: Machine) -> Iterator[Finding]:
    device = machine.device
    cuda = machine.library.owner if machine.library.may_need_cuda else None
    if isinstance(device, str):
        advice = "No model can run before MLX does; install mlx-gui anew if this stays."
        if cuda is not None:
            advice = f"Install NVIDIA's driver. {_back_to_processor(machine, cuda)}"
        yield Finding("Backend", "fail", f"MLX does not start here: {device}", advice)
        return
    if device.backend == "cpu" and cuda is not None:
        text = f"cpu, {device.name}: no CUDA device was found."
        advice = f"See whether nvidia-smi finds one. {_back_to_processor(machine, cuda)}"
        yield Finding("Backend", "warn", text, advice)
        return
    if device.backend != "cpu":
        yield Finding("Backend", "ok", f"{device.backend}, {device.name}")
        return
    if machine.system == "Darwin":
        advice = "Use a Mac with Apple silicon and an arm64 build of Python."
        yield Finding("Backend", "warn", f"cpu, {device.name}: no Metal device was found.", advice)
    else:
        yield Finding("Backend", "ok", f"cpu, {device.name}")
    yield from _blas(device, machine.compiler)


def _back_to_processor(machine: Machine, cuda: str) -> str:
    pip = f"{machine.python} -m pip"
    library = f"{CPU_PACKAGE}=={machine.library.packages[cuda]}"
    return (
        f"Or compute on the processor: {pip} uninstall --yes {cuda} && "
        f"{pip} install --force-reinstall --no-deps {library}"
    )


def _blas(device: DeviceFacts, compiler: str | None) -> Iterator[Finding]:
    blas = device.blas
    if blas is None or blas.library is None:
        reason = "none was found" if blas is None or blas.problem is None else blas.problem
        yield Finding(
            "BLAS",
            "warn",
            f"No fast matrix library: {reason}.",
            "Install OpenBLAS (Debian, Ubuntu: apt install libopenblas0-pthread); "
            "prompts are read several times faster with it.",
        )
        return
    yield Finding("BLAS", "ok", blas.library)
    if blas.shim is not None:
        packed = "; quantized models stay packed" if blas.packed else ""
        yield Finding("BLAS shim", "ok", f"{blas.shim}{packed}")
    elif compiler is None:
        advice = (
            "Install one (Debian, Ubuntu: apt install gcc): answers are written faster with it, "
            "and quantized models take a fifth of the memory."
        )
        yield Finding("BLAS shim", "warn", "Not built: there is no C compiler.", advice)
    else:
        reason = blas.problem or "it was not needed"
        yield Finding("BLAS shim", "ok", f"not built: {reason}")


def _memory(machine: Machine) -> Finding:
    free = f"{format_bytes(machine.available_bytes)} available"
    if isinstance(machine.device, DeviceFacts):
        free += f" of {format_bytes(machine.device.memory_bytes)}"
    if machine.available_bytes < LOW_MEMORY_BYTES:
        return Finding("Memory", "warn", free, "End programs that take much of it.")
    return Finding("Memory", "ok", free)


def _data_dir(machine: Machine) -> Finding:
    if machine.data_dir_problem is not None:
        text = f"{machine.data_dir} cannot be written: {machine.data_dir_problem}."
        advice = "Change its permissions, or choose another with --data-dir."
        return Finding("Data directory", "fail", text, advice)
    return Finding("Data directory", "ok", str(machine.data_dir))


def _disk(machine: Machine) -> Finding:
    free = f"{format_bytes(machine.disk_free_bytes)} free"
    advice = "Remove what is not needed, or put models on another disk with --model-dirs."
    if machine.disk_free_bytes < FULL_DISK_BYTES:
        return Finding("Disk", "fail", free, advice)
    if machine.disk_free_bytes < LOW_DISK_BYTES:
        return Finding("Disk", "warn", free, advice)
    return Finding("Disk", "ok", free)


def _port(machine: Machine) -> Finding:
    match machine.port:
        case "any":
            return Finding("Port", "ok", "a free one is taken at start")
        case "free":
            return Finding("Port", "ok", f"{machine.address} is free")
        case "ours":
            return Finding("Port", "ok", f"{machine.address} is this server's, which runs")
        case "taken":
            text = f"{machine.address} is taken by another program."
            return Finding("Port", "fail", text, "End it, or choose another port with --port.")


def _folder(folder: Folder, *, chosen: bool) -> Finding:
    if folder.problem is not None:
        text = f"{folder.path} cannot be read: {folder.problem}."
        return Finding("Models", "fail", text, "Change its permissions, or leave it out.")
    if folder.exists:
        return Finding("Models", "ok", str(folder.path))
    if chosen:
        advice = "Make it, connect its disk, or correct --model-dirs."
        return Finding("Models", "warn", f"{folder.path} is not there.", advice)
    return Finding("Models", "ok", f"{folder.path}, not there yet")


def _hub(machine: Machine) -> Finding:
    if machine.offline:
        return Finding("Hub", "ok", "not asked: offline is set")
    if machine.hub_problem is None:
        return Finding("Hub", "ok", machine.hub)
    text = f"{machine.hub} cannot be reached: {machine.hub_problem}."
    advice = "Installed models work without it. Check the network, a proxy, or HF_ENDPOINT."
    return Finding("Hub", "warn", text, advice)


def _service(service: ServiceStatus | str) -> Finding:
    if isinstance(service, str):
        return Finding("Service", "warn", service, "Ask again: mlx-gui service status")
    if service.installed is None:
        text = "not installed; `mlx-gui service install` has the server start at login"
        return Finding("Service", "ok", text)
    if not service.program_is_there:
        text = f"It starts {service.installed.program}, which is not there any more."
        advice = "Install it anew: mlx-gui service uninstall, then mlx-gui service install"
        return Finding("Service", "warn", text, advice)
    if service.running:
        return Finding("Service", "ok", f"{service.system} runs it on {service.installed.data_dir}")
    trouble = service.activity.trouble if service.activity is not None else ""
    text = f"It is installed and does not run. {trouble}".rstrip()
    return Finding("Service", "warn", text, "mlx-gui service logs, then mlx-gui service start")
