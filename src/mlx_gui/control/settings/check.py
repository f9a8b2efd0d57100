"""Whether settings can be as somebody wants them, beside all others: before they are kept."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mlx_gui.config import Config
from mlx_gui.control.plans.pins import check_pins, check_pins_below
from mlx_gui.control.plans.plan import find_draft
from mlx_gui.control.requests.tracing import EXTRA_HINT, NOT_INSTALLED, can_trace
from mlx_gui.control.residency.run_loop import RunLoop
from mlx_gui.control.settings.models import ModelSettingsOwner
from mlx_gui.control.settings.templates import TemplateTrials
from mlx_gui.control.workers.probe import DeviceProbe
from mlx_gui.core.errors import Conflict, MlxGuiError
from mlx_gui.core.model import Model
from mlx_gui.core.plan import LoadPlan
from mlx_gui.core.setting_row import ModelSettings, Value
from mlx_gui.model_settings import MODEL_SETTINGS, ModelSetting


@dataclass(frozen=True, slots=True)
class SettingsCheck:
    """Asks planner and pins. To be called while no other settings are changed."""

    settings: ModelSettingsOwner
    models: Callable[[], Iterable[Model]]
    find: Callable[[str], Model]
    device: DeviceProbe
    templates: TemplateTrials
    run_loop: RunLoop
    config: Callable[[], Config]

    async def of_model(self, model: Model, changes: Mapping[str, Value | None]) -> None:
        """Raises ModelUnsupported where `model` cannot have its new draft model.

        InvalidRequest where its new chat template makes no prompt. And Conflict where `changes` to
        it have more pinned than fits. A pin is judged when it is made, and again when what is
        pinned would need more: the model itself, or with an adapter. An unloadable model that is
        pinned holds nothing.
        """
        wanted = self.settings.after(changes, model=model)
        if changes.get("chat_template") is not None and wanted.chat_template is not None:
            await self.templates.prompt(
                model,
                wanted.chat_template,
                wanted.template_arguments,
                param="settings.chat_template",
            )
        if changes.get("draft_model") is not None:
            find_draft(model, wanted.draft_model, self.find)
        models = (model, *(each for each in self.models() if each.id != model.id))
        after = {
            each.id: self.settings.after(changes, model=each, changed=model.id) for each in models
        }
        pinned = [each for each in models if after[each.id].pinned]
        touched = [each for each in pinned if model.id in (each.id, each.base)]
        if not touched or not any(row.name in changes for row in MODEL_SETTINGS if _weighs(row)):
            return
        await self.device.ensure()
        plans: dict[str, LoadPlan] = {}
        for each in touched:
            if not self.settings.of(each).pinned:
                plans[each.id] = await self.run_loop.plan(each, settings=after[each.id])
            elif (grown := await self._grown(each, after[each.id])) is not None:
                plans[each.id] = grown
        if not plans:
            return
        judged = next(iter(plans.values()))
        for each in pinned:
            plan = await self._planned(each, after[each.id])
            if plan is not None:
                plans[each.id] = plan
        check_pins(
            judged.model_id,
            {plan.model_id: plan.need.total_bytes for plan in plans.values()},
            budget_bytes=judged.budget_bytes,
            max_models=self.config().max_loaded_models,
        )

    async def of_server(self, after: Config) -> None:
        """Raises Conflict where traces are to be sent and cannot be.

        And where what is pinned would be more, or need more, than `after` allows.
        Only what the change itself brings is judged; memory limits leave the pinned where they are.
        """
        if after.otlp_endpoint not in ("off", self.config().otlp_endpoint) and not can_trace():
            raise Conflict(
                NOT_INSTALLED, hint=EXTRA_HINT, details={"param": "settings.otlp_endpoint"}
            )
        pinned = [each for each in self.models() if self.settings.of(each).pinned]
        wanted = {each.id: self.settings.under(after, model=each) for each in pinned}
        fewer = after.max_loaded_models < self.config().max_loaded_models
        anew = any(_differ(wanted[each.id], self.settings.of(each)) for each in pinned)
        if not pinned or not (fewer or anew):
            return
        await self.device.ensure()
        grown = [await self._grown(each, wanted[each.id]) for each in pinned] if anew else []
        if not fewer and not any(grown):
            return
        plans = [await self._planned(each, wanted[each.id]) for each in pinned]
        check_pins_below(
            {plan.model_id: plan.need.total_bytes for plan in plans if plan is not None},
            budget_bytes=next((plan.budget_bytes for plan in grown if plan is not None), None),
            max_models=after.max_loaded_models,
        )

    async def _grown(self, model: Model, after: ModelSettings) -> LoadPlan | None:
        """The plan with the settings `after`, where it needs more than with those of now."""
        plan = await self._planned(model, after)
        now = await self._planned(model, self.settings.of(model))
        if plan is None or (now is not None and plan.need.total_bytes <= now.need.total_bytes):
            return None
        return plan

    async def _planned(self, model: Model, settings: ModelSettings) -> LoadPlan | None:
        try:
            return await self.run_loop.plan(model, settings=settings)
        except MlxGuiError:
            return None


def _weighs(row: ModelSetting) -> bool:
    """Whether a change of it can have more pinned, or what is pinned need more."""
    return row.restart or row.name == "pinned"


def _differ(one: ModelSettings, other: ModelSettings) -> bool:
    """Whether a load would be another one."""
    rows = [row.name for row in MODEL_SETTINGS if row.restart]
    return any(getattr(one, name) != getattr(other, name) for name in rows)
