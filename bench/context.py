"""What every benchmark works with: the machine, the model in several forms, the environment."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.child import ROOT
from bench.server import serving
from mlx_gui.catalog.starters import EMBEDDED
from mlx_gui.config import resolve
from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.model import WeightForm
from mlx_gui.core.worker_env import worker_environment
from mlx_gui.serve import probe_device

MODEL_VARIABLE = "MLX_GUI_BENCH_MODEL"
_UNSET_PREFIXES = ("MLX_", "OPENBLAS_", "OMP_", "HF_")
"""What changes the speed of either side, or is a setting of the user's own server."""


@dataclass(frozen=True, slots=True)
class Context:
    """One run. `scratch` is gone after it; `rounds` are those of a benchmark with pairs."""

    rounds: int
    scratch: Path
    model: Path
    device: DeviceFacts

    @property
    def models_dir(self) -> Path:
        """What servers are given as `model_dirs`: the folders of `model_folder`."""
        return self.scratch / "models"

    @property
    def blas(self) -> str | None:
        """The library that workers open before MLX here."""
        facts = self.device.blas
        return None if facts is None else facts.shim or facts.library

    @property
    def worker_environment(self) -> dict[str, str]:
        """What the server gives its workers, for a plain program in the same state."""
        return {**environment(), **worker_environment(sys.platform)}

    @property
    def plain_environment(self) -> dict[str, str]:
        """For plain mlx-lm as installed; what MLX compiles stays in the run."""
        compiled = self.scratch / "compiled"
        compiled.mkdir(exist_ok=True)
        return environment({"TMPDIR": str(compiled)})

    def model_folder(self, form: WeightForm) -> Path:
        """The model as plain mlx-lm loads it in `form`; its id is `bench/` and the form."""
        folder = self.models_dir / "bench" / form
        if folder.exists():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        if form == "stored":
            folder.symlink_to(self.model, target_is_directory=True)
        else:
            subprocess.run(
                [sys.executable, "-m", "bench.copies", str(self.model), str(folder), form],
                cwd=ROOT,
                env=environment(),
                check=True,
            )
        return folder


def open_context(rounds: int, scratch: Path) -> Context:
    """The context of a run, after the machine was examined and the model found or installed."""
    config = resolve(flags={"data_dir": str(scratch / "probe")}, environment={})
    return Context(rounds, scratch, _find_model(), probe_device(config))


def environment(changes: Mapping[str, str] = {}) -> dict[str, str]:
    """This process's environment without whatever makes one side faster or slower."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(_UNSET_PREFIXES)
    }
    return {**kept, **changes}


def _find_model() -> Path:
    if named := os.environ.get(MODEL_VARIABLE):
        return Path(named).absolute()
    config = resolve(flags={}, environment=environment())
    folder = config.model_dirs[0] / EMBEDDED.model_id
    if not folder.exists():
        print("installing the starter model", file=sys.stderr)
        with serving(config.data_dir, "--starter", environment=environment()) as server:
            server.await_jobs()
    return folder
