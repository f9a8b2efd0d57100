"""What is told of a job whose work has failed."""

from mlx_gui.core.errors import ErrorInfo, InternalError, MlxGuiError, StoreUnavailable
from mlx_gui.core.program import explained
from mlx_gui.store.errors import StoreError


def is_ours(fault: BaseException | None) -> bool:
    """Whether it is a fault of the server, which nobody has foreseen."""
    return not isinstance(fault, MlxGuiError | StoreError)


def error_of(fault: BaseException | None) -> ErrorInfo:
    """What the job says of it."""
    if isinstance(fault, MlxGuiError):
        return fault.info()
    if isinstance(fault, StoreError):
        return ErrorInfo(StoreUnavailable.code, fault.message, fault.hint)
    return explained(InternalError("The job failed by a fault of the server; see its log.")).info()
