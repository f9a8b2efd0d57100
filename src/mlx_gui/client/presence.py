"""Whether a server is there."""

from pathlib import Path

from mlx_gui.client.connection import read_runtime
from mlx_gui.client.reaching import ServerUnreachable
from mlx_gui.client.status import StatusCalls
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.runtime import Runtime

_ANSWER_S = 2.0


def serving(data_dir: Path) -> Runtime | None:
    """What the server on `data_dir` has left there, if it answers.

    That its process is alive would prove nothing: after a restart of the machine another may have
    its number.
    """
    runtime = read_runtime(data_dir)
    if runtime is None:
        return None
    try:
        with StatusCalls(runtime.address, token=runtime.token, timeout_s=_ANSWER_S) as server:
            server.health()
    except (ServerUnreachable, MlxGuiError):
        return None
    return runtime
