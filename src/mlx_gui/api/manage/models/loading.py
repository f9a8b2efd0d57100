"""Loads that somebody waits for, and loads that go on by themselves."""

import asyncio
from collections.abc import Awaitable

import structlog

from mlx_gui.api.manage.models.translate import LoadWishes
from mlx_gui.api.services import Services
from mlx_gui.control.bus import Mark, Subscription
from mlx_gui.control.views import LoadOutcome
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.model import Model

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def load(services: Services, model: Model, wishes: LoadWishes) -> LoadOutcome:
    """How the load ended. Raises what prevents it."""
    await services.device.ensure()
    return await services.run_loop.load(
        model,
        keep_alive_s=wishes.keep_alive_s,
        context_tokens=wishes.context_tokens,
        plan_token=wishes.plan_token,
    )


async def begun(services: Services, model: Model, wishes: LoadWishes) -> asyncio.Task[LoadOutcome]:
    """The load, as soon as the run loop has taken it on: the model's state has changed then.

    Raises what refuses it at once, like a plan that no longer holds.
    """
    with services.bus.subscribe() as changes:
        loading = asyncio.create_task(load(services, model, wishes))
        taken = asyncio.create_task(_told_of(changes, model.id))
        await asyncio.wait((loading, taken), return_when=asyncio.FIRST_COMPLETED)
        taken.cancel()
    if loading.done():
        loading.result()
    return loading


async def load_unattended(services: Services, model: Model, wishes: LoadWishes) -> None:
    """A load whose end nobody waits for."""
    await attend(model, load(services, model, wishes))


async def attend(model: Model, loading: Awaitable[LoadOutcome]) -> None:
    """Whoever asked looks at the model's state, which also carries the error."""
    try:
        await loading
    except MlxGuiError as error:
        log.warning("load_failed", model=model.id, code=error.code, reason=error.message)


async def _told_of(changes: Subscription, model_id: str) -> None:
    while Mark("model", model_id) not in await changes.next():
        pass
