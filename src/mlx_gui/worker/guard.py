"""The per-request guard: what goes wrong with one request is answered to that request."""

from collections.abc import Callable
from typing import TypeVar

from mlx_gui.core.errors import ErrorInfo, InternalError, MlxGuiError, WorkerOutOfMemory
from mlx_gui.core.generation import Failed
from mlx_gui.core.program import explained
from mlx_gui.ipc.channel import BlockingChannel
from mlx_gui.ipc.messages import Output, RequestEvents
from mlx_gui.ipc.output import print_fault

Result = TypeVar("Result")


def guarded(channel: BlockingChannel, request_id: str, work: Callable[[], Result]) -> Result | None:
    """What `work` returns; None after it raised, when the request has been told so.

    A template or a model file may raise anything: the neighbours must not notice.
    """
    try:
        return work()
    except MlxGuiError as error:
        _fail(channel, request_id, error.info())
    except Exception as error:  # noqa: BLE001 - the border between one request and all others
        print_fault(request_id)
        _fail(channel, request_id, _explained(error).info())
    return None


def _explained(error: Exception) -> MlxGuiError:
    if isinstance(error, MemoryError):
        return WorkerOutOfMemory(
            "The worker had no memory left to process the request.",
            hint="Send a shorter one, or try again when fewer are under way.",
        )
    return explained(
        InternalError(
            f"The worker could not process the request: {type(error).__name__}.",
            hint="The server's log has the details.",
        )
    )


def _fail(channel: BlockingChannel, request_id: str, error: ErrorInfo) -> None:
    channel.send(Output((RequestEvents(request_id, (Failed(error),)),)))
