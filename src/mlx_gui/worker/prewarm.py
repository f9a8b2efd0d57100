"""A worker before it has a model: its libraries are imported when the model is named."""

import importlib
import os
import sys
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import cast

from mlx_gui.engines.base import EngineModule
from mlx_gui.engines.device import prepare_process
from mlx_gui.ipc.channel import BlockingChannel
from mlx_gui.ipc.messages import Prewarm, StartWorker, Warmed
from mlx_gui.worker.process import give_way


def prewarm(channel: BlockingChannel, first: Prewarm) -> StartWorker:
    """What to load, once it is known and all is imported; ends the process if nothing will be.

    The imports run beside, so that this thread sees the end of the channel meanwhile, and give way
    to those who serve.
    """
    with ThreadPoolExecutor(1, "warming") as beside:
        warming = beside.submit(_warm, channel, first)
        warming.add_done_callback(_end_if_failed)
        message = channel.receive()
        if not isinstance(message, StartWorker):
            os._exit(0)
        return message


def _warm(channel: BlockingChannel, first: Prewarm) -> None:
    # Threads that compute later are begun here, and would inherit the low priority.
    prepare_process(first.blas, Path(first.cache_dir))
    give_way()
    module = cast(EngineModule, importlib.import_module(first.engine))
    module.warm()
    channel.send(Warmed(module.create().memory()))


def _end_if_failed(warming: "Future[None]") -> None:
    """A process that cannot import its libraries is of no use, and is told apart by its end."""
    if (problem := warming.exception()) is not None:
        traceback.print_exception(problem)
        sys.stderr.flush()
        os._exit(70)
