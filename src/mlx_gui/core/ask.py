"""The envelope around whatever a model is asked: who asks, for what, and by which names."""

from dataclasses import dataclass
from typing import Literal

from mlx_gui.core.errors import (
    Cancelled,
    ErrorInfo,
    InsufficientMemory,
    NotReady,
    QueueTimeout,
    ShuttingDown,
    from_info,
)
from mlx_gui.core.generation import Failed, GenerateRequest, Usage, WorkerRequest
from mlx_gui.core.model import Capability

LOCAL_TENANT = "local"
Outcome = Literal["finished", "cancelled", "refused", "failed"]
"""How a request ended: answered; given up by its client; not taken up, for a fault of its own or
for want of room or time; broken off by a fault of ours."""

_NO_ROOM = (InsufficientMemory, NotReady, QueueTimeout, ShuttingDown)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to one model, from the route to the engine and back.

    `id` is the answer's, unique, `request_id` what `x-request-id` says. `endpoint` is the route's
    path, `client` what the client calls itself, `traceparent` says which span of its it asks in.
    `credits` are the sequences that it occupies. Requests of one `tenant` share queue turns and
    caches. A model that lacks what it `needs` refuses it before anything is loaded or evicted.
    """

    id: str
    request: WorkerRequest
    needs: Capability
    request_id: str = ""
    endpoint: str = ""
    client: str = ""
    tenant: str = LOCAL_TENANT
    key_id: str | None = None
    traceparent: str = ""
    priority: int = 0
    credits: int = 1


@dataclass(frozen=True, slots=True)
class RequestEnd:
    """How a request ended. `usage` is there if it was computed, also for nobody; `error` if it
    ended by one."""

    outcome: Outcome
    usage: Usage | None = None
    error: ErrorInfo | None = None


def needs_of(request: GenerateRequest) -> Capability:
    """What a model of text must be able to do for `request`."""
    if request.suffix:
        return "fill_in_the_middle"
    return "chat" if request.prompt is None else "completion"


def end_of(last: Usage | Failed, *, given_up: bool = False) -> RequestEnd:
    """What the last event of a request says of its end; `given_up` by its client."""
    if isinstance(last, Usage):
        return RequestEnd("cancelled" if given_up else "finished", last)
    error = from_info(last.error)
    if given_up or isinstance(error, Cancelled):
        return RequestEnd("cancelled", error=last.error)
    refused = error.status < 500 or isinstance(error, _NO_ROOM)
    return RequestEnd("refused" if refused else "failed", error=last.error)
