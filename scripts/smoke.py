"""python -m scripts.smoke PROGRAM: an installed mlx-gui starts, fetches its starter and answers.

With data of its own, on a free port. Ends with 1 where something is not as it should be.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

_DEADLINE_S = 600.0
_STOP_S = 60.0
_LOOK_S = 0.2
_QUESTION = "What is the capital of France? Answer in one word."
_EXPECTED = "Paris"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.smoke")
    parser.add_argument("program", type=Path)
    parser.add_argument("--engine", default="mlx", help="`fake` needs neither MLX nor a starter")
    arguments = parser.parse_args()
    program: Path = arguments.program.absolute()
    with tempfile.TemporaryDirectory(prefix="mlx-gui-smoke-") as folder:
        environment = environment_in(Path(folder))
        began_s = time.monotonic()
        _run([program, "--help"], folder, environment)
        print(f"--help took {time.monotonic() - began_s:.2f} s")
        print(_run([program, "version"], folder, environment).rstrip())
        print(f"it said: {answer(program, Path(folder), environment, engine=arguments.engine)}")
    return 0


def environment_in(folder: Path) -> dict[str, str]:
    """Nothing of ours, no compiler and no Node; its data lie in `folder`."""
    unwanted = ("MLX_GUI_", "PYTHON", "VIRTUAL_ENV")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "PATH": "/usr/bin:/bin", "MLX_GUI_DATA_DIR": str(folder / "data")}


def answer(program: Path, folder: Path, environment: dict[str, str], *, engine: str) -> str:
    """What the first model says, after the server has started and before it has ended well."""
    starter = [] if engine == "fake" else ["--starter"]
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [program, "start", "--port", "0", "--engine", engine, *starter],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        runtime = folder / "data" / "runtime.json"
        _until(runtime.exists, server, "the server to start")
        address = json.loads(runtime.read_text())["address"]
        _until(lambda: bool(_models(address)), server, "a model to be installed")
        said = _ask(address, _models(address)[0])
        server.send_signal(signal.SIGTERM)
        code = server.wait(_STOP_S)
    except BaseException:
        print(log.read_text(errors="replace"), file=sys.stderr)
        raise
    finally:
        server.kill()
        server.wait()
    if code != 0:
        raise SystemExit(f"The server ended with code {code}.")
    if engine != "fake" and _EXPECTED not in said:
        raise SystemExit(f"The starter said {said!r}, which has no {_EXPECTED} in it.")
    return said


def _models(address: str) -> list[str]:
    found = _json(urllib.request.Request(f"{address}/v1/models"))
    return [row["id"] for row in found["data"] if row.get("kind", "text") == "text"]


def _ask(address: str, model: str) -> str:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": _QUESTION}],
        "temperature": 0,
        "max_tokens": 32,
    }
    request = urllib.request.Request(
        f"{address}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    return _json(request)["choices"][0]["message"]["content"]


def _json(request: urllib.request.Request) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_DEADLINE_S) as response:
        return json.load(response)


def _until(condition: Callable[[], bool], server: subprocess.Popen[bytes], what: str) -> None:
    ends_s = time.monotonic() + _DEADLINE_S
    while not condition():
        if server.poll() is not None:
            raise SystemExit(f"The server ended with code {server.returncode}.")
        if time.monotonic() > ends_s:
            raise SystemExit(f"Waited {_DEADLINE_S:g} s for {what}.")
        time.sleep(_LOOK_S)


def _run(command: list[Path | str], folder: str, environment: dict[str, str]) -> str:
    return subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
