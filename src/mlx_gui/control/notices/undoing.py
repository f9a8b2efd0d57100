"""Takes an eviction back that a notice tells of."""

from dataclasses import dataclass

from mlx_gui.catalog.library import Library
from mlx_gui.control.notices.notices import Notice, Notices
from mlx_gui.control.residency.returning import Returned
from mlx_gui.control.residency.run_loop import RunLoop
from mlx_gui.core.errors import Conflict, ModelNotFound
from mlx_gui.core.model import Model


@dataclass(frozen=True, slots=True)
class Undone:
    """The notice as it is now, and what is done about it."""

    notice: Notice
    returned: Returned


async def undo(notices: Notices, notice_id: int, *, library: Library, run_loop: RunLoop) -> Undone:
    """Load the models again that have left; nothing where that was done before.

    Raises NotFound, Conflict where the notice tells of no eviction or where it is too late,
    ModelNotFound for a model that is not installed any more, and what forbids a load.
    """
    notice = notices.get(notice_id)
    if notice.undo is None:
        raise Conflict(
            f"The notice {notice_id} tells of nothing that could be taken back.",
            hint="Only an eviction can; its `undo` says so.",
        )
    if notice.undone:
        return Undone(notice, Returned())
    gone = [(await _installed(library, each.model_id), each) for each in notice.news.departures]
    returned = await run_loop.take_back(gone)
    return Undone(notices.undone(notice), returned)


async def _installed(library: Library, model_id: str) -> Model:
    try:
        model = await library.find(model_id)
    except ModelNotFound:
        model = None
    if model is None or model.id != model_id:
        raise ModelNotFound(
            f"{model_id} is not installed any more, so the eviction cannot be taken back.",
            hint="Load by hand what else has left.",
            details={"model": model_id},
        )
    return model
