"""The typed messages between the control plane and its children, by receiver.

    control plane ──StartWorker──▶ worker     one engine, one model
                  ◀─Hello, LoadProgress, Ready | StartFailed─
                  ──StartRequest, Cancel, Ping, Reclaim, Stop──▶
                  ◀─Output, Pong─

    control plane ──Prewarm──▶ worker         the same, but the libraries before the model
                  ◀─Hello, Warmed─
                  ──StartWorker──▶            and on as above

    control plane ──StartErrand──▶ errand     probe, convert, try: one result, then it ends
                  ◀─Hello, ErrandProgress, ErrandDone | StartFailed─

    control plane ──StartFetch──▶ fetch       files of a repo, then it ends
                  ──FetchLimit, Stop──▶
                  ◀─Hello, FetchProgress, ErrandDone | StartFailed─

The first message of either side names the protocol version; another version is refused. End of file
on the channel means that the other side is gone.
"""

from typing import Literal

import msgspec

from mlx_gui.core.ask import LOCAL_TENANT
from mlx_gui.core.errors import ErrorInfo
from mlx_gui.core.fetching import FetchOrder, FetchState
from mlx_gui.core.generation import Event, WorkerRequest
from mlx_gui.core.model import Loaded, LoadSpec, MemoryUse

PROTOCOL_VERSION = 3


class StartWorker(msgspec.Struct, frozen=True, tag="start_worker"):
    """Load `spec` and serve it."""

    protocol: int
    spec: LoadSpec
    blas: str
    cache_dir: str
    memory_limit_bytes: int = 0
    """What the process may take at most, where the system can hold it to that; 0 is no limit."""


class Prewarm(msgspec.Struct, frozen=True, tag="prewarm"):
    """Import `engine` and all that its loads need, and wait for a `StartWorker`."""

    protocol: int
    engine: str
    blas: str
    cache_dir: str
    memory_limit_bytes: int = 0


class StartErrand(msgspec.Struct, frozen=True, tag="start_errand"):
    """Do one piece of work and end."""

    protocol: int
    errand: Literal["probe", "convert-gguf", "quantize", "try-template"]
    blas: str
    cache_dir: str
    arguments: dict[str, str] = {}


class StartFetch(msgspec.Struct, frozen=True, tag="start_fetch"):
    """Fetch files and end."""

    protocol: int
    order: FetchOrder


class FetchLimit(msgspec.Struct, frozen=True, tag="fetch_limit"):
    """From now on so many bytes a second at most; 0 is no limit."""

    bytes_per_s: int


class StartRequest(msgspec.Struct, frozen=True, tag="start_request"):
    """Answer a request of any kind; its events come back under `request_id`.

    Caches may know it by earlier requests of the same `tenant`, and of no other.
    """

    request_id: str
    request: WorkerRequest
    tenant: str = LOCAL_TENANT


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Stop a request; unknown ids are ignored, because the end may be on its way."""

    request_id: str


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Answered by the thread that drives MLX, so that an answer proves that it is alive."""

    nonce: int


class Reclaim(msgspec.Struct, frozen=True, tag="reclaim"):
    """Give up what is only kept for later requests; answered by a Pong with nonce 0."""


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """End at once; the control plane answers whatever was still running."""


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """First message of every child."""

    protocol: int
    pid: int


class Warmed(msgspec.Struct, frozen=True, tag="warmed"):
    """Everything is imported; what the process holds without a model."""

    memory: MemoryUse


class LoadProgress(msgspec.Struct, frozen=True, tag="load_progress"):
    """`done_bytes` of `total_bytes` of the weights are in the form that the engine holds."""

    stage: str
    done_bytes: int
    total_bytes: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The model is loaded; the worker gives out `credits` at once."""

    credits: int
    memory: MemoryUse
    load_ms: float
    loaded: Loaded = Loaded()


class StartFailed(msgspec.Struct, frozen=True, tag="start_failed"):
    """Neither loaded nor done; the child ends after this."""

    error: ErrorInfo


class RequestEvents(msgspec.Struct, frozen=True):
    """What happened to one request in one step."""

    request_id: str
    events: tuple[Event, ...]


class Output(msgspec.Struct, frozen=True, tag="output"):
    """What one step brought, for all requests that it advanced."""

    requests: tuple[RequestEvents, ...]


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """The answer to a ping, with what the worker holds right now.

    `preparing` is the request that the preparation thread has worked on for `preparing_s`.
    """

    nonce: int
    memory: MemoryUse
    preparing: str = ""
    preparing_s: float = 0.0


class ErrandProgress(msgspec.Struct, frozen=True, tag="errand_progress"):
    """How far an errand is; units are the errand's own."""

    stage: str
    done: int
    total: int


class ErrandDone(msgspec.Struct, frozen=True, tag="errand_done"):
    """An errand's result as JSON; the errand names its type."""

    result: bytes


class FetchProgress(msgspec.Struct, frozen=True, tag="fetch_progress"):
    """How far a fetch is."""

    state: FetchState


class Part(msgspec.Struct, frozen=True, tag="part"):
    """One piece of a message larger than a frame; the channel takes apart and puts together."""

    transfer: int
    index: int
    last: bool
    data: bytes


ToChild = (
    StartWorker
    | Prewarm
    | StartErrand
    | StartFetch
    | FetchLimit
    | StartRequest
    | Cancel
    | Ping
    | Reclaim
    | Stop
    | Part
)
FromChild = (
    Hello
    | Warmed
    | LoadProgress
    | Ready
    | StartFailed
    | Output
    | Pong
    | ErrandProgress
    | ErrandDone
    | FetchProgress
    | Part
)
