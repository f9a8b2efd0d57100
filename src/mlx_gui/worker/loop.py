"""The worker's main thread: drives one engine, and nothing else touches MLX.

Three threads. The *receiver* reads the channel; end of file ends the process at once. The
*preparation thread* reads and checks what is asked. The main thread admits, steps and cancels.

A cancel goes two ways: straight to the main thread, which frees a running sequence within one
step, and through the preparation queue, so that it also reaches a request that was still being
prepared when the first one passed it. Cancelling an unknown request is harmless. Besides, the
preparation looks before each stage whether its request was cancelled: nothing is read for nobody.

What a load raises outside the error tree, and what a step raises, ends the process: the control
plane reads the last line of the traceback, and a fresh process is the surest repair.
"""

import gc
import importlib
import os
import queue
import threading
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import cast

from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.generation import Failed, Usage
from mlx_gui.engines.base import Engine, EngineModule, PreparedRequest, StepEvents
from mlx_gui.engines.device import prepare_process
from mlx_gui.ipc.channel import BlockingChannel
from mlx_gui.ipc.messages import (
    Cancel,
    LoadProgress,
    Output,
    Ping,
    Ready,
    Reclaim,
    RequestEvents,
    StartFailed,
    StartRequest,
    StartWorker,
    Stop,
    ToChild,
)
from mlx_gui.worker.arrivals import Arrivals
from mlx_gui.worker.guard import guarded
from mlx_gui.worker.preparation import Preparing, prepare_requests

_PREPARATION_STACK_BYTES = 64 * 1024 * 1024
"""Of address space: a grammar's rules are followed one inside the other, as deep as its text goes,
and with the usual stack thousands of them end the process. More would count as memory of a worker
that is held to a limit; this is enough for the longest chain that a grammar may have."""

Inbox = queue.SimpleQueue[ToChild | PreparedRequest]


def run_worker(channel: BlockingChannel, start: StartWorker) -> int:
    """Load the model and serve it until told to stop; returns the exit code."""
    inbox: Inbox = queue.SimpleQueue()
    to_prepare: queue.SimpleQueue[StartRequest | Cancel] = queue.SimpleQueue()
    arrivals = Arrivals()
    preparing = Preparing()
    threading.Thread(
        target=_receive,
        args=(channel, inbox, to_prepare),
        kwargs={"arrivals": arrivals, "preparing": preparing},
        name="receiver",
        daemon=True,
    ).start()
    try:
        engine, ready = _load(channel, start)
    except MlxGuiError as error:
        channel.send(StartFailed(error.info()))
        return 1
    usual_bytes = threading.stack_size(_PREPARATION_STACK_BYTES)
    threading.Thread(
        target=prepare_requests,
        args=(engine, to_prepare, inbox, channel),
        kwargs={"preparing": preparing, "done_with_one": arrivals.prepared},
        name="preparation",
        daemon=True,
    ).start()
    threading.stack_size(usual_bytes)
    # What is loaded stays: no collection needs to look through it in the middle of an answer.
    gc.freeze()
    gc.enable()
    channel.send(ready)
    _drive(engine, inbox, channel, arrivals=arrivals, preparing=preparing)
    engine.close()
    return 0


def _load(channel: BlockingChannel, start: StartWorker) -> tuple[Engine, Ready]:
    began_s = time.monotonic()
    prepare_process(start.blas, Path(start.cache_dir))
    module = cast(EngineModule, importlib.import_module(start.spec.engine))
    engine = module.create()

    def report(stage: str, done_bytes: int, total_bytes: int) -> None:
        channel.send(LoadProgress(stage, done_bytes, total_bytes))

    loaded = engine.load(start.spec, report)
    load_ms = (time.monotonic() - began_s) * 1000
    return engine, Ready(engine.credits(), engine.memory(), load_ms, loaded)


def _receive(
    channel: BlockingChannel,
    inbox: Inbox,
    to_prepare: "queue.SimpleQueue[StartRequest | Cancel]",
    *,
    arrivals: Arrivals,
    preparing: Preparing,
) -> None:
    """The receiver thread. The control plane gone means that nobody needs this process."""
    for message in channel.messages():
        if isinstance(message, StartRequest):
            arrivals.received()
        if isinstance(message, Cancel):
            preparing.cancel(message.request_id)
        if isinstance(message, StartRequest | Cancel):
            to_prepare.put(message)
        if not isinstance(message, StartRequest):
            inbox.put(message)
    os._exit(0)


def _drive(
    engine: Engine,
    inbox: Inbox,
    channel: BlockingChannel,
    *,
    arrivals: Arrivals,
    preparing: Preparing,
) -> None:
    """Serve until a Stop arrives. Waits for messages while the engine has nothing to do."""
    handle = partial(_handle, engine=engine, channel=channel, preparing=preparing)
    while handle(_drain(inbox, wait=(idle := not engine.busy()))):
        if not engine.busy():
            continue
        more = arrivals.await_company(idle=idle)
        if more and not handle(_drain(inbox, wait=False)):
            return
        stepped = engine.step()
        _send(channel, stepped)
        arrivals.ended(sum(isinstance(each.events[-1], Usage | Failed) for each in stepped))


def _handle(
    messages: Iterable[ToChild | PreparedRequest],
    *,
    engine: Engine,
    channel: BlockingChannel,
    preparing: Preparing,
) -> bool:
    """Do what the messages say; False when one of them was a Stop."""
    for message in messages:
        match message:
            case PreparedRequest(request_id):
                guarded(channel, request_id, partial(engine.admit, message))
            case Cancel(request_id):
                _send(channel, engine.cancel(request_id))
            case Ping(nonce):
                channel.send(preparing.pong(nonce, engine.memory()))
            case Reclaim():
                engine.reclaim(engine.memory().rss_bytes)
                channel.send(preparing.pong(0, engine.memory()))
            case Stop():
                return False
            case _:
                pass
    return True


def _drain(inbox: Inbox, *, wait: bool) -> Iterable[ToChild | PreparedRequest]:
    if wait:
        yield inbox.get()
    while True:
        try:
            yield inbox.get_nowait()
        except queue.Empty:
            return


def _send(channel: BlockingChannel, stepped: list[StepEvents]) -> None:
    if stepped:
        channel.send(Output(tuple(RequestEvents(s.request_id, s.events) for s in stepped)))
