"""Installed and running models → Ollama's JSON."""

import hashlib

from mlx_gui.api.model_view import memory_use, utc_time
from mlx_gui.api.ollama.models.wire import (
    OllamaModel,
    OllamaModelCard,
    OllamaModelDetails,
    OllamaRunningModel,
)
from mlx_gui.control.residency.views import ResidentView
from mlx_gui.core.model import Model

NEVER = "9999-12-31T23:59:59Z"


def listed(model: Model, modified_s: float | None) -> OllamaModel:
    """One line of the list of installed models."""
    return OllamaModel(
        name=model.id,
        model=model.id,
        modified_at=_modified_at(model, modified_s),
        size=model.disk_bytes,
        digest=digest(model, modified_s),
        details=details(model),
    )


def also(row: OllamaModel, alias: str) -> OllamaModel:
    """The same line by another name of the model."""
    return row.model_copy(update={"name": alias, "model": alias})


def running(
    model: Model,
    resident: ResidentView,
    modified_s: float | None,
    *,
    on_gpu: bool,
    keep_alive_s: float,
    now_s: float,
) -> OllamaRunningModel:
    """One line of the list of models in memory.

    `keep_alive_s` is what holds for it as long as no request asked for another.
    """
    use = memory_use(resident)
    planned_bytes = resident.need.total_bytes if resident.need else 0
    size_bytes = use.total_bytes if use else planned_bytes
    return OllamaRunningModel(
        name=model.id,
        model=model.id,
        size=size_bytes,
        digest=digest(model, modified_s),
        details=details(model),
        expires_at=_expires_at(resident, keep_alive_s, now_s),
        size_vram=size_bytes if on_gpu else 0,
        context_length=(resident.spec.context or 0) if resident.spec else 0,
    )


def card(
    model: Model, modified_s: float | None, *, template: str, license_text: str | None = None
) -> OllamaModelCard:
    """All about one model."""
    licence = model.licence.name if model.licence else ""
    facts = model.facts
    info: dict[str, str | int] = {}
    if facts is not None:
        family = facts.model_type
        info = {
            "general.architecture": family,
            "general.basename": model.id.rpartition("/")[2],
            "general.parameter_count": facts.parameter_count,
        }
        if facts.context_length is not None:
            info[f"{family}.context_length"] = facts.context_length
        if licence:
            info["general.license"] = licence
    return OllamaModelCard(
        template=template,
        license=license_text or licence,
        details=details(model),
        model_info=info,
        capabilities=_capabilities(model),
        modified_at=_modified_at(model, modified_s),
    )


def details(model: Model) -> OllamaModelDetails:
    """What kind of model it is; empty where its files could not be read."""
    facts = model.facts
    if facts is None:
        return OllamaModelDetails(
            family="", families=[], parameter_size="", quantization_level="unknown"
        )
    dense = "F16" if facts.float16_bytes else "F32"
    return OllamaModelDetails(
        family=facts.model_type,
        families=[facts.model_type],
        parameter_size=_parameter_size(facts.parameter_count),
        quantization_level=facts.quantization or dense,
    )


def digest(model: Model, modified_s: float | None) -> str:
    """A name for this state of the model: it changes with its place, its time and its size."""
    facts = (model.id, model.path, modified_s, model.disk_bytes)
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _capabilities(model: Model) -> list[str]:
    """Ollama's words; a text model can always complete."""
    if model.facts is None:
        return []
    ours = model.facts.capabilities
    if model.facts.text is None:
        return [word for word in ("embedding",) if word in ours]
    insert = ["insert"] if "fill_in_the_middle" in ours else []
    return [
        "completion",
        *insert,
        *(word for word in ("vision", "tools", "thinking") if word in ours),
    ]


def _parameter_size(count: int) -> str:
    """`134515008` as `134.5M`."""
    for size, unit in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "K")):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return str(count)


def _modified_at(model: Model, modified_s: float | None) -> str:
    return model.discovered_at if modified_s is None else utc_time(modified_s)


def _expires_at(resident: ResidentView, default_s: float, now_s: float) -> str:
    """While a model loads or answers its time has not begun; it is shown as if it did now."""
    if resident.pinned:
        return NEVER
    if resident.expires_at is not None:
        return utc_time(resident.expires_at)
    keep_alive_s = default_s if resident.keep_alive_s is None else resident.keep_alive_s
    return NEVER if keep_alive_s < 0 else utc_time(now_s + keep_alive_s)
