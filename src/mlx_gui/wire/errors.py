"""The JSON of an error under `/v1`."""

from pydantic import BaseModel


class ErrorDetail(BaseModel):
    """OpenAI's four fields, then ours. `param` is the path of the field that was refused."""

    message: str
    type: str
    param: str | None
    code: str
    hint: str
    details: dict[str, str | int | float | bool | None]
    request_id: str


class ErrorEnvelope(BaseModel):
    """What every refused or failed request answers."""

    error: ErrorDetail
