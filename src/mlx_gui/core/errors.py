"""Every error that a user can meet, as one tree.

    MlxGuiError
    ├── InvalidRequest 400
    │   ├── ContextTooLong
    │   ├── CapabilityMissing
    │   ├── ModelUnsupported
    │   └── PreviousResponseNotFound
    ├── Unauthenticated 401
    ├── Forbidden 403
    │   └── GatedModel
    ├── NotFound 404
    │   ├── ModelNotFound
    │   └── ModelNotOnHub
    ├── MethodNotAllowed 405
    ├── Conflict 409
    │   ├── Offline
    │   ├── PlanChanged
    │   └── RequestCancelled
    ├── PayloadTooLarge 413
    ├── AddressTooLong 414
    ├── UnsupportedMedia 415
    ├── NotServable 422
    ├── QueueFull 429
    ├── HeadersTooLarge 431
    ├── WorkerFailed 500
    │   └── WorkerOutOfMemory 503
    ├── LoadFailed 500
    ├── InternalError 500
    ├── FetchFailed 502
    │   ├── HubAnswer
    │   └── HubUnreachable
    ├── ProgramGone 503
    ├── InsufficientMemory 503
    │   └── ModelTooLarge 507
    ├── NotReady 503
    ├── ShuttingDown 503
    ├── StoreUnavailable 503
    ├── QueueTimeout 504
    ├── LoadTimeout 504
    ├── DiskFull 507
    └── Cancelled 499

`code` is stable and part of the API; `message` is one sentence with the values; `hint` says what to
do. An error crosses process borders as an `ErrorInfo` and is rebuilt by `from_info`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import msgspec

if TYPE_CHECKING:  # it speaks of models, which speak of errors
    from mlx_gui.core.plan import LoadPlan

PROGRAM_ERRORS = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, SyntaxError,
    TypeError, ValueError,
)  # fmt: skip
"""What code raises that meets a value it was not written for: templates, parsers of strangers."""


class ErrorInfo(msgspec.Struct, frozen=True):
    """An error as plain data: what the ipc, the event stream and the store carry."""

    code: str
    message: str
    hint: str = ""
    details: dict[str, str | int | float | bool | None] = {}


class MlxGuiError(Exception):
    """Root of the tree; never raised itself."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        details: Mapping[str, str | int | float | bool | None] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = dict(details or {})
        self.retry_after_s = retry_after_s

    def info(self) -> ErrorInfo:
        """The error as data, without its Python type."""
        return ErrorInfo(self.code, self.message, self.hint, self.details)


class InvalidRequest(MlxGuiError):
    """The request cannot be understood or a value is out of bounds; `param` names the field."""

    code = "invalid_request"
    status = 400

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        details: Mapping[str, str | int | float | bool | None] | None = None,
        retry_after_s: int | None = None,
        param: str | None = None,
    ) -> None:
        if param is not None:
            details = {**(details or {}), "param": param}
        super().__init__(message, hint=hint, details=details, retry_after_s=retry_after_s)


class ContextTooLong(InvalidRequest):
    """The prompt does not fit into the context that the model is loaded with."""

    code = "context_length_exceeded"


class CapabilityMissing(InvalidRequest):
    """The model cannot do what is asked, like reading pictures."""

    code = "capability_missing"


class ModelUnsupported(InvalidRequest):
    """The model is installed, but nothing here can serve it."""

    code = "model_unsupported"


class PreviousResponseNotFound(InvalidRequest):
    """A response that the conversation continues is not stored, or no more."""

    code = "previous_response_not_found"


class Unauthenticated(MlxGuiError):
    """The request needs a key, or its key is not known."""

    code = "unauthenticated"
    status = 401


class Forbidden(MlxGuiError):
    """Whoever asks may not do this, or comes from another web site."""

    code = "forbidden"
    status = 403


class GatedModel(Forbidden):
    """Whoever publishes the model gives it only to those who have asked for it."""

    code = "gated_model"


class NotFound(MlxGuiError):
    """There is nothing at this path."""

    code = "not_found"
    status = 404


class ModelNotFound(NotFound):
    """No installed model has this name."""

    code = "model_not_found"


class ModelNotOnHub(NotFound):
    """The hub has no such model, or not in this revision, or not for whoever asks."""

    code = "model_not_on_hub"


class MethodNotAllowed(MlxGuiError):
    """The path exists, but does not take this method."""

    code = "method_not_allowed"
    status = 405


class Conflict(MlxGuiError):
    """The state of things does not allow it now, like unloading a model that answers."""

    code = "conflict"
    status = 409


class Offline(Conflict):
    """It needs the network, which the setting `offline` forbids."""

    code = "offline"


