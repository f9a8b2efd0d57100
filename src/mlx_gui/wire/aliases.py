"""The JSON of aliases."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class AliasBody(BaseModel):
    """Another name of a model, accepted wherever its id is.

    One that ends in `*` stands for all names that begin so. `installed` says whether the model is
    there now.
    """

    id: str
    object: Literal["alias"] = "alias"
    model: str
    created_at: str
    installed: bool


class AliasList(BaseModel):
    """All aliases, by name."""

    object: Literal["list"] = "list"
    data: list[AliasBody]


class AliasRequest(BaseModel):
    """Which model the alias is to stand for."""

    model_config = ConfigDict(strict=True, extra="forbid")

    model: str


class RemovedAlias(BaseModel):
    """An alias that is none any more; its model stays."""

    id: str
    object: Literal["alias"] = "alias"
    deleted: Literal[True] = True
