"""The log's line for each request: how it ended, where its time went, what was cached."""

from collections.abc import Sequence

import structlog

from mlx_gui.core.ask import Ask, RequestEnd
from mlx_gui.core.generation import Event

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class RequestLog:
    """An observer. A refusal is told by the HTTP request's own line, so that it counts little."""

    def __init__(self) -> None:
        self._models: dict[str, str] = {}

    def submitted(self, ask: Ask, model_id: str) -> None:
        self._models[ask.id] = model_id

    def granted(self, ask: Ask) -> None:
        """Nobody reads of it."""

    def begun(self, ask: Ask) -> None:
        """Nobody reads of it."""

    def advanced(self, ask: Ask, events: Sequence[Event]) -> None:
        """Nobody reads of it."""

    def ended(self, ask: Ask, end: RequestEnd) -> None:
        write = log.debug if end.outcome == "refused" else log.info
        write(
            "answer_finished",
            # Whose context this is called in is chance.
            request_id=ask.request_id,
            answer_id=ask.id,
            model=self._models.pop(ask.id),
            outcome=end.outcome,
            **_error(end),
            **_usage(end),
        )


def _error(end: RequestEnd) -> dict[str, str]:
    return {} if end.error is None else {"error": end.error.code}


def _usage(end: RequestEnd) -> dict[str, int | float | str]:
    usage = end.usage
    if usage is None:
        return {}
    return {
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_miss": usage.cache_miss,
        "completion_tokens": usage.completion_tokens,
        "prefill_ms": round(usage.prefill_ms, 1),
        "decode_ms": round(usage.decode_ms, 1),
    }
