"""Runs an errand of the worker tower in a child process."""

from collections.abc import Callable, Mapping
from typing import Literal

from mlx_gui.control.workers.process import WorkerSettings
from mlx_gui.core.errors import WorkerFailed, WorkerOutOfMemory, from_info
from mlx_gui.core.program import explained
from mlx_gui.ipc.child import Child
from mlx_gui.ipc.messages import (
    PROTOCOL_VERSION,
    ErrandDone,
    ErrandProgress,
    StartErrand,
    StartFailed,
)

_STOP_ASK_S = 1.0
_STOP_TERMINATE_S = 3.0


def _ignore(stage: str, done: int, total: int) -> None:
    """The progress report of a caller that wants none."""


async def run_errand(
    errand: Literal["probe", "convert-gguf", "quantize", "try-template"],
    arguments: Mapping[str, str],
    settings: WorkerSettings,
    report: Callable[[str, int, int], None] = _ignore,
) -> bytes:
    """The errand's result as JSON. Cancelling ends the child.

    Raises the errand's own error, or WorkerFailed when its process ended without a result, as
    WorkerOutOfMemory or ProgramGone where that was why.
    """
    start = StartErrand(
        PROTOCOL_VERSION, errand, settings.blas, settings.cache_dir, dict(arguments)
    )
    try:
        child = await Child.start("errand", start, settings.environment)
    except OSError as problem:
        failure = WorkerFailed(f"The errand {errand} could not be started: {problem}")
        raise explained(failure) from problem
    result: bytes | None = None
    try:
        async for message in child.messages():
            match message:
                case ErrandProgress(stage, done, total):
                    report(stage, done, total)
                case ErrandDone(value):
                    result = value
                case StartFailed(error):
                    raise from_info(error)
                case _:
                    pass
    finally:
        exit_ = await child.stop(ask_s=_STOP_ASK_S, terminate_s=_STOP_TERMINATE_S)
    if result is None:
        failure = WorkerOutOfMemory if exit_.cause == "out_of_memory" else WorkerFailed
        raise explained(failure(f"The process of the errand {errand} {exit_.reason}."))
    return result
