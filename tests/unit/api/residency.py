"""A run loop whose plans and outcomes the test says."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mlx_gui.bus import EventBus
from mlx_gui.control.residency.views import (
    LoadOutcome,
    ResidencySnapshot,
    ResidentView,
    UnloadOutcome,
)
from mlx_gui.control.workers.weighing import MemoryReturned
from mlx_gui.core.errors import Conflict, MlxGuiError
from mlx_gui.core.model import LoadSpec, MemoryNeed, Model, TextOptions
from mlx_gui.core.plan import Eviction, Kept, LoadPlan, PolicyDecision
from mlx_gui.core.setting_row import ModelSettings
from tests.unit.api.parts import MODEL

SPEC = LoadSpec("org/one", "/models/org/one", "text", "engine", "stored", TextOptions(4096, 4))
NEED = MemoryNeed(600, 100, 50, 900, prefix_bytes=25)
PLAN = LoadPlan(
    model_id="org/one",
    spec=SPEC,
    need=NEED,
    measured=True,
    fits="after_eviction",
    reason="It needs 775 B, and 500 B are free.",
    evict=(
        Eviction("org/two", 400, 12.3456, "It was used least recently."),
        Eviction("org/gone", 100, None, "It has the lowest priority."),
    ),
    keep=(Kept("org/three", "It is pinned."),),
    budget_bytes=2000,
    used_after_bytes=1500,
    wanted_context=8192,
    context_because="set for the server",
    max_context=6000,
    warnings=("The context is shorter than wanted.",),
    token="token-1",
)
LOADED = ResidentView(
    model_id="org/one",
    state="ready",
    pid=42,
    spec=SPEC,
    need=NEED,
    memory=None,
    active=0,
    queued=0,
    loads=1,
    last_used_at=None,
    expires_at=None,
    load_progress=None,
    load_stage=None,
    error=None,
)


def decision(subject: str, *, at: float = 0.0, cause: str | None = None) -> PolicyDecision:
    return PolicyDecision(at, "evict", subject, cause, f"There was no room beside {cause}.")


@dataclass
class ScriptedRunLoop:
    """Answers as it was told, and keeps what it was asked. `refusals` are raised by model.

    Where a plan is asked for with other settings, `need_bytes` says what it needs besides.
    """

    bus: EventBus
    plans: dict[str, LoadPlan] = field(default_factory=dict[str, LoadPlan])
    noted: tuple[PolicyDecision, ...] = ()
    residents: dict[str, ResidentView] = field(default_factory=dict[str, ResidentView])
    refusals: dict[str, MlxGuiError] = field(default_factory=dict[str, MlxGuiError])
    need_bytes: Callable[[ModelSettings], int] = lambda _: 0
    loaded: threading.Event | None = None
    """No load ends before this."""
    asked: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])

    async def plan(
        self,
        model: Model,
        *,
        context_tokens: int | None = None,
        settings: ModelSettings | None = None,
    ) -> LoadPlan:
        self.asked.append(("plan", model.id, context_tokens))
        self._refuse(model)
        # Whoever asks at the same time gets a word in.
        await asyncio.sleep(0)
        plan = self.plans.get(model.id, msgspec.structs.replace(PLAN, model_id=model.id))
        more_bytes = 0 if settings is None else self.need_bytes(settings)
        weights_bytes = plan.need.weights_bytes + more_bytes
        need = msgspec.structs.replace(plan.need, weights_bytes=weights_bytes)
        return msgspec.structs.replace(plan, need=need)

    async def load(
        self,
        model: Model,
        *,
        keep_alive_s: float | None = None,
        context_tokens: int | None = None,
        plan_token: str | None = None,
        on_accepted: Callable[[], None] | None = None,
    ) -> LoadOutcome:
        self.asked.append(("load", model.id, keep_alive_s, context_tokens, plan_token))
        # Somebody else's doing with the model is told before the run loop has come to this.
        self.bus.publish("models", model.id)
        for _ in range(5):
            await asyncio.sleep(0)
        self._refuse(model)
        if on_accepted is not None:
            on_accepted()
        if self.loaded is not None:
            await asyncio.to_thread(self.loaded.wait)
        self.bus.publish("models", model.id)
        return LoadOutcome(already_loaded=False, duration_ms=5.0)

    async def unload(
        self, model: Model, *, force: bool = False, when_idle: bool = False
    ) -> UnloadOutcome:
        self.asked.append(("unload", model.id, force, when_idle))
        self._refuse(model)
        return UnloadOutcome(True, MemoryReturned(300, 1000, 1290))

    async def cancel(self, request_id: str) -> None:
        self.asked.append(("cancel", request_id))

    def decisions(self, model_id: str | None = None) -> tuple[PolicyDecision, ...]:
        return tuple(each for each in self.noted if model_id in (None, each.subject))

    def resident_models(self) -> tuple[Model, ...]:
        loaded = [name for name, view in self.residents.items() if view.spec is not None]
        return tuple(msgspec.structs.replace(MODEL, id=name) for name in loaded)

    def settings_changed(self) -> None:
        self.asked.append(("settings changed",))

    def reload_pending(self, model: Model) -> bool:
        return False

    def snapshot(self) -> ResidencySnapshot:
        return ResidencySnapshot(self.residents, (), stopping=False)

    def _refuse(self, model: Model) -> None:
        if (error := self.refusals.get(model.id)) is not None:
            raise error


def busy(model_id: str) -> Conflict:
    return Conflict(f"{model_id} has 2 requests under way.", hint="Wait.")
