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
from mlx_gui.core.model import Model
from mlx_gui.model_settings import ModelSettings
from mlx_gui.store.measurements import Measurement


@dataclass(frozen=True, slots=True)
class _Made:
    """A plan, and all that it followed from. `measurement` is of what it would load."""

    followed_from: tuple[Model, ModelSettings, Model | None, Machine]
    measurement: Measurement | None
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

    def plan(self, model: Model, wish: Wish, /) -> Plan:
        settings, machine = self.settings.of(model), self._machine()
        draft = find_draft(model, settings.draft_model, self.find)
        followed_from = model, settings, draft, machine
        made = self._made.get((model.id, wish))
        if (
            made is not None
            and made.followed_from == followed_from
            and made.measurement == self.measurements.of(made.plan.spec)
        ):
            return made.plan
        plan = plan_load(
            model,
            machine,
            self.config,
            settings=settings,
            draft=draft,
            measured=self.measurements.of,
            context_tokens=wish.context_tokens,
            footprint=wish.footprint,
        )
        measurement = self.measurements.of(plan.spec)
        self._made[(model.id, wish)] = _Made(followed_from, measurement, plan)
        return plan

    def standing(self, model: Model, /) -> Standing:
        settings = self.settings.of(model)
        return Standing(settings.pinned, settings.priority, settings.keep_alive_s)

    def largest_context(self, model: Model, room_bytes: int, /) -> int:
        settings = self.settings.of(model)
        return largest_context(
            model,
            self._machine(),
            self.config,
            settings=settings,
            draft=find_draft(model, settings.draft_model, self.find),
            room_bytes=room_bytes,
            measured=self.measurements.of,
        )

    def _machine(self) -> Machine:
        facts = self.device()
        if facts is None:
            raise NotReady("The device is still being examined.", retry_after_s=2)
        return Machine(facts, self.budget_bytes())
