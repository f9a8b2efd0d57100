"""The planner over the real parts: model settings, the machine, and what was measured before."""

from collections.abc import Callable
from dataclasses import dataclass, field

from mlx_gui.config import Config
from mlx_gui.control.measured import Measurements
from mlx_gui.control.model_settings import ModelSettingsOwner
from mlx_gui.control.planning import Machine, Plan, find_draft, largest_context, plan_load
from mlx_gui.control.plans import Standing, Wish
from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.errors import NotReady
from mlx_gui.core.model import LoadSpec, Model
from mlx_gui.model_settings import ModelSettings
from mlx_gui.store.measurements import Measurement


@dataclass(frozen=True, slots=True)
class _Made:
    """A plan, and all that it followed from. `estimated` is of the plan before its correction."""

    model: Model
    settings: ModelSettings
    draft: Model | None
    machine: Machine
    measurement: Measurement | None
    estimated: LoadSpec
    plan: Plan


@dataclass
class ModelPlanner:
    """See `plans.Planner`. A plan is made anew when what it followed from has changed.

    `budget_bytes` is that of the best of times: plans do not follow what other programs do.
    """

    config: Config
    settings: ModelSettingsOwner
    measurements: Measurements
    find: Callable[[str], Model]
    device: Callable[[], DeviceFacts | None]
    budget_bytes: Callable[[], int]
    _made: dict[tuple[str, Wish], _Made] = field(default_factory=dict[tuple[str, Wish], _Made])

    def plan(self, model: Model, wish: Wish) -> Plan:
        made = self._made.get((model.id, wish))
        settings, machine = self.settings.of(model), self._machine()
        draft = find_draft(model, settings.draft_model, self.find)
        if (
            made is not None
            and (made.model, made.settings, made.draft, made.machine)
            == (model, settings, draft, machine)
            and made.measurement == self.measurements.of(made.estimated)
        ):
            return made.plan

        def planned(measurement: Measurement | None) -> Plan:
            return plan_load(
                model,
                machine,
                self.config,
                settings=settings,
                draft=draft,
                context_tokens=wish.context_tokens,
                footprint=wish.footprint,
                measured=measurement,
            )

        estimate = planned(None)
        measurement = self.measurements.of(estimate.spec)
        plan = estimate if measurement is None else planned(measurement)
        self._made[(model.id, wish)] = _Made(
            model, settings, draft, machine, measurement, estimate.spec, plan
        )
        return plan

    def standing(self, model: Model) -> Standing:
        settings = self.settings.of(model)
        return Standing(settings.pinned, settings.priority, settings.keep_alive_s)

    def largest_context(self, model: Model, room_bytes: int) -> int:
        settings = self.settings.of(model)
        draft = find_draft(model, settings.draft_model, self.find)
        return largest_context(
            model, self._machine(), self.config, settings, draft, room_bytes=room_bytes
        )

    def _machine(self) -> Machine:
        facts = self.device()
        if facts is None:
            raise NotReady("The device is still being examined.", retry_after_s=2)
        return Machine(facts, self.budget_bytes())