class PlanChanged(Conflict):
    """What a load would do is no longer what its plan said; `plan` is what it would do now."""

    code = "plan_changed"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        details: Mapping[str, str | int | float | bool | None] | None = None,
        retry_after_s: int | None = None,
        plan: "LoadPlan | None" = None,
    ) -> None:
        super().__init__(message, hint=hint, details=details, retry_after_s=retry_after_s)
        self.plan = plan
        """None where the error was rebuilt from an ErrorInfo."""


class RequestCancelled(Conflict):
    """Somebody who may has ended the request."""

    code = "request_cancelled"


class PayloadTooLarge(MlxGuiError):
    """The body is larger than its endpoint takes."""

    code = "payload_too_large"
    status = 413


class AddressTooLong(MlxGuiError):
    """The path of the request, with what stands behind its question mark, is too long."""

    code = "address_too_long"
    status = 414


class UnsupportedMedia(MlxGuiError):
    """The body is of a type that the endpoint does not take, or compressed."""

    code = "unsupported_media_type"
    status = 415


class NotServable(MlxGuiError):
    """The model holds nothing that can be served: no weights, only pickles, or only code."""

    code = "not_servable"
    status = 422


class QueueFull(MlxGuiError):
    """Too many requests wait for the model."""

    code = "queue_full"
    status = 429
    retryable = True


class HeadersTooLarge(MlxGuiError):
    """The request has too many headers, or too much in them."""

    code = "headers_too_large"
    status = 431


class WorkerFailed(MlxGuiError):
    """The process that ran the model ended or fell silent; the next request starts a new one."""

    code = "worker_failed"
    status = 500
    retryable = True


class WorkerOutOfMemory(WorkerFailed):
    """The process that ran the model got no more memory; the next one takes less."""

    code = "worker_out_of_memory"
    status = 503


class LoadFailed(MlxGuiError):
    """The model could not be loaded."""

    code = "load_failed"
    status = 500


class InternalError(MlxGuiError):
    """A fault of the server; its log has the details under the request's id."""

    code = "internal_error"
    status = 500


class ProgramGone(MlxGuiError):
    """What mlx-gui is made of was moved, removed or replaced while the server runs."""

    code = "program_gone"
    status = 503


class FetchFailed(MlxGuiError):
    """A registry or hub did not give what was asked of it."""

    code = "fetch_failed"
    status = 502
    retryable = True


class HubAnswer(FetchFailed):
    """What the hub answered makes no sense, or leads where nothing may be asked."""

    code = "hub_answer"
    retryable = False


class HubUnreachable(FetchFailed):
    """The hub cannot be reached, has a fault, or asks to wait."""

    code = "hub_unreachable"


class InsufficientMemory(MlxGuiError):
    """The model does not fit into the memory that is free now."""

    code = "insufficient_memory"
    status = 503
    retryable = True


class ModelTooLarge(InsufficientMemory):
    """The model can never fit into this machine's budget."""

    code = "model_too_large"
    status = 507
    retryable = False


class NotReady(MlxGuiError):
    """The server or the model is still starting."""

    code = "not_ready"
    status = 503
    retryable = True


class ShuttingDown(MlxGuiError):
    """The server is stopping and takes no new requests."""

    code = "shutting_down"
    status = 503
    retryable = True


class StoreUnavailable(MlxGuiError):
    """The database cannot be read or written now: it is damaged, locked or out of reach."""

    code = "store_unavailable"
    status = 503
    retryable = True


class QueueTimeout(MlxGuiError):
    """The request waited longer than `queue_timeout_s`."""

    code = "queue_timeout"
    status = 504
    retryable = True


class LoadTimeout(MlxGuiError):
    """The load took longer than `load_timeout_s`."""

    code = "load_timeout"
    status = 504
    retryable = True


class DiskFull(MlxGuiError):
    """The disk has no room left."""

    code = "disk_full"
    status = 507


class Cancelled(MlxGuiError):
    """The client went away; nobody is left to read this."""

    code = "cancelled"
    status = 499


def error_classes() -> dict[str, type[MlxGuiError]]:
    """Every class of the tree by its code; the documentation and `from_info` read it."""
    found: dict[str, type[MlxGuiError]] = {}
    pending: list[type[MlxGuiError]] = list(MlxGuiError.__subclasses__())
    while pending:
        cls = pending.pop(0)
        found[cls.code] = cls
        pending.extend(cls.__subclasses__())
    return found


def from_info(info: ErrorInfo) -> MlxGuiError:
    """The exception that `info` describes; an unknown code becomes an InternalError."""
    cls = error_classes().get(info.code, InternalError)
    return cls(info.message, hint=info.hint, details=info.details)
