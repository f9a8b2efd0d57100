"""What is kept of a request that has ended: who asked, how it went, where its time went.

No prompts and no answers.
"""

from dataclasses import dataclass

from mlx_gui.core.ask import Outcome


@dataclass(frozen=True, slots=True)
class Phases:
    """Where a request's time went, in milliseconds; None for what it did not come to.

    `load_ms` is what of its wait the model was being loaded, `queued_ms` the rest of that wait.
    `prefill_ms` and `decode_ms` are the engine's own. `first_token_ms` is from its arrival until
    the first of the answer, `total_ms` until its end.
    """

    total_ms: float
    queued_ms: float = 0.0
    load_ms: float = 0.0
    first_token_ms: float | None = None
    prefill_ms: float | None = None
    decode_ms: float | None = None


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens of a request whose usage is known; `cached` are some of `prompt`, `reasoning` some of
    `completion`."""

    prompt: int
    cached: int
    completion: int
    reasoning: int


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request that has ended. `id` is the answer's, `request_id` what `x-request-id` said.

    Times are Unix seconds. `seq` numbers the records in the order of their ends, 0 before it is
    kept. `cache_miss` says why no more of the prompt was in the prefix cache. `audio_ms` is the
    length of the sound that was read or made, None without any.
    """

    id: str
    request_id: str
    endpoint: str
    model: str
    tenant: str
    key_id: str | None
    client: str
    submitted_at: float
    ended_at: float
    outcome: Outcome
    phases: Phases
    tokens: TokenCounts | None = None
    cache_miss: str = ""
    error_code: str | None = None
    error_message: str | None = None
    audio_ms: float | None = None
    seq: int = 0

    @property
    def real_time_factor(self) -> float | None:
        """Seconds of sound for each second of the engine's work; None without either."""
        phases = self.phases
        worked_ms = (phases.prefill_ms or 0) + (phases.decode_ms or 0)
        if self.audio_ms is None or worked_ms <= 0:
            return None
        return round(self.audio_ms / worked_ms, 2)
