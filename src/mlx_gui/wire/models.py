"""The JSON of models, their residency and their health."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from mlx_gui.core.licence import LicenceClass
from mlx_gui.core.model import Capability, Kind, WeightForm

State = Literal["not_loaded", "queued", "loading", "ready", "busy", "unloading", "failed", "away"]


class ErrorBody(BaseModel):
    """An error as every family outside OpenAI's shape carries it."""

    code: str
    message: str
    hint: str = ""


class MemoryUseBody(BaseModel):
    """Bytes that a resident model takes; `other_bytes` is interpreter, libraries and buffers.

    `kv_bytes` are those of running answers, `prefix_bytes` those kept of earlier ones for reuse.
    """

    weights_bytes: int
    kv_bytes: int
    prefix_bytes: int
    other_bytes: int
    total_bytes: int


class MemoryNeedBody(BaseModel):
    """Bytes that a model is planned to take. `total_bytes` is without the peak while it loads."""

    weights_bytes: int
    kv_bytes: int
    prefix_bytes: int
    overhead_bytes: int
    load_peak_bytes: int
    total_bytes: int


class ModelObject(BaseModel):
    """One installed model; a superset of what OpenAI's and Anthropic's clients read.

    `context_length` is what the model was made for, `max_model_len` what it is loaded with, or
    would be at most: tokens of prompt and answer. `base_model` is there for a model with an
    adapter, whose size and path are then the adapter's. `problem` says why the model cannot be
    served; `state` is `failed` after a load or a worker failed, until the next load, and `away`
    while the disk of a model is not there. `aliases` are its other names, `copies` further folders
    with the same weights. `library` is what loads models of its kind. One that is `pinned` never
    leaves the memory by itself. `keep_alive_s` is how long it stays there after a use, as the
    latest request or the model's own settings say, less than 0 for ever; null is the server's.
    `license` is what the head of its card or the title of its LICENSE names, null where neither
    does; `license_class` is what one of that name allows. `revision` is the commit of the hub's
    repo that it is, null where nobody knows.
    """

    id: str
    object: Literal["model"] = "model"
    type: Literal["model"] = "model"
    created: int
    created_at: str
    owned_by: str
    display_name: str
    kind: Kind | None
    library: str | None = None
    model_type: str | None
    capabilities: list[Capability]
    context_length: int | None
    max_model_len: int | None = None
    parameter_count: int | None
    quantization: str | None
    license: str | None = None
    license_link: str | None = None
    license_class: LicenceClass | None = None
    revision: str | None = None
    disk_bytes: int
    path: str
    copies: list[str] = []
    aliases: list[str] = []
    base_model: str | None = None
    pinned: bool = False
    keep_alive_s: float | None = None
    supported: bool
    problem: str | None
    state: State
    load_progress: float | None = None
    load_stage: str | None = None
    memory: MemoryUseBody | None = None
    active: int = 0
    queued: int = 0
    last_used_at: str | None = None
    expires_at: str | None = None
    error: ErrorBody | None = None


class ModelList(BaseModel):
    """All installed models, in one page; the cursor fields are for Anthropic's client."""

    object: Literal["list"] = "list"
    data: list[ModelObject]
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None


class LoadRequest(BaseModel):
    """How a model is to be loaded; all of it may be left out.

    With `plan_token` the load happens only as its plan said. `context` is the longest context, from
    16 tokens to what the model was made for, in place of the setting. `keep_alive_s` is the time
    that the model stays loaded after each use, -1 for ever, until a request names another.
    """

    model_config = ConfigDict(strict=True)

    plan_token: str | None = None
    context: int | None = None
    keep_alive_s: float | None = None


class LoadResult(BaseModel):
    """What `load` answers: the model, now ready, and how long it took."""

    model: ModelObject
    already_loaded: bool
    duration_ms: float


class LoadAccepted(BaseModel):
    """What `load` answers at once with `wait=false`; the model's state tells how it goes on."""

    status: Literal["loading"] = "loading"


class MemoryReturnedBody(BaseModel):
    """The proof of an unload: what the worker held, and the machine's available memory."""

    held_bytes: int
    available_before_bytes: int
    available_after_bytes: int


class UnloadResult(BaseModel):
    """What `unload` answers. `freed_bytes` is the resident set of the worker that ended.

    `returned` is null when nothing was loaded.
    """

    model: ModelObject
    was_loaded: bool
    freed_bytes: int
    returned: MemoryReturnedBody | None = None


class BusyModel(BaseModel):
    """A model that was left in memory, and why."""

    id: str
    reason: str


class UnloadAllResult(BaseModel):
    """What `unload-all` answers; `busy` models were not touched."""

    models: list[UnloadResult]
    busy: list[BusyModel]
    freed_bytes: int


class ModelHealth(BaseModel):
    """`healthy` means that the thread which drives MLX answered a ping just now."""

    model: str
    state: State
    healthy: bool
    ping_ms: float | None
    reason: str | None
    weight_form: WeightForm | None = None
