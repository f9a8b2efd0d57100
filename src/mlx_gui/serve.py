"""Runs the server: bind, boot, serve, and an ordered end.

The end, on SIGTERM or Ctrl-C: new requests are refused, running answers finish within
`shutdown_grace_s`, workers end, connections close, exit code 0. A second signal cuts it short.
"""

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import structlog
import uvicorn
import uvloop

from mlx_gui.api.connection import connections
from mlx_gui.app import Application
from mlx_gui.catalog.starters import EMBEDDED
from mlx_gui.config import Config, SettingSources, misspelled_variables, read_sources
from mlx_gui.control.safe_mode import SafeMode
from mlx_gui.control.settings.server import ServerSettings
from mlx_gui.control.supervision import Background, fault_of
from mlx_gui.control.workers.probe import probe_once
from mlx_gui.control.workers.process import WorkerSettings
from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.job import Job
from mlx_gui.core.runtime import Runtime
from mlx_gui.greeting import first_request, greeting
from mlx_gui.log_tail import LogTail
from mlx_gui.logging import LOGS_FOLDER, configure, log_into, set_level
from mlx_gui.store.data_dir import hold
from mlx_gui.store.database import Store
from mlx_gui.store.errors import StoreError
from mlx_gui.store.runs import begin_run, end_run, forgive_runs, unclean_exits_in_a_row
from mlx_gui.store.runtime import publish, withdraw
from mlx_gui.store.server_settings import overrides
from mlx_gui.version import __version__

log = structlog.get_logger(__name__)

_CONNECTION_CLOSE_S = 3
_IDLE_CONNECTION_S = 30
"""Longer than usual clients keep one (httpx 5 s, aiohttp 15 s): whoever ends it first may do so
while the other sends, and only the client knows what it sends."""
_BACKLOG = 2048
_OPEN_FILES = 10_240
"""As many as macOS allows a process; its terminals begin with 256, and each client takes one."""


def run(flags: Mapping[str, object], *, starter: bool = False, open_browser: bool = False) -> int:
    """Serve until a signal ends it; returns the exit code.

    `flags` are settings of the command line by name. With `starter`, the embedded starter model is
    installed meanwhile, with progress on the terminal. Raises SettingsError.
    """
    sources = read_sources(flags=flags)
    _allow_open_files()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(sources, starter=starter, open_browser=open_browser))
    except (StoreError, MlxGuiError) as error:
        _complain(error.message, error.hint)
        return 1


def probe_device(config: Config) -> DeviceFacts:
    """What a fresh probe child says of this machine; for `mlx-gui doctor`, without any server."""
    return asyncio.run(probe_once(WorkerSettings.of(config)))


async def _run(sources: SettingSources, *, starter: bool, open_browser: bool) -> int:
    with hold(sources.data_dir):
        store = Store.open(sources.data_dir)
        try:
            logs = LogTail()
            configure(sources.config({}).log_level, tail=logs)
            settings = ServerSettings(sources, store, await store.read(overrides))
            set_level(settings.config.log_level)
            if settings.config.log_file:
                _log_into_file(sources.data_dir / LOGS_FOLDER)
            for sentence in misspelled_variables():
                log.warning("variable_ignored", reason=sentence)
            return await _serve(settings, store, logs, starter=starter, open_browser=open_browser)
        finally:
            store.close()


async def _serve(
    settings: ServerSettings, store: Store, logs: LogTail, *, starter: bool, open_browser: bool
) -> int:
    sock = _listen_as_set(settings)
    config = settings.config
    if sock is None:
        return 1
    address = _address(sock)
    safe_mode = SafeMode(
        unclean_exits_in_a_row(config.data_dir), partial(forgive_runs, config.data_dir)
    )
    if safe_mode.active:
        log.warning("safe_mode", reason=safe_mode.reason)
    application = Application(settings, store, address=address, safe_mode=safe_mode, logs=logs)
    await application.recall()
    job = await application.install(EMBEDDED) if starter else None
    begin_run(config.data_dir)
    application.start()
    server = _Server(application, settings)
    runtime = Runtime(address, os.getpid(), __version__, application.local_token)
    publish(config.data_dir, runtime)
    log.info("listening", address=address, data_dir=str(config.data_dir))
    if starter or sys.stdout.isatty():
        print(greeting(address, __version__), flush=True)  # noqa: T201
    beside = Background()
    if starter:
        beside.once("starter", _tell_of_starter(application, job))
    if open_browser:
        import webbrowser

        webbrowser.open(f"{address}/admin/")
    try:
        await server.serve(sockets=[sock])
        server.raise_fault()
    finally:
        _withdraw(config)
        await application.close()
        await beside.close()
    _note_end(config)
    log.info("stopped", tasks_left=_tasks_left())
    return 0


