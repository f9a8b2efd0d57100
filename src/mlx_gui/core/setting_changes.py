"""Changes of settings, judged by their rows."""

from collections.abc import Mapping

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.setting_row import Setting, Unfit, Value, advice, fitted, refused, shown


def checked(
    rows: Mapping[str, Setting], changes: Mapping[str, object], *, of: str
) -> dict[str, Value | None]:
    """The values of `changes` by name; None, which resets one, stays. Raises InvalidRequest.

    `of` says whose settings `rows` are.
    """
    values: dict[str, Value | None] = {}
    for name, raw in changes.items():
        row = rows.get(name)
        if row is None:
            raise InvalidRequest(
                f"{shown(name)} is not a setting of {of}.",
                hint=advice(name, rows),
                param=f"settings.{name}"[:80],
            )
        try:
            values[name] = None if raw is None else fitted(row, raw)
        except Unfit as unfit:
            raise InvalidRequest(
                f"{name} is {refused(row, raw)}, but must be {unfit}.",
                hint=f"{row.help} null resets it.",
                param=f"settings.{name}",
            ) from None
    return values
