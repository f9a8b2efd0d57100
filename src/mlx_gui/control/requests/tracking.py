"""Follows each request from its arrival to its end, and makes its record."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mlx_gui.control.requests.progress import Progress, TokenMeter
from mlx_gui.core.ask import Ask, RequestEnd
from mlx_gui.core.generation import Event
from mlx_gui.core.request_record import Phases, RequestRecord, TokenCounts

LoadSpan = tuple[float, float]
"""When a load began and ended, by the monotonic clock."""

_MOST_TEXT = 500
"""Characters of a text in a record, so that rows are bounded in bytes."""


@dataclass(slots=True)
class FollowedRequest:
    """A request that has not ended. `submitted_at` is Unix time, the others are monotonic."""

    ask: Ask
    model: str
    submitted_at: float
    submitted_s: float
    granted_s: float | None = None
    begun_s: float | None = None
    progress: Progress = field(default_factory=Progress)

    @property
    def state(self) -> Literal["queued", "running"]:
        """Whether a worker has it."""
        return "queued" if self.granted_s is None else "running"


class RequestTracker:
    """An observer of requests. Each of `readers` gets the record of each that has ended.

    `trace` gets its ask besides. All are called on the event loop and must neither block nor raise.
    `meter` counts the tokens of all requests as they come. `last_load` says of a model when its
    last load began and ended, `on_change` is called whenever a request moves on.
    """

    def __init__(
        self,
        readers: Sequence[Callable[[RequestRecord], None]],
        *,
        trace: Callable[[RequestRecord, Ask], None],
        last_load: Callable[[str], LoadSpan | None],
        on_change: Callable[[], None],
    ) -> None:
        self._readers = tuple(readers)
        self._trace = trace
        self._last_load = last_load
        self._on_change = on_change
        self._followed: dict[str, FollowedRequest] = {}
        self.meter = TokenMeter()

    def submitted(self, ask: Ask, model_id: str) -> None:
        self._followed[ask.id] = FollowedRequest(ask, model_id, time.time(), time.monotonic())
        self._on_change()

    def granted(self, ask: Ask) -> None:
        if (followed := self._followed.get(ask.id)) is not None:
            followed.granted_s = time.monotonic()
            self._on_change()

    def begun(self, ask: Ask) -> None:
        if (followed := self._followed.get(ask.id)) is not None and followed.begun_s is None:
            followed.begun_s = time.monotonic()

    def advanced(self, ask: Ask, events: Sequence[Event]) -> None:
        if (followed := self._followed.get(ask.id)) is not None:
            self.meter.count(followed.model, followed.progress.advance(events))

    def ended(self, ask: Ask, end: RequestEnd) -> None:
        followed = self._followed.pop(ask.id, None)
        if followed is None:
            return
        if end.usage is not None:
            self.meter.count(followed.model, followed.progress.rest(end.usage))
        record = self._record(followed, end)
        for reader in self._readers:
            reader(record)
        self._trace(record, ask)
        self._on_change()

    def running(self) -> list[FollowedRequest]:
        """All that have not ended, in the order of their arrival."""
        return list(self._followed.values())

    def find(self, name: str) -> FollowedRequest | None:
        """The request of that id or `x-request-id`, of several the newest."""
        if (exact := self._followed.get(name)) is not None:
            return exact
        named = [each for each in self._followed.values() if each.ask.request_id == name]
        return named[-1] if named else None

    def _record(self, followed: FollowedRequest, end: RequestEnd) -> RequestRecord:
        ask, usage, error = followed.ask, end.usage, end.error
        return RequestRecord(
            id=_short(ask.id),
            request_id=_short(ask.request_id),
            endpoint=_short(ask.endpoint),
            model=_short(followed.model),
            tenant=_short(ask.tenant),
            key_id=None if ask.key_id is None else _short(ask.key_id),
            client=_short(ask.client),
            submitted_at=followed.submitted_at,
            ended_at=time.time(),
            outcome=end.outcome,
            phases=self._phases(followed, end),
            tokens=usage
            and TokenCounts(
                prompt=usage.prompt_tokens,
                cached=usage.cached_tokens,
                completion=usage.completion_tokens,
                reasoning=usage.reasoning_tokens,
            ),
            cache_miss="" if usage is None else _short(usage.cache_miss),
            audio_ms=None if usage is None or not usage.audio_ms else round(usage.audio_ms, 1),
            error_code=None if error is None else error.code,
            error_message=None if error is None else _short(error.message),
        )

    def _phases(self, followed: FollowedRequest, end: RequestEnd) -> Phases:
        now_s, since_s = time.monotonic(), followed.submitted_s
        taken_s = now_s if followed.granted_s is None else followed.granted_s
        loading_s = _overlap_s(self._last_load(followed.model), (since_s, taken_s))
        usage = end.usage
        return Phases(
            total_ms=_ms(now_s - since_s),
            queued_ms=_ms(taken_s - since_s - loading_s),
            load_ms=_ms(loading_s),
            first_token_ms=None if followed.begun_s is None else _ms(followed.begun_s - since_s),
            prefill_ms=None if usage is None else round(usage.prefill_ms, 1),
            decode_ms=None if usage is None else round(usage.decode_ms, 1),
        )


def _overlap_s(load: LoadSpan | None, wait: tuple[float, float]) -> float:
    """How much of `wait` the load took."""
    if load is None:
        return 0.0
    return max(min(load[1], wait[1]) - max(load[0], wait[0]), 0.0)


def _ms(duration_s: float) -> float:
    return round(duration_s * 1000, 1)


def _short(text: str) -> str:
    """`text` as SQLite can keep it: bounded, and without half characters."""
    return text[:_MOST_TEXT].encode(errors="replace").decode()
