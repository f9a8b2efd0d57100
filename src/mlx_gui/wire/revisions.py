"""The JSON of an installed model beside the same one on the hub."""

from pydantic import BaseModel


class RevisionBody(BaseModel):
    """The commit that is here, and the one that the hub has now.

    `branch` is the branch or tag of `repo` that is compared: what `revision` was when it came, else
    `main`. `newest_at` is when the hub's changed, as the hub says it. `newer` says that the hub has
    another one; installing `repo` with `branch` as its revision brings it.
    """

    model: str
    repo: str
    branch: str
    revision: str
    newest: str
    newest_at: str | None
    newer: bool
