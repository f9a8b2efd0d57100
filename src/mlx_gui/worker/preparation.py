"""The preparation thread: requests become token ids while the main thread decodes others."""

import queue
from functools import partial
from typing import Any

from mlx_gui.core.generation import Prepared
from mlx_gui.engines.base import Engine
from mlx_gui.ipc.channel import BlockingChannel
from mlx_gui.ipc.messages import Cancel, Generate, Output, RequestEvents
from mlx_gui.worker.guard import guarded


def prepare_requests(
    engine: Engine,
    to_prepare: "queue.SimpleQueue[Generate | Cancel]",
    inbox: "queue.SimpleQueue[Any]",
    channel: BlockingChannel,
) -> None:
    """Prepare requests in the order they came, for ever.

    A request that passes is reported as `Prepared` and goes to `inbox`; one that does not is
    answered here and never reaches the main thread.
    """
    while True:
        message = to_prepare.get()
        if isinstance(message, Cancel):
            inbox.put(message)
            continue
        request_id = message.request_id
        prepared = guarded(
            channel, request_id, partial(engine.prepare, request_id, message.request)
        )
        if prepared is not None:
            ready = Prepared(prepared.prompt_tokens)
            channel.send(Output((RequestEvents(request_id, (ready,)),)))
            inbox.put(prepared)
