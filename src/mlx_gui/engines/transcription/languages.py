"""Languages as clients name them: codes with and without a region, and names in English."""

from collections.abc import Collection, Mapping

from mlx_gui.core.errors import InvalidRequest

_SHOWN = 12


def language_name(code: str, *, names: Mapping[str, str]) -> str:
    """What `names` has for a code with or without a region; empty where it has none."""
    return names.get(code.casefold().partition("-")[0], "")


def language_code(name: str, *, codes: Collection[str], names: Mapping[str, str]) -> str:
    """The one of `codes` that `name` means; `names` has their names in English.

    Raises InvalidRequest where the model knows none such.
    """
    plain = name.casefold()
    for candidate in (plain, names.get(plain, ""), plain.partition("-")[0]):
        if candidate in codes:
            return candidate
    shown = ", ".join(sorted(codes)[:_SHOWN])
    more = f" and {len(codes) - _SHOWN} more" if len(codes) > _SHOWN else ""
    raise InvalidRequest(
        f"The model knows no language {name!r}; it knows {shown}{more}.",
        hint="Give the code of ISO 639-1, or leave `language` out to have it found out.",
        param="language",
    )
