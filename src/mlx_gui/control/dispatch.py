"""What the API families call: a request in, the stream of its events out."""

from collections.abc import AsyncGenerator

from mlx_gui.control.residency.run_loop import RunLoop
from mlx_gui.control.workers.probe import DeviceProbe
from mlx_gui.core.ask import Ask
from mlx_gui.core.generation import Event, Failed, Usage
from mlx_gui.core.model import Model


class Dispatch:
    """Leads requests to the run loop and brings their events back."""

    def __init__(self, run_loop: RunLoop, device: DeviceProbe) -> None:
        self._run_loop = run_loop
        self._device = device

    async def events(
        self, model: Model, ask: Ask, *, keep_alive_s: float | None = None
    ) -> AsyncGenerator[Event]:
        """The events of what is asked, up to and including Usage or Failed.

        Raises at the first step when the request is refused at once. Closing the generator early
        cancels the request: its sequences leave the engine within one step. `keep_alive_s` is how
        long the model stays loaded afterwards; None leaves that as it is.
        """
        ended = False
        try:
            mailbox = await self._run_loop.submit(
                model, ask, before=self._device.ensure, keep_alive_s=keep_alive_s
            )
            while not ended:
                event = await mailbox.get()
                ended = isinstance(event, Usage | Failed)
                yield event
        finally:
            if not ended:
                self._run_loop.abandon(ask.id)
