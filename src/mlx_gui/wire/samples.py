"""The JSON of the samples that charts are drawn from."""

from pydantic import BaseModel


class ModelSample(BaseModel):
    """What one model held, on the average of a step."""

    weights_bytes: int
    kv_bytes: int
    prefix_bytes: int
    other_bytes: int


class SamplePoint(BaseModel):
    """One step, which begins at `at`. All is null where the server did not run or kept nothing.

    Bytes are averages over the step; the requests are the most that there were at once.
    """

    at: str
    total_bytes: int | None = None
    available_bytes: int | None = None
    other_apps_bytes: int | None = None
    budget_bytes: int | None = None
    used_by_models_bytes: int | None = None
    active_requests: int | None = None
    queued_requests: int | None = None
    models: dict[str, ModelSample] | None = None


class SampleSeries(BaseModel):
    """Points in equal steps without a hole between them."""

    step_s: int
    points: list[SamplePoint]