def _log_into_file(folder: Path) -> None:
    """Where that cannot be, the log stays where it is, and says so."""
    try:
        log_into(folder)
    except OSError as error:
        log.warning("log_file_not_written", path=str(folder), reason=error.strerror)


def _withdraw(config: Config) -> None:
    """What stays behind names a process that is gone, and so is no harm."""
    try:
        withdraw(config.data_dir)
    except OSError as error:
        log.error("runtime_not_withdrawn", reason=str(error))


def _note_end(config: Config) -> None:
    try:
        end_run(config.data_dir)
    except (StoreError, MlxGuiError) as error:
        log.error("end_not_noted", reason=error.message)


def _tasks_left() -> list[str]:
    """Names of tasks that nobody has ended although all parts are closed: there should be none."""
    own = asyncio.current_task()
    return sorted(task.get_name() for task in asyncio.all_tasks() if task is not own)


async def _tell_of_starter(application: Application, job: Job | None) -> None:
    """On the terminal: how far `job` is, what it came to, and the first request to the model."""
    if job is not None:
        job = await _drawn(application, job)
    if job is None or job.state == "done":
        question = first_request(application.services.server.address(), EMBEDDED.model_id)
        print(question, flush=True)  # noqa: T201
    elif job.error is not None:
        again = f"`mlx-gui jobs {job.id} --resume` tries again."
        _complain(
            f"{EMBEDDED.model_id} is not installed. {job.error.message}",
            f"{job.error.hint} {again}".strip(),
        )


async def _drawn(application: Application, job: Job) -> Job:
    """`job` at its end."""
    from mlx_gui.progress import progress_line  # draws with rich, which takes its time

    with progress_line() as report:
        async for now in application.jobs.follow(job.id):
            job = now
            if job.stage:
                report(job.stage, job.done, job.total)
    return job


class _Server(uvicorn.Server):
    """uvicorn, which completes an `Application` once it answers, and drains it before its end."""

    def __init__(self, application: Application, settings: ServerSettings) -> None:
        super().__init__(
            uvicorn.Config(
                application.asgi,
                http=connections(lambda: settings.config.client_stall_s),
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                # By its own rules, which the environment sets, a request could name its own author.
                proxy_headers=False,
                timeout_keep_alive=_IDLE_CONNECTION_S,
                timeout_graceful_shutdown=_CONNECTION_CLOSE_S,
                backlog=_BACKLOG,
            )
        )
        self._application = application
        self._settings = settings
        self._ending: asyncio.Task[None] | None = None
        self._fault: BaseException | None = None

    def raise_fault(self) -> None:
        """Raises what kept the application from being completed."""
        if self._fault is not None:
            raise self._fault

    async def main_loop(self) -> None:
        """Serve until the end, from the first moment, and complete the application meanwhile."""
        completing = asyncio.create_task(self._complete(), name="api")
        await super().main_loop()
        await completing

    async def _complete(self) -> None:
        self._fault = await fault_of("import", self._application.complete())
        if self._fault is not None and self._ending is None:
            # What cannot be asked for anything need not stay.
            self._ending = asyncio.create_task(self._end(0))
        # What is there now stays: collections need not look through it in the middle of an answer.
        gc.freeze()
        gc.enable()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Both signals mean the same: an orderly end, or at once when it has begun already."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _on_signal(self, number: int) -> None:
        if self._ending is None:
            grace_s = self._settings.config.shutdown_grace_s
            log.info("stopping", signal=signal.Signals(number).name, grace_s=grace_s)
            self._ending = asyncio.create_task(self._end(grace_s))
        else:
            self._ending.cancel()
            self.force_exit = self.should_exit = True

    async def _end(self, grace_s: float) -> None:
        try:
            await self._application.drain(grace_s)
        finally:
            self.should_exit = True


def _allow_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft < wanted:
        # A system may allow less than it says; then it stays as it is.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _listen_as_set(settings: ServerSettings) -> socket.socket | None:
    """None when that cannot be, which the terminal says.

    A host or port of the interface that cannot be listened on must not keep the interface away.
    """
    while True:
        config = settings.config
        try:
            return _listen(config.host, config.port)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            problem = f"Cannot listen on {config.host}:{config.port}: {reason}."
        if "interface" not in (config.sources["host"], config.sources["port"]):
            _complain(problem, "Choose another port with --port, or stop the program that uses it.")
            return None
        settings.begin_without(
            ("host", "port"), because=f"{problem} host and port in the interface are ignored."
        )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    sock.listen(_BACKLOG)
    sock.set_inheritable(False)
    return sock


def _address(sock: socket.socket) -> str:
    """The URL that reaches `sock` from this machine."""
    host, port = sock.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "[::1]"
    elif ":" in host:
        host = f"[{host}]"
    return f"http://{host}:{port}"


def _complain(message: str, hint: str) -> None:
    print(f"Error: {message} {hint}".rstrip(), file=sys.stderr)  # noqa: T201
