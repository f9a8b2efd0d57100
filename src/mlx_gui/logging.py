"""The log: one line an event, for people on a terminal and as JSON everywhere else.

Every line that belongs to a request carries its `request_id`. Prompts, answers and keys are never
logged; tracebacks come without the values of local variables.
"""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import Processor

_QUIET_LIBRARIES = ("uvicorn", "httpx", "httpcore", "asyncio", "alembic", "filelock")
_SILENT_LIBRARIES = ("python_multipart",)
"""What they warn of is a client's mistake, and answered to it."""


def configure(level: str, *, stream: TextIO = sys.stderr) -> None:
    """Send structlog's and the standard library's log to `stream` from `level` on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared_processors(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(stream),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], force=True)
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


def set_level(level: str) -> None:
    """Log from `level` on; libraries that talk much from warnings on, if not from later."""
    logging.root.setLevel(level.upper())
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _renderers(stream: TextIO) -> list[Processor]:
    if stream.isatty():
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
