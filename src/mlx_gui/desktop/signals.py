"""Ctrl-C and SIGTERM for a main thread that is in the loop of a desktop's library."""

import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ended_by_signals(end: Callable[[], None]) -> Generator[None]:
    """Calls `end` on another thread at the first of these signals, while the context lasts.

    A handler of Python's has its turn only when the loop calls something of Python's, as that of
    GTK does by itself, which takes the socket away for that. All others are woken by the socket.
    """
    heard = threading.Event()

    def on_signal(number: int, frame: object) -> None:
        heard.set()

    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    former = {number: signal.signal(number, on_signal) for number in _ENDING}
    woken = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    left = threading.Event()
    threads = [
        threading.Thread(target=_listen, args=(ours, heard), name="signals", daemon=True),
        threading.Thread(target=_obey, args=(heard, left, end), name="ending", daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in former.items():
            signal.signal(number, handler)
        left.set()
        heard.set()
        theirs.close()
        for thread in threads:
            thread.join()
        ours.close()


def _listen(ours: socket.socket, heard: threading.Event) -> None:
    while numbers := ours.recv(64):
        if any(number in _ENDING for number in numbers):
            heard.set()


def _obey(heard: threading.Event, left: threading.Event, end: Callable[[], None]) -> None:
    heard.wait()
    if not left.is_set():
        end()
