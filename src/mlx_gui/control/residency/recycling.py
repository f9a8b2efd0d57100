"""Whether an idle worker is due for replacement by a fresh one; pure."""

from mlx_gui.core.units import format_bytes

_GROWTH_SHARE = 0.25
_GROWTH_BYTES = 512_000_000


def recycle_reason(
    *, served: int, recycle_requests: int, used_bytes: int, need_bytes: int
) -> str | None:
    """Why a worker is to be replaced, as the end of a log line; None while it is not.

    `served` requests it has answered, of at most `recycle_requests` (0 is no bound). Both amounts
    are without KV and prefix cache, which may grow as planned.
    """
    if recycle_requests and served >= recycle_requests:
        return f"it has answered {served} requests"
    grown_bytes = used_bytes - need_bytes
    if grown_bytes > max(int(need_bytes * _GROWTH_SHARE), _GROWTH_BYTES):
        used, need = format_bytes(used_bytes), format_bytes(need_bytes)
        return f"it has grown to {used}, and was planned with {need}"
    return None
