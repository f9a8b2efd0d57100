"""The log: one line an event, for people on a terminal and as JSON everywhere else.

Every line that belongs to a request carries its `request_id`. Prompts, answers and keys are never
logged; tracebacks come without the values of local variables.
"""

import logging
import sys
from pathlib import Path
from typing import TextIO

import structlog
from structlog.typing import Processor

from mlx_gui.log_tail import LogTail

LOGS_FOLDER = "logs"
LOG_FILE = "server.log"
_FILE_BYTES = 10_000_000
_FILES_KEPT = 4
_QUIET_LIBRARIES = ("uvicorn", "httpx", "httpcore", "urllib3", "asyncio", "alembic", "filelock")
_SILENT_LIBRARIES = ("python_multipart", "opentelemetry")
"""What they warn of is a client's mistake, and answered to it; or told by us, and once."""


def configure(level: str, *, stream: TextIO = sys.stderr, tail: LogTail | None = None) -> None:
    """Send structlog's and the standard library's log to `stream` and `tail` from `level` on."""
    printer = logging.StreamHandler(stream)
    printer.setFormatter(_formatter(*_renderers(stream)))
    handlers: list[logging.Handler] = [printer]
    if tail is not None:
        tail.setFormatter(_formatter(structlog.processors.format_exc_info, tail.keep))
        handlers.append(tail)
    logging.basicConfig(handlers=handlers, force=True)
    for name in _SILENT_LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    set_level(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def log_into(folder: Path) -> None:
    """From now on the log goes into a file in `folder`, and no more into the stream.

    Raises OSError where that cannot be, and nothing has changed then.
    """
    from logging.handlers import RotatingFileHandler

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = RotatingFileHandler(
        folder / LOG_FILE, maxBytes=_FILE_BYTES, backupCount=_FILES_KEPT, encoding="utf-8"
    )
    file.setFormatter(_formatter(*_FOR_PROGRAMS))
    printers = [each for each in logging.root.handlers if not isinstance(each, LogTail)]
    logging.root.addHandler(file)
    for each in printers:
        logging.root.removeHandler(each)


def set_level(level: str) -> None:
    """Log from `level` on; libraries that talk much from warnings on, if not from later."""
    logging.root.setLevel(level.upper())
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))


def _formatter(*last: Processor) -> logging.Formatter:
    """Makes a line of every record, whoever logged it, by the `last` processors."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared_processors(),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _renderers(stream: TextIO) -> tuple[Processor, ...]:
    if stream.isatty():
        return (structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),)
    return _FOR_PROGRAMS


_FOR_PROGRAMS: tuple[Processor, ...] = (
    structlog.processors.format_exc_info,
    structlog.processors.JSONRenderer(),
)
