"""Whether all pinned models can be in memory together."""

from collections.abc import Mapping

from mlx_gui.core.errors import Conflict
from mlx_gui.core.units import format_bytes


def check_pins(
    model_id: str, need_bytes: Mapping[str, int], *, budget_bytes: int, max_models: int
) -> None:
    """Raises Conflict with the numbers where the pin of `model_id` is one too many.

    `need_bytes` has the need of every pinned model by its id, that of `model_id` among them.
    """
    others = sorted(set(need_bytes) - {model_id})
    if len(need_bytes) > max_models:
        raise Conflict(
            f"{model_id} cannot be pinned: {max_models} models may be in memory together, and "
            f"pinned are {', '.join(others)}.",
            hint=f"Raise max_loaded_models, or unpin one: mlx-gui settings {others[0]} pinned=off",
            details={
                "pinned": len(others),
                "max_loaded_models": max_models,
                "param": "settings.pinned",
            },
        )
    total_bytes = sum(need_bytes.values())
    if total_bytes <= budget_bytes:
        return
    needed = f"It needs {format_bytes(need_bytes[model_id])}"
    if others:
        others_bytes = total_bytes - need_bytes[model_id]
        needed += f", the pinned {', '.join(others)} {format_bytes(others_bytes)}"
    raise Conflict(
        f"{model_id} cannot be pinned. {needed}; models may use {format_bytes(budget_bytes)}.",
        hint=f"Unpin one: mlx-gui settings {others[0]} pinned=off"
        if others
        else "Lower its context_tokens, or raise memory_limit_bytes if other programs can spare "
        "the memory.",
        details={
            "needed_bytes": total_bytes,
            "budget_bytes": budget_bytes,
            "param": "settings.pinned",
        },
    )


def check_pins_below(
    need_bytes: Mapping[str, int], *, budget_bytes: int | None, max_models: int
) -> None:
    """Raises Conflict with the numbers where settings of the server leave the pinned no room.

    With None for `budget_bytes` it is only their number that is judged.
    """
    names = ", ".join(sorted(need_bytes))
    hint = f"Unpin one first: mlx-gui settings {min(need_bytes, default='MODEL')} pinned=off"
    if len(need_bytes) > max_models:
        raise Conflict(
            f"max_loaded_models cannot be {max_models}: pinned are {names}.",
            hint=hint,
            details={
                "pinned": len(need_bytes),
                "max_loaded_models": max_models,
                "param": "settings.max_loaded_models",
            },
        )
    total_bytes = sum(need_bytes.values())
    if budget_bytes is not None and total_bytes > budget_bytes:
        raise Conflict(
            f"With these settings the pinned {names} need {format_bytes(total_bytes)}; models may "
            f"use {format_bytes(budget_bytes)}.",
            hint=hint,
            details={
                "needed_bytes": total_bytes,
                "budget_bytes": budget_bytes,
                "param": "settings",
            },
        )
