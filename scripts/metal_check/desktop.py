"""Steps that show something on the screen, or change the session of whoever runs them."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlx_gui.client import read_runtime
from scripts.metal_check.outcome import Figure, Outcome

_PROGRAM = (sys.executable, "-m", "mlx_gui")
_DEADLINE_S = 120
_LOOK_S = 0.5
_SHOWN_S = 20


def service() -> Outcome:
    """The system starts the server, and anew after kill -9; then it is gone without a trace."""
    before = _status()
    if before["installed"] is not None:
        because = "There is a service already. Uninstall it first: mlx-gui service uninstall"
        return Outcome("not applicable", {}, because)
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder, "data")
        settings = {"MLX_GUI_PORT": "0", "MLX_GUI_ENGINE": "fake", "MLX_GUI_WARM_SPARE": "off"}
        install = [*_PROGRAM, "service", "install", "--data-dir", str(data_dir)]
        told = subprocess.run(install, capture_output=True, text=True, env=os.environ | settings)
        if told.returncode != 0:
            return Outcome("not applicable", {}, f"{told.stdout}{told.stderr}".strip())
        figures: dict[str, Figure] = {"system": before["system"]}
        try:
            problems = _killed(data_dir, figures)
        finally:
            subprocess.run([*_PROGRAM, "service", "uninstall"], capture_output=True)
        after = _status()
        if after["installed"] is not None or Path(after["file"]).exists():
            problems.append("Something is left of the service after it was uninstalled.")
        return Outcome.judged(problems, figures)


def _killed(data_dir: Path, figures: dict[str, Figure]) -> list[str]:
    began_s = time.monotonic()
    if not _until(lambda: read_runtime(data_dir) is not None):
        return ["The service was installed, and no server came."]
    figures["started_after_s"] = round(time.monotonic() - began_s, 1)
    first = read_runtime(data_dir)
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    began_s = time.monotonic()
    if not _until(lambda: (now := read_runtime(data_dir)) is not None and now.pid != first.pid):
        return ["The server did not come back after kill -9."]
    figures["back_after_s"] = round(time.monotonic() - began_s, 1)
    return []


def _status() -> Any:
    told = subprocess.run(
        [*_PROGRAM, "service", "status", "--json"], capture_output=True, text=True
    )
    if not told.stdout:
        raise RuntimeError(told.stderr.strip())
    return json.loads(told.stdout)


def tray() -> Outcome:
    """The icon stands in the menu bar for twenty seconds, and goes when it is asked to."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"MLX_GUI_PORT": "0", "MLX_GUI_ENGINE": "fake"}
        log = Path(folder, "tray.log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*_PROGRAM, "tray", "--data-dir", str(Path(folder, "data"))],
                env=os.environ | settings,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                process.wait(_SHOWN_S)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGTERM)
            code = _ended(process)
        said = log.read_text(encoding="utf-8", errors="replace").strip()
    figures: dict[str, Figure] = {"exit_code": code}
    if code == 1:
        return Outcome("not applicable", figures, said)
    return Outcome.judged([] if code == 0 else [said or "It said nothing."], figures)


def _ended(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _until(condition: Callable[[], bool]) -> bool:
    """Whether it came true in time."""
    ends_s = time.monotonic() + _DEADLINE_S
    while time.monotonic() < ends_s:
        if condition():
            return True
        time.sleep(_LOOK_S)
    return False
