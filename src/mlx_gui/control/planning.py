"""From an installed model and the machine to exactly what would be resident."""

from dataclasses import dataclass

from mlx_gui.config import Config
from mlx_gui.core.device import Backend, DeviceFacts
from mlx_gui.core.errors import ModelUnsupported
from mlx_gui.core.model import LoadSpec, MemoryNeed, Model
from mlx_gui.kinds.registry import kind_of

_SLOTS_BY_BACKEND: dict[Backend, int] = {"metal": 16, "cuda": 16, "cpu": 8}
_FAKE_ENGINE = "mlx_gui.engines.fake"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load makes resident, and the memory it needs."""

    spec: LoadSpec
    need: MemoryNeed


def plan_load(model: Model, device: DeviceFacts, config: Config, budget_bytes: int) -> Plan:
    """The plan for `model` on `device`. Raises ModelUnsupported with the model's problem."""
    facts = model.facts
    if facts is None or model.problem is not None:
        raise ModelUnsupported(
            f"{model.id} cannot be served: {model.problem}",
            hint="`mlx-gui list` shows what is wrong with each model.",
            details={"model": model.id},
        )
    kind = kind_of(facts.kind)
    context = min(facts.context_length or config.max_context_tokens, config.max_context_tokens)
    spec = LoadSpec(
        model_id=model.id,
        path=model.path,
        kind=facts.kind,
        engine=_FAKE_ENGINE if config.engine == "fake" else kind.engine,
        weight_form=kind.weight_form(facts, device, budget_bytes=budget_bytes, context=context),
        context=context,
        slots=config.slots or _SLOTS_BY_BACKEND[device.backend],
    )
    return Plan(spec, kind.need(facts, spec))
