"""The child that fetches: no MLX, no hub client, only files and where they come from."""

import threading

import msgspec

from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.fetching import FetchState
from mlx_gui.fetch.whole import Fetch
from mlx_gui.ipc.channel import BlockingChannel
from mlx_gui.ipc.messages import ErrandDone, FetchLimit, FetchProgress, StartFailed, StartFetch


def run_fetch(channel: BlockingChannel, start: StartFetch) -> int:
    """Fetch what `start` orders, and say how far it is; returns the exit code.

    It stops by itself when it is told to, or when the control plane is gone, and keeps what it has.
    """
    stop = threading.Event()

    def tell(state: FetchState) -> None:
        channel.send(FetchProgress(state))

    fetch = Fetch(start.order, tell, stop)
    listener = threading.Thread(target=_listen, args=(channel, fetch, stop), daemon=True)
    listener.start()
    try:
        whole = fetch.run()
    except MlxGuiError as error:
        channel.send(StartFailed(error.info()))
        return 1
    if whole:
        channel.send(ErrandDone(msgspec.json.encode(whole)))
    return 0


def _listen(channel: BlockingChannel, fetch: Fetch, stop: threading.Event) -> None:
    while True:
        match channel.receive():
            case FetchLimit(bytes_per_s):
                fetch.limit.set(bytes_per_s)
            case _:
                stop.set()
                return
