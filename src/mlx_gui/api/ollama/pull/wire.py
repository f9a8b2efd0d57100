"""The JSON of `/api/pull`. Fields that are not named are ignored."""

from pydantic import BaseModel

from mlx_gui.api.fields import Strict


class OllamaPullRequest(Strict):
    """A model of the hub; `name` is what older clients call `model`."""

    model: str | None = None
    name: str | None = None
    stream: bool | None = None


class OllamaPullProgress(BaseModel):
    """One line of a pull. The last one's `status` is `success`."""

    status: str
    digest: str | None = None
    total: int | None = None
    completed: int | None = None
