"""The JSON of requests that models are asked: those under way, and the records of others."""

from typing import Literal

from pydantic import BaseModel

from mlx_gui.core.ask import Outcome
from mlx_gui.wire.models import ErrorBody

RequestStatus = Literal["queued", "running"] | Outcome


class RequestPhases(BaseModel):
    """Where its time went, in milliseconds; null for what it did not come to.

    `load_ms` is what of its wait its model was being loaded, `queued_ms` the rest of that wait.
    `prefill_ms` and `decode_ms` are the engine's own, `first_token_ms` is from the arrival.
    """

    total_ms: float
    queued_ms: float
    load_ms: float | None = None
    first_token_ms: float | None = None
    prefill_ms: float | None = None
    decode_ms: float | None = None


class RequestTokens(BaseModel):
    """Its tokens; `cached` are some of the `prompt`, `reasoning` some of the `completion`."""

    prompt: int
    cached: int
    completion: int
    reasoning: int


class RequestProgress(BaseModel):
    """How far a request under way is, in tokens.

    It waits for its turn (`queued`) or for its model (`loading`), its prompt is read (`prefill`) or
    its answer written (`decode`). `read` of the `prompt` are in the cache, `cached` of them from
    before; `prompt` is null until its length is known, `tokens_per_s` until there is something to
    measure.
    """

    phase: Literal["queued", "loading", "prefill", "decode"]
    prompt: int | None
    read: int
    cached: int
    written: int
    tokens_per_s: float | None


class RequestObject(BaseModel):
    """A request. `id` is the answer's, `request_id` what `x-request-id` says.

    `seq` numbers the records in the order of their ends; a request under way has none yet.
    `cache_miss` says why no more of the prompt was in the prefix cache. `slow_because` is a
    sentence where it took long. `audio_ms` is the length of the sound that was read or made,
    `real_time_factor` how many seconds of it took a second of work. `progress` is null once it has
    ended.
    """

    id: str
    request_id: str
    seq: int | None
    status: RequestStatus
    endpoint: str
    model: str
    tenant: str
    key_id: str | None
    client: str
    submitted_at: str
    ended_at: str | None
    phases: RequestPhases
    tokens: RequestTokens | None
    cache_miss: str | None
    slow_because: str | None
    error: ErrorBody | None
    audio_ms: float | None = None
    real_time_factor: float | None = None
    progress: RequestProgress | None = None


class RequestList(BaseModel):
    """Requests in the order of their ends; `running` are those under way, by their arrival.

    `last` is the number of the newest record of all. `has_more` says that there are more after
    these, or without `after` before them.
    """

    data: list[RequestObject]
    running: list[RequestObject]
    last: int
    has_more: bool


class RequestsEvent(BaseModel):
    """Requests have come, moved on or ended: `GET /v1/requests?after=` has what is new.

    A `last` that is less than before says that the records were begun anew.
    """

    last: int
    queued: int
    running: int


class CancelledRequest(BaseModel):
    """A request that ends now, and what it was before."""

    id: str
    status: Literal["queued", "running"]
