"""Installed models and their residency as the JSON that every family shows of them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import overload

from mlx_gui.control.residency.views import ResidentView
from mlx_gui.control.workers.weighing import MemoryReturned
from mlx_gui.core.errors import ErrorInfo, InvalidRequest
from mlx_gui.core.hub import commit_of_folder
from mlx_gui.core.licence import licence_class
from mlx_gui.core.model import MemoryNeed, Model
from mlx_gui.kinds.registry import kind_of
from mlx_gui.wire.models import (
    ErrorBody,
    MemoryNeedBody,
    MemoryReturnedBody,
    MemoryUseBody,
    ModelList,
    ModelObject,
)


def model_list(data: list[ModelObject]) -> ModelList:
    """All of `data`, in one page."""
    return ModelList(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
    )


def model_object(
    model: Model,
    resident: ResidentView | None,
    *,
    context_tokens: int | None,
    aliases: Sequence[str] = (),
    pinned: bool = False,
    keep_alive_s: float | None = None,
) -> ModelObject:
    """One installed model, with what the run loop says of it if it ever came up there.

    `keep_alive_s` is what was set for the model itself; the latest request's wins over it.
    """
    owner = (model.base or model.id).rpartition("/")[0]
    facts = model.facts
    shown = ModelObject(
        id=model.id,
        created=int(datetime.fromisoformat(model.discovered_at).timestamp()),
        created_at=model.discovered_at,
        owned_by=owner or "local",
        display_name=display_name(model),
        kind=facts.kind if facts else None,
        library=kind_of(facts.kind).library if facts else None,
        model_type=facts.model_type if facts else None,
        capabilities=list(facts.capabilities) if facts else [],
        context_length=facts.context_length if facts else None,
        max_model_len=context_tokens,
        parameter_count=facts.parameter_count if facts else None,
        quantization=facts.quantization if facts else None,
        license=model.licence.name if model.licence else None,
        license_link=model.licence.link if model.licence else None,
        license_class=licence_class(model.licence.name) if model.licence else None,
        revision=commit_of_folder(model.adapter or model.path),
        disk_bytes=model.disk_bytes,
        path=model.adapter or model.path,
        copies=[] if model.adapter else list(model.copies),
        aliases=list(aliases),
        base_model=model.base,
        pinned=pinned,
        keep_alive_s=keep_alive_s,
        supported=model.problem is None,
        problem=model.problem,
        state="away" if model.away else "not_loaded",
    )
    if resident is None or (model.away and resident.state == "not_loaded"):
        return shown
    return _with_residency(shown, resident)


def _with_residency(shown: ModelObject, resident: ResidentView) -> ModelObject:
    asked_s = resident.keep_alive_s
    return shown.model_copy(
        update={
            "keep_alive_s": shown.keep_alive_s if asked_s is None else asked_s,
            "state": resident.state,
            "load_progress": resident.load_progress,
            "load_stage": resident.load_stage,
            "memory": memory_use(resident),
            "active": resident.active,
            "queued": resident.queued,
            "last_used_at": utc_time(resident.last_used_at),
            "expires_at": utc_time(resident.expires_at),
            "error": model_error(resident.error),
        }
    )


def model_error(error: ErrorInfo | None) -> ErrorBody | None:
    """The last error of a model, if there is one."""
    if error is None:
        return None
    return ErrorBody(code=error.code, message=error.message, hint=error.hint)


def display_name(model: Model) -> str:
    """The model's id without its owners."""
    name = (model.base or model.id).rpartition("/")[2]
    if model.base is None:
        return name
    return name + "+" + model.id.removeprefix(f"{model.base}+").rpartition("/")[2]


def display_names(models: Iterable[Model]) -> dict[str, str]:
    """Display names by id."""
    return {model.id: display_name(model) for model in models}


def memory_need(need: MemoryNeed) -> MemoryNeedBody:
    """What a model is planned to take."""
    return MemoryNeedBody(
        weights_bytes=need.weights_bytes,
        kv_bytes=need.kv_bytes,
        prefix_bytes=need.prefix_bytes,
        overhead_bytes=need.overhead_bytes,
        load_peak_bytes=need.load_peak_bytes,
        total_bytes=need.total_bytes,
    )


def memory_use(resident: ResidentView) -> MemoryUseBody | None:
    """What a model's worker holds, as it last measured; None before it did.

    MLX counts all arrays together; what is neither KV cache nor prefix cache are the weights, up to
    what the plan says of them.
    """
    measured = resident.memory
    if measured is None:
        return None
    rest_bytes = max(measured.active_bytes - measured.kv_bytes - measured.prefix_bytes, 0)
    planned_bytes = resident.need.weights_bytes if resident.need else rest_bytes
    weights_bytes = min(planned_bytes, rest_bytes)
    total_bytes = max(measured.rss_bytes, measured.active_bytes + measured.cache_bytes)
    return MemoryUseBody(
        weights_bytes=weights_bytes,
        kv_bytes=measured.kv_bytes,
        prefix_bytes=measured.prefix_bytes,
        other_bytes=total_bytes - weights_bytes - measured.kv_bytes - measured.prefix_bytes,
        total_bytes=total_bytes,
    )


def memory_returned(returned: MemoryReturned | None) -> MemoryReturnedBody | None:
    """What came back of a worker, where one has ended."""
    if returned is None:
        return None
    return MemoryReturnedBody(
        held_bytes=returned.held_bytes,
        available_before_bytes=returned.available_before_bytes,
        available_after_bytes=returned.available_after_bytes,
    )


@overload
def utc_time(unix_s: float) -> str: ...
@overload
def utc_time(unix_s: None) -> None: ...
def utc_time(unix_s: float | None) -> str | None:
    """Unix time as ISO 8601 with milliseconds."""
    if unix_s is None:
        return None
    moment = datetime.fromtimestamp(unix_s, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix_time(moment: datetime, param: str) -> float:
    """`moment` as Unix time; without a zone it is UTC. Raises InvalidRequest, with `param`."""
    unix_s = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if unix_s < 0:
        raise InvalidRequest(f"`{param}` should be after 1970, not {moment}.", param=param)
    return unix_s
