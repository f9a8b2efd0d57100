"""Steps about memory: plans beside what was measured, what comes back, and pressure."""

import asyncio
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.context import environment
from bench.filling import Filled, fill
from bench.server import Server, serving
from bench.timing import Ask
from mlx_gui.catalog.starters import EMBEDDED
from mlx_gui.config import Config, resolve
from mlx_gui.control.machine.platforms import machine_reader, on_macos
from mlx_gui.control.plans.plan import Machine, Plan, plan_load
from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.model import Model
from mlx_gui.kinds.architecture import vocabulary_size
from mlx_gui.kinds.registry import recognise
from mlx_gui.model_settings import resolve_model
from mlx_gui.serve import probe_device
from scripts.metal_check.outcome import Figure, Outcome
from tests.engines.remote import CACHE
from tests.zoo.cache import checkpoint, checkpoints

_TINY = ("Qwen3-tiny-wide", "Qwen3-tiny-4bit", "gemma-3-text-tiny", "LFM2-tiny")
_SIZES = {"context_tokens": 512, "slots": 3}
_BUDGET_BYTES = 4 << 30
_TOLERANCE_BYTES = 64_000_000
_TOLERANCE_SHARE = 0.1
_ANSWERING = "SmolLM2-tiny-trained"
_DEADLINE_S = 90
_LOOK_S = 0.2
_SIMULATE = ("sudo", "-n", "memory_pressure", "-S", "-l", "warn")


def plans() -> Outcome:
    """Workers filled to their plans: tiny ones, and the starter where it is installed."""
    folders = checkpoints(*_TINY)
    starter = resolve(flags={}, environment={}).model_dirs[0] / EMBEDDED.model_id
    if starter.exists():
        folders.append(starter)
    with tempfile.TemporaryDirectory() as folder:
        config = resolve(flags={"data_dir": folder}, environment={})
        device = probe_device(config)
        figures: dict[str, Figure] = {"backend": device.backend}
        problems: list[str] = []
        for each in folders:
            plan, found = _filled(each, config, device)
            problems += _compared(each.name, plan, found, figures)
    return Outcome.judged(problems, figures)


def _filled(folder: Path, config: Config, device: DeviceFacts) -> tuple[Plan, Filled]:
    facts = recognise(folder).facts
    assert facts is not None, f"{folder} is no model"
    vocabulary = vocabulary_size(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    plan = plan_load(
        Model(folder.name, str(folder), facts, None, 0, ""),
        Machine(device, _BUDGET_BYTES),
        config,
        settings=resolve_model(config, _SIZES),
    )
    filling = fill(plan, vocabulary=vocabulary or 1, cache_dir=CACHE, backend=device.backend)
    return plan, asyncio.run(filling)


def _compared(name: str, plan: Plan, found: Filled, figures: dict[str, Figure]) -> list[str]:
    need = plan.need
    pairs: Mapping[str, tuple[int, int]] = {
        "loading, MLX": (found.load.mlx_bytes, need.load_peak_bytes - need.process_bytes),
        "loading, process": (found.load.process_bytes, need.load_peak_bytes),
        "serving, MLX": (found.steady.mlx_bytes, need.mlx_bytes),
        "serving, process": (found.steady.process_bytes, need.total_bytes - need.readers_bytes),
    }
    problems: list[str] = []
    for what, (measured_bytes, planned_bytes) in pairs.items():
        told = f"{measured_bytes / 1e6:.0f} of {planned_bytes / 1e6:.0f} MB planned"
        figures[f"{name}, {what}"] = told
        off_bytes = abs(measured_bytes - planned_bytes)
        if off_bytes > max(_TOLERANCE_SHARE * planned_bytes, _TOLERANCE_BYTES):
            problems.append(f"{name}, {what}: {told}.")
    return problems


def returned() -> Outcome:
    """A model is loaded, answers and is unloaded: its process is gone, and what came back."""
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder)) as (server, model):
        server.client.load(model)
        server.ask(model, Ask("What is the capital of France?", max_tokens=8))
        (row,) = server.client.manager().loaded_models
        process = psutil.Process(row.pid or 0)
        said = server.client.unload(model).returned
        gone = not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
        assert said is not None, "a worker was ended"
        came_back_bytes = said.available_after_bytes - said.available_before_bytes
        figures: dict[str, Figure] = {
            "held_bytes": said.held_bytes,
            "came_back_bytes": came_back_bytes,
            "planned_bytes": row.need.total_bytes if row.need is not None else 0,
        }
        problems = [] if gone else ["The worker is still there after the unload was answered."]
        if said.held_bytes <= 0:
            problems.append("The worker is said to have held nothing.")
        return Outcome.judged(problems, figures)


def pressure() -> Outcome:
    """macOS simulates pressure, for which it asks root: an idle model leaves, and loads again."""
    level = machine_reader().read().kernel_pressure
    figures: dict[str, Figure] = {"level": level or "not told by the kernel"}
    if not on_macos():
        return Outcome("not applicable", figures, "Only macOS can simulate memory pressure.")
    if subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode != 0:
        because = (
            "It needs root: run `sudo -v`, then the check again, or `memory_pressure` by hand."
        )
        return Outcome("not applicable", figures, because)
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder)) as (server, model):
        server.client.load(model)
        simulation = subprocess.Popen(_SIMULATE, stdin=subprocess.DEVNULL)
        try:
            began_s = time.monotonic()
            seen = _until(lambda: server.client.system().memory.pressure != "normal")
            figures["seen_after_s"] = round(time.monotonic() - began_s, 1)
            left = seen and _until(lambda: not server.client.manager().loaded_models)
            figures["model_left_after_s"] = round(time.monotonic() - began_s, 1)
        finally:
            subprocess.run(["sudo", "-n", "kill", str(simulation.pid)], capture_output=True)
            simulation.wait(_DEADLINE_S)
        problems = [] if seen else ["The server did not see the pressure."]
        if seen and not left:
            problems.append("The idle model stayed in memory.")
        if not _until(lambda: server.client.system().memory.pressure == "normal"):
            problems.append("The server did not see the pressure end.")
        return Outcome.judged(problems, figures)


def _until(condition: Callable[[], bool]) -> bool:
    """Whether it came true in time."""
    ends_s = time.monotonic() + _DEADLINE_S
    while time.monotonic() < ends_s:
        if condition():
            return True
        time.sleep(_LOOK_S)
    return False


@contextmanager
def _served(folder: Path) -> Iterator[tuple[Server, str]]:
    """A server whose data lie in `folder`, and the id of the tiny model that it has."""
    models = folder / "models" / "tiny"
    models.mkdir(parents=True)
    (models / _ANSWERING).symlink_to(checkpoint(_ANSWERING), target_is_directory=True)
    flags = ("--model-dirs", str(models.parent), "--no-warm-spare")
    with serving(folder / "data", *flags, environment=environment()) as server:
        yield server, f"tiny/{_ANSWERING}"
