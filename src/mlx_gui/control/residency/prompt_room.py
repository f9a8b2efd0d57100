"""A prompt that is too long for the loaded context: whether the model is loaded anew with room."""

from mlx_gui.control.plans.wish import Wish
from mlx_gui.control.residency.entry import Entry
from mlx_gui.control.residency.models import Models
from mlx_gui.control.residency.policy import Wanted, pinned_of, refusal
from mlx_gui.control.residency.submission import Submission
from mlx_gui.core.errors import ErrorInfo, MlxGuiError
from mlx_gui.core.generation import GenerateRequest
from mlx_gui.core.model import LoadSpec


def make_room(models: Models, entry: Entry, submission: Submission, *, too_long: ErrorInfo) -> bool:
    """Whether `submission` is to wait for a context that has room for it; it then says for which.

    Not where somebody has set the context, nor where its oldest turns were to be dropped, nor twice
    for one request, nor where the model was not made for it or it would not fit into the memory.
    """
    prompt_tokens = too_long.details.get("prompt_tokens")
    if entry.worker is None or entry.plan is None or not isinstance(prompt_tokens, int):
        return False
    if submission.room_tokens or not entry.plan.auto or _truncates(submission, entry.worker.spec):
        return False
    if entry.load.wish.footprint == "small":
        return False
    room_tokens = _room_tokens(prompt_tokens)
    if not _fits(models, entry, room_tokens, prompt_tokens=prompt_tokens):
        return False
    submission.room_tokens, submission.too_long = room_tokens, too_long
    return True


def _room_tokens(prompt_tokens: int) -> int:
    """For the prompt, an answer and what follows, in steps that make a second load rare."""
    return 1 << (prompt_tokens + prompt_tokens // 4).bit_length()


def _truncates(submission: Submission, spec: LoadSpec) -> bool:
    request = submission.ask.request
    if not isinstance(request, GenerateRequest):
        return True
    return spec.text.truncate if request.truncate is None else request.truncate


def _fits(models: Models, entry: Entry, room_tokens: int, *, prompt_tokens: int) -> bool:
    try:
        plan = models.effects.planner.plan(entry.model, Wish(room_tokens=room_tokens))
    except MlxGuiError:
        return False
    others = [each for each in models.residents() if each.model_id != entry.model.id]
    wanted = Wanted(entry.model.id, plan.need)
    refused = refusal(wanted, pinned_of(others), models.limits()) is not None
    return plan.auto and (plan.spec.context or 0) > prompt_tokens and not refused
