"""Loads that somebody waits for, and loads that go on by themselves."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from mlx_gui.api.manage.models.translate import LoadWishes
from mlx_gui.api.services import Services
from mlx_gui.control.residency.views import LoadOutcome
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.model import Model

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def load(
    services: Services,
    model: Model,
    wishes: LoadWishes,
    *,
    on_accepted: Callable[[], None] | None = None,
) -> LoadOutcome:
    """How the load ended. Raises what prevents it."""
    await services.machine.device.ensure()
    return await services.models.run_loop.load(
        model,
        keep_alive_s=wishes.keep_alive_s,
        context_tokens=wishes.context_tokens,
        plan_token=wishes.plan_token,
        on_accepted=on_accepted,
    )


async def begun(services: Services, model: Model, wishes: LoadWishes) -> asyncio.Task[LoadOutcome]:
    """The load, as soon as the run loop has taken it on.

    Raises what refuses it at once, like a plan that no longer holds.
    """
    taken = asyncio.Event()
    loading = asyncio.create_task(load(services, model, wishes, on_accepted=taken.set))
    waiting = asyncio.create_task(taken.wait())
    await asyncio.wait((loading, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
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
