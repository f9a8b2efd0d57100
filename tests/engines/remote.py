"""An engine in a child process: MLX and its BLAS stay out of the test process."""

import importlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mlx_gui.core.ask import LOCAL_TENANT
from mlx_gui.core.generation import (
    Delta,
    Detokenized,
    DetokenizeRequest,
    Done,
    Event,
    GenerateRequest,
    Message,
    TextPart,
    Tokenized,
    TokenizeRequest,
    Usage,
)
from mlx_gui.core.model import Loaded, LoadSpec, TextOptions
from mlx_gui.core.worker_env import worker_environment
from mlx_gui.engines.base import PreparedRequest, StepEvents
from mlx_gui.kinds.vision_facts import VisionOptions
from tests.support.models import changed_spec
from tests.support.nursery import forked
from tests.support.preparing import prepare

ROOT = Path(__file__).parents[2]
DEADLINE_S = 300
_STREAMS = (0, 1, 2)
_CHANNEL = len(_STREAMS)
CACHE = Path(os.environ.get("MLX_GUI_TEST_CACHE") or ROOT / ".cache").absolute() / "engines"


class Child:
    """A process that calls functions and engine methods for us, all on its main thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What `function` returns there; what it raises there is raised here."""
        self._connection.send((function, arguments))
        if not self._connection.poll(DEADLINE_S):
            raise TimeoutError(f"{function} took more than {DEADLINE_S} s")
        succeeded, result = self._connection.recv()
        if not succeeded:
            raise result
        return result


@contextmanager
def child(*, mlx: bool = True, imported: bool = True) -> Iterator[Child]:
    """A running child; with `mlx`, it is prepared for MLX as a worker is.

    It has `imported` all engines' libraries then, where a fork can have.
    """
    environment = os.environ | worker_environment(sys.platform)
    ours, theirs = socket.socketpair()
    with theirs:
        if imported and sys.platform == "linux":
            process = forked(
                [str(_CHANNEL)],
                environment=environment,
                descriptors=[*_STREAMS, theirs.fileno()],
                entry=f"{__name__}:main",
                with_mlx=mlx,
            )
        else:
            arguments = [str(theirs.fileno()), *(["mlx"] if mlx else [])]
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.engines.remote", *arguments],
                cwd=ROOT,
                env=environment,
                pass_fds=(theirs.fileno(),),
            )
    try:
        with Connection(ours.detach()) as connection:
            yield Child(connection)
    finally:
        process.wait()


@dataclass(slots=True)
class Reply:
    """What came back for one request."""

    events: list[Event] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Delta))

    @property
    def finish_reason(self) -> str:
        return next(event.finish_reason for event in self.events if isinstance(event, Done))

    @property
    def usage(self) -> Usage:
        last = self.events[-1]
        assert isinstance(last, Usage)
        return last

    def outcome(self) -> tuple[str, str, int]:
        """All that must not depend on what else runs."""
        return self.text, self.finish_reason, self.usage.completion_tokens


