"""Requests as JSON."""

import time

from mlx_gui.api.model_view import utc_time
from mlx_gui.control.requests.tracking import FollowedRequest
from mlx_gui.core.request_record import RequestRecord
from mlx_gui.core.slowness import slow_because
from mlx_gui.wire.models import ErrorBody
from mlx_gui.wire.requests import RequestObject, RequestPhases, RequestProgress, RequestTokens

_SHORTEST_MEASURE_S = 0.2


def ended_request(record: RequestRecord) -> RequestObject:
    """A request that has ended."""
    phases, tokens = record.phases, record.tokens
    return RequestObject(
        id=record.id,
        request_id=record.request_id,
        seq=record.seq,
        status=record.outcome,
        endpoint=record.endpoint,
        model=record.model,
        tenant=record.tenant,
        key_id=record.key_id,
        client=record.client,
        submitted_at=utc_time(record.submitted_at),
        ended_at=utc_time(record.ended_at),
        phases=RequestPhases(
            total_ms=phases.total_ms,
            queued_ms=phases.queued_ms,
            load_ms=phases.load_ms,
            first_token_ms=phases.first_token_ms,
            prefill_ms=phases.prefill_ms,
            decode_ms=phases.decode_ms,
        ),
        tokens=tokens
        and RequestTokens(
            prompt=tokens.prompt,
            cached=tokens.cached,
            completion=tokens.completion,
            reasoning=tokens.reasoning,
        ),
        cache_miss=record.cache_miss or None,
        slow_because=slow_because(record) or None,
        error=None
        if record.error_code is None
        else ErrorBody(code=record.error_code, message=record.error_message or ""),
        audio_ms=record.audio_ms,
        real_time_factor=record.real_time_factor,
    )


def running_request(followed: FollowedRequest, *, loading: bool) -> RequestObject:
    """A request under way, as far as its time has gone. `loading` says whether its model is."""
    ask, now_s = followed.ask, time.monotonic()

    def since_arrival_ms(moment_s: float) -> float:
        return round((moment_s - followed.submitted_s) * 1000, 1)

    begun_s, granted_s = followed.begun_s, followed.granted_s
    return RequestObject(
        id=ask.id,
        request_id=ask.request_id,
        seq=None,
        status=followed.state,
        endpoint=ask.endpoint,
        model=followed.model,
        tenant=ask.tenant,
        key_id=ask.key_id,
        client=ask.client,
        submitted_at=utc_time(followed.submitted_at),
        ended_at=None,
        phases=RequestPhases(
            total_ms=since_arrival_ms(now_s),
            queued_ms=since_arrival_ms(now_s if granted_s is None else granted_s),
            first_token_ms=None if begun_s is None else since_arrival_ms(begun_s),
        ),
        tokens=None,
        cache_miss=None,
        slow_because=None,
        error=None,
        progress=_progress(followed, loading=loading, now_s=now_s),
    )


def _progress(followed: FollowedRequest, *, loading: bool, now_s: float) -> RequestProgress:
    made, begun_s = followed.progress, followed.begun_s
    if followed.granted_s is None:
        phase = "loading" if loading else "queued"
    else:
        phase = "prefill" if begun_s is None else "decode"
    wrote_s = 0.0 if begun_s is None else now_s - begun_s
    return RequestProgress(
        phase=phase,
        prompt=made.prompt,
        read=made.read,
        cached=made.cached,
        written=made.written,
        tokens_per_s=round(made.written / wrote_s, 1)
        if made.written > 1 and wrote_s >= _SHORTEST_MEASURE_S
        else None,
    )
