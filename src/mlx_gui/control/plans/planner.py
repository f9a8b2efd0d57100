"""The planner over the real parts: model settings, the machine, and what was measured before."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from mlx_gui.config import Config
from mlx_gui.control.plans.measurements import Measurements
from mlx_gui.control.plans.plan import (
    Machine,
    Measured,
    Plan,
    find_detector,
    find_draft,
    largest_context,
    plan_load,
)
from mlx_gui.control.plans.wish import Standing, Wish
from mlx_gui.control.settings.models import ModelSettingsOwner
from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.errors import MlxGuiError, NotReady
from mlx_gui.core.model import LoadSpec, Model
from mlx_gui.core.setting_row import ModelSettings
from mlx_gui.store.measurements import Measurement

Basis = tuple[Model, ModelSettings, Model | None, Model | None, Machine]
"""What a plan follows from besides measurements: third and fourth are the model that drafts and
the one that tells speech from other sound."""


_KEPT_PLANS = 128
"""More than are asked for again and again; those of a slider that was moved are the others."""


@dataclass(frozen=True, slots=True)
class _Origin:
    """All that a plan followed from: `known` is what was measured then, by the key of a spec."""

    basis: Basis
    wish: Wish
    known: Mapping[str, Measurement | None]


@dataclass
class ModelPlanner:
    """See `plans.Planner`. A plan is made anew when what it followed from has changed.

    `budget_bytes` is that of the best of times: plans do not follow what other programs do.
    """

    config: Config
    settings: ModelSettingsOwner
    measurements: Measurements
    find: Callable[[str], Model]
    installed: Callable[[], Iterable[Model]]
    device: Callable[[], DeviceFacts | None]
    budget_bytes: Callable[[], int]
    _latest: dict[tuple[str, Wish], Plan] = field(default_factory=dict[tuple[str, Wish], Plan])

    def plan(self, model: Model, wish: Wish, /, settings: ModelSettings | None = None) -> Plan:
        basis = self._basis(model, settings)
        latest = self._latest.get((model.id, wish))
        if latest is not None and isinstance(latest.origin, _Origin):
            origin = latest.origin
            if origin.basis == basis and self._up_to_date(origin.known):
                return latest
        plan = self._made(basis, wish, self.measurements.of)
        if settings is None:
            self._keep((model.id, wish), plan)
        return plan

    def _keep(self, asked: tuple[str, Wish], plan: Plan) -> None:
        self._latest[asked] = plan
        if len(self._latest) > _KEPT_PLANS:
            del self._latest[next(iter(self._latest))]

    def holds(self, model: Model, wish: Wish, plan: Plan, /) -> bool:
        assert isinstance(plan.origin, _Origin), "it was made here"
        origin = plan.origin
        try:
            basis = self._basis(model)
            if (basis, wish) == (origin.basis, origin.wish):
                return True
            again = self._made(basis, wish, lambda spec: origin.known.get(spec.key()))
        except MlxGuiError:
            return True
        return again.spec == plan.spec

    def standing(self, model: Model, /) -> Standing:
        settings = self.settings.of(model)
        return Standing(settings.pinned, settings.priority, settings.keep_alive_s)

    def largest_context(self, model: Model, room_bytes: int, /) -> int:
        _, settings, draft, _, machine = self._basis(model)
        return largest_context(
            model,
            machine,
            self.config,
            settings=settings,
            draft=draft,
            room_bytes=room_bytes,
            measured=self.measurements.of,
        )

    def _made(self, basis: Basis, wish: Wish, measured: Measured) -> Plan:
        model, settings, draft, detector, machine = basis
        known: dict[str, Measurement | None] = {}

        def noted(spec: LoadSpec) -> Measurement | None:
            known[spec.key()] = found = measured(spec)
            return found

        plan = plan_load(
            model,
            machine,
            self.config,
            settings=settings,
            draft=draft,
            detector=detector,
            measured=noted,
            context_tokens=wish.context_tokens,
            footprint=wish.footprint,
            room_tokens=wish.room_tokens,
        )
        return replace(plan, origin=_Origin(basis, wish, known))

    def _up_to_date(self, known: Mapping[str, Measurement | None]) -> bool:
        return all(self.measurements.by_key(key) == found for key, found in known.items())

    def _basis(self, model: Model, settings: ModelSettings | None = None) -> Basis:
        facts = self.device()
        if facts is None:
            raise NotReady("The device is still being examined.", retry_after_s=2)
        if settings is None:
            settings = self.settings.of(model)
        draft = find_draft(model, settings.draft_model, self.find)
        detector = find_detector(model, self.installed())
        return model, settings, draft, detector, Machine(facts, self.budget_bytes())