class RemoteEngine:
    """The text engine in a child, with one model at a time."""

    def __init__(self, process: Child) -> None:
        self.child = process
        self.progress: list[tuple[str, int, int]] = []
        self._loaded = Loaded()

    def load(self, folder: Path, **settings: Any) -> "RemoteEngine":
        """Load `folder` in place of what was loaded; `settings` go into the LoadSpec."""
        spec = LoadSpec(
            f"test/{folder.name}",
            str(folder),
            "text",
            "mlx_gui.engines.text.engine",
            "float32",
            TextOptions(),
        )
        usual = {"context": 512, "slots": 4, "kv_pool_tokens": 4 * 512}
        spec = changed_spec(spec, **{**usual, **settings})
        self.progress, self._loaded = self.child.call(_load, spec)
        return self

    def see(self, folder: Path, **settings: Any) -> "RemoteEngine":
        """Load a model that sees, as `load` does another."""
        usual = {"context": 512, "slots": 8, "kv_pool_tokens": 8 * 512}
        spec = LoadSpec(
            f"test/{folder.name}",
            str(folder),
            "vision",
            "mlx_gui.engines.vision.engine",
            "float32",
            VisionOptions(**{**usual, **settings}),
        )
        self.progress, self._loaded = self.child.call(_load, spec)
        return self

    def serial_because(self) -> str | None:
        """What the engine said of what it has loaded."""
        return self._loaded.serial_because

    def tokenize(self, request: TokenizeRequest) -> Tokenized:
        """The first event of the whole answer."""
        return self.child.call(_method, "prepare", "tokens", request)[0]

    def detokenize(self, request: DetokenizeRequest) -> Detokenized:
        return self.child.call(_method, "prepare", "tokens", request)[0]

    def prepare(self, request_id: str, request: GenerateRequest) -> PreparedRequest:
        return self.child.call(_method, "prepare", request_id, request)

    def admit(self, request_id: str, request: GenerateRequest, tenant: str = LOCAL_TENANT) -> None:
        # A compiled grammar cannot leave the process.
        self.child.call(_admit, request_id, request, tenant)

    def step(self) -> list[StepEvents]:
        return self.child.call(_method, "step")

    def cancel(self, request_id: str) -> list[StepEvents]:
        return self.child.call(_method, "cancel", request_id)

    def __getattr__(self, method: str) -> Any:
        return partial(self.child.call, _method, method)

    def drain(self, replies: dict[str, Reply] | None = None) -> dict[str, Reply]:
        """Step until nothing is left to do."""
        replies = {} if replies is None else replies
        while self.child.call(_method, "busy"):
            gather(replies, self.step())
        return replies

    def answer(self, request: GenerateRequest, *, tenant: str = LOCAL_TENANT) -> Reply:
        """The reply to one request, alone."""
        self.admit("alone", request, tenant)
        return self.drain()["alone"]

    def answers(self, requests: Sequence[GenerateRequest]) -> list[Reply]:
        """The replies to requests that are admitted together."""
        for index, request in enumerate(requests):
            self.admit(str(index), request)
        replies = self.drain()
        return [replies[str(index)] for index in range(len(requests))]


def gather(replies: dict[str, Reply], stepped: list[StepEvents]) -> None:
    """Adds what one step brought."""
    for step in stepped:
        replies.setdefault(step.request_id, Reply()).events.extend(step.events)


def ask(*texts: str, **settings: Any) -> GenerateRequest:
    """A conversation that `texts` alternate in, the user first."""
    roles = ("user", "assistant")
    messages = tuple(
        Message(roles[index % 2], (TextPart(text),)) for index, text in enumerate(texts)
    )
    return GenerateRequest(messages, **settings)


# In the child


_engines: list[Any] = []


def _load(spec: LoadSpec) -> tuple[list[tuple[str, int, int]], Loaded]:
    _freeze_imports()
    while _engines:
        _engines.pop().close()
    if spec.kind == "vision":
        from tests.colours.gemma3n import shrink_tower

        shrink_tower()
    engine = importlib.import_module(spec.engine).create()
    progress: list[tuple[str, int, int]] = []
    loaded = engine.load(spec, lambda *step: progress.append(step))
    _engines.append(engine)
    return progress, loaded


@cache
def _freeze_imports() -> None:
    """As in a worker, no collection looks through the libraries: each load's would take longest."""
    import gc

    from mlx_gui.engines.text.engine import warm

    warm()
    gc.collect()
    gc.freeze()


def _admit(request_id: str, request: GenerateRequest, tenant: str = LOCAL_TENANT) -> None:
    prepared = prepare(_engines[0], request_id, request)
    _engines[0].admit(replace(prepared, tenant=tenant))


def _method(name: str, *arguments: Any) -> Any:
    if name == "prepare":
        return prepare(_engines[0], *arguments)
    return getattr(_engines[0], name)(*arguments)


def _serve(connection: Connection) -> None:
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            os._exit(0)
        try:
            answer = (True, function(*arguments))
        except Exception as error:  # noqa: BLE001 - the test process decides what it means
            answer = (False, error)
        connection.send(answer)


def main() -> None:
    _serve(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    if sys.argv[2:] == ["mlx"]:
        from mlx_gui.engines.device import prepare_process

        prepare_process("auto", CACHE)
    # Under its own name: what the test process pickles must be this module's, not __main__'s.
    from tests.engines import remote

    remote.main()
