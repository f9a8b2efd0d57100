"""Real workers that really run out of memory, under a limit that the system holds them to."""

import asyncio
import sys
from pathlib import Path

import pytest

from mlx_gui.control.workers.process import WorkerProcess
from mlx_gui.core.errors import WorkerOutOfMemory
from tests.process.large import large_checkpoint
from tests.process.visitor import visited_server
from tests.process.workers import DEADLINE_S, Observed, settings, text_spec
from tests.support.server import PROGRAM
from tests.support.soak import in_soak
from tests.zoo.cache import checkpoint

MB = 1_000_000
LARGE, SMALL = "tiny/large", "tiny/Qwen3-tiny"
# An answer takes as much again for each of its sequences; the model alone fits well.
SEQUENCES = 32

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds anybody to it")


@pytest.mark.parametrize("limit_mb", [400, *in_soak(300, 600)])
def test_a_load_that_is_refused_memory_is_diagnosed_as_such(limit_mb: int, tmp_path: Path) -> None:
    folder = large_checkpoint(tmp_path / "large")

    async def run() -> Observed:
        observed = Observed()
        limited = settings(tmp_path, memory_limit_bytes=limit_mb * MB)
        worker = WorkerProcess(text_spec(folder), limited, observed)
        async with asyncio.timeout(DEADLINE_S):
            await worker.wait()
        assert worker.exit is not None
        assert worker.exit.cause == "out_of_memory", worker.exit
        return observed

    observed = asyncio.run(run())
    assert not observed.ready.is_set()
    assert isinstance(observed.error, WorkerOutOfMemory)
    assert observed.error.retryable
    assert "while loading it" in observed.error.message


def test_a_worker_that_runs_out_while_it_answers_is_told_apart_and_all_answer_on(
    tmp_path: Path,
) -> None:
    models = tmp_path / "models" / "tiny"
    large_checkpoint(models / "large")
    (models / "Qwen3-tiny").symlink_to(checkpoint("Qwen3-tiny"))
    limits = {
        "model_dirs": tmp_path / "models",
        "worker_memory_limit_bytes": 1400 * MB,
        "max_context_tokens": 256,
        "prefix_cache_bytes": 0,
    }
    with visited_server(tmp_path, engine="mlx", settings=limits, program=PROGRAM) as visitor:
        assert visitor.ask(SMALL, "Hello", max_tokens=2).status_code == 200
        assert visitor.ask(LARGE, "Hello", max_tokens=2).status_code == 200

        answer = visitor.ask(LARGE, "Hello", max_tokens=2, n=SEQUENCES, top_p=0.9)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (503, "worker_out_of_memory"), error
        assert "while serving it" in error["message"]

        # Being idle, the other one may have left to make room: it answers all the same.
        assert visitor.ask(SMALL, "Hello", max_tokens=2).status_code == 200
        assert visitor.ask(LARGE, "Hello", max_tokens=2).status_code == 200
