"""The JSON of removed models and of the trash."""

from typing import Literal

from pydantic import BaseModel

from mlx_gui.wire.models import ModelObject


class RemovedModelBody(BaseModel):
    """What removing a model has done; a superset of what OpenAI's clients read.

    Until `undo_until` it can be restored as `trash_id`; both are null where no files were moved or
    nothing is kept. `freed_bytes` are free once that is deleted, or now where nothing is kept.
    `other_revisions` stay in the Hugging Face cache for other programs.
    """

    id: str
    object: Literal["model"] = "model"
    deleted: Literal[True] = True
    trash_id: str | None
    undo_until: str | None
    freed_bytes: int
    other_revisions: list[str]


class TrashEntryBody(BaseModel):
    """A removed model that can come back to `places`. `freed_bytes` are free without it."""

    id: str
    object: Literal["trash_entry"] = "trash_entry"
    model: str
    removed_at: str
    undo_until: str
    freed_bytes: int
    places: list[str]


class TrashList(BaseModel):
    """The trash, the latest first, and what is free without all of it."""

    object: Literal["list"] = "list"
    data: list[TrashEntryBody]
    freed_bytes: int


class RestoredModel(BaseModel):
    """What came back; `model` is null where its folder is not searched for models any more."""

    trash_id: str
    id: str
    places: list[str]
    model: ModelObject | None


class DeletedTrash(BaseModel):
    """An entry of the trash that is gone for good."""

    id: str
    object: Literal["trash_entry"] = "trash_entry"
    deleted: Literal[True] = True
    freed_bytes: int
