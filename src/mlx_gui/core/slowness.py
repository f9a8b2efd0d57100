"""What made a request slow, in one plain sentence."""

from mlx_gui.core.request_record import Phases, RequestRecord

NOT_SLOW_MS = 2_000
"""What ended sooner was not slow, wherever its time went."""

_MUCH = 0.4
_WELL_CACHED = 0.5


def slow_because(record: RequestRecord) -> str:
    """Where the greatest part of its time went and why; empty where it was not slow.

    A request that was refused has the reason in its error.
    """
    phases = record.phases
    if phases.total_ms < NOT_SLOW_MS or record.outcome == "refused":
        return ""
    parts = {
        "load": phases.load_ms,
        "queue": phases.queued_ms,
        "prefill": phases.prefill_ms or 0.0,
        "decode": phases.decode_ms or 0.0,
        "rest": _rest_ms(phases),
    }
    part = max(parts, key=lambda name: parts[name])
    if parts[part] < _MUCH * phases.total_ms:
        return f"It took {_s(phases.total_ms)}, and no single part of that stands out."
    of = f"{_s(parts[part])} of {_s(phases.total_ms)}"
    match part:
        case "load":
            return f"{record.model} was loaded first: {of}."
        case "queue":
            return f"It waited for its turn: {of}."
        case "prefill":
            return f"The prompt was long to read: {of}{_prompt(record)}."
        case "decode":
            return f"The answer was long to write: {of}{_answer(record)}."
        case _:
            return (
                f"Its time went outside of the engine: {of}, to prepare the prompt, to wait for "
                "others in the same batch, or for a client that was slow to read."
            )


def _rest_ms(phases: Phases) -> float:
    known_ms = phases.load_ms + phases.queued_ms
    return phases.total_ms - known_ms - (phases.prefill_ms or 0.0) - (phases.decode_ms or 0.0)


def _prompt(record: RequestRecord) -> str:
    tokens = record.tokens
    if tokens is None or not tokens.prompt:
        return ""
    new = tokens.prompt - tokens.cached
    said = f", for {new:,} tokens"
    if tokens.cached < _WELL_CACHED * tokens.prompt and record.cache_miss:
        said += f" that were not in the cache ({record.cache_miss})"
    return said


def _answer(record: RequestRecord) -> str:
    tokens, decode_ms = record.tokens, record.phases.decode_ms
    if tokens is None or not tokens.completion or not decode_ms:
        return ""
    said = f", {tokens.completion:,} tokens at {tokens.completion / decode_ms * 1000:,.1f} a second"
    if tokens.reasoning > tokens.completion / 2:
        said += f", of which {tokens.reasoning:,} were thoughts"
    return said


def _s(duration_ms: float) -> str:
    return f"{duration_ms / 1000:.1f} s"
