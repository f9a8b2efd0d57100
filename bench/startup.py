"""From `mlx-gui start` to the first 200 of `/health`, and what the server holds when idle.

The data directory has been used before and byte code is compiled. Beside it stand `mlx_lm.server`
with the same model, until its own `/health` answers, and a bare interpreter that imports what of
other people's packages the server has imported by then: nobody who builds on them starts faster.
The server goes on to import its API when it is healthy, so the first answer of that is told as
well. Resident memory is that of the server's own process, 5 s after it was healthy.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.context import Context, environment
from bench.pairs import Sample, interleave
from bench.peers import serving_peer
from bench.report import Bound, Row, figure_row, ratio_row
from bench.server import serving

_IDLE_S = 5
_THEIRS = """
import sys
import mlx_gui.__main__, mlx_gui.cli.main, mlx_gui.cli.start
with mlx_gui.cli.start.hidden("rich"):
    import mlx_gui.serve
for name, module in sorted(sys.modules.items()):
    if "site-packages" in (getattr(module, "__file__", None) or ""):
        print(name)
"""


def measure(context: Context) -> list[Row]:
    """Start times by those of the others, and resident memory."""
    folder = context.model_folder("stored")
    data_dir = context.scratch / "startup"
    flags = ("--model-dirs", str(context.models_dir))
    with serving(data_dir, *flags, environment=environment()):
        pass
    sides = {
        "ours": partial(_start, data_dir, flags),
        "api": partial(_start_api, data_dir, flags),
        "peer": partial(_start_peer, context, folder),
        "imports": partial(_import, _imported()),
    }
    for side in sides.values():
        side()
    found = interleave(sides, rounds=context.rounds)
    started = {name: values["s"] for name, values in found.items()}
    ours = started["ours"]
    return [
        ratio_row("start, by mlx_lm.server's", ours, started["peer"], "s", Bound("≤", 0.6)),
        ratio_row("start, by its imports alone", ours, started["imports"], "s", Bound("≤", 1.35)),
        figure_row("start to healthy", ours, "s", Bound("≤", 0.7)),
        figure_row("start to the list of models", started["api"], "s", None),
        figure_row("idle resident memory", found["ours"]["resident_mb"], "MB", Bound("≤", 100)),
    ]


def _start(data_dir: Path, flags: Sequence[str]) -> Sample:
    with serving(data_dir, *flags, environment=environment(), answers="/health") as server:
        time.sleep(_IDLE_S)
        return {"s": server.started_s, "resident_mb": server.resident_bytes() / 1e6}


def _start_api(data_dir: Path, flags: Sequence[str]) -> Sample:
    with serving(data_dir, *flags, environment=environment(), answers="/v1/models") as server:
        return {"s": server.started_s}


def _start_peer(context: Context, folder: Path) -> Sample:
    began_s = time.perf_counter()
    with serving_peer("mlx_lm", folder, environment=context.worker_environment, blas=context.blas):
        return {"s": time.perf_counter() - began_s}


def _imported() -> list[str]:
    """The modules of other people's packages that a server has imported before it answers."""
    listing = subprocess.run(
        [sys.executable, "-c", _THEIRS], check=True, capture_output=True, text=True
    )
    return [
        name
        for name in listing.stdout.split()
        if not name.startswith("mlx_gui") and "__mypyc" not in name
    ]


def _import(modules: Sequence[str]) -> Sample:
    program = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    began_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", program, *modules], check=True, capture_output=True)
    return {"s": time.perf_counter() - began_s}
