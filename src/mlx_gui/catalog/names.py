"""Which of several names somebody means who writes one."""

from collections.abc import Callable, Collection

from mlx_gui.core.errors import InvalidRequest

Reading = Callable[[str], str]
"""Makes alike what is to count as the same name."""

_DEFAULT_TAG = ":latest"


def as_written(name: str) -> str:
    """`name` itself."""
    return name


def untagged(name: str) -> str:
    """`name` without Ollama's tag for the usual one; any other tag is part of a name."""
    return name.removesuffix(_DEFAULT_TAG)


def in_any_case(name: str) -> str:
    """`name` without its tag, in one case."""
    return name.casefold().removesuffix(_DEFAULT_TAG)


READINGS: tuple[Reading, ...] = (as_written, untagged, in_any_case)
"""The strictest first: only what it does not find is looked for by the next."""


def meant(name: str, known: Collection[str], reading: Reading) -> str | None:
    """The one of `known` that is `name`, or else the only one that ends in `/name`.

    Raises InvalidRequest with all that it may be when there are several.
    """
    wanted = reading(name)
    matches = [each for each in known if reading(each) == wanted] or [
        each for each in known if reading(each.rpartition("/")[2]) == wanted
    ]
    if len(matches) > 1:
        raise InvalidRequest(
            f"'{name}' may mean {' or '.join(matches)}.",
            hint="Use the full model id.",
            param="model",
        )
    return matches[0] if matches else None


def meant_in_any_reading(name: str, known: Collection[str]) -> str | None:
    """As `meant`, by the first reading that finds one."""
    found = (meant(name, known, reading) for reading in READINGS)
    return next((each for each in found if each is not None), None)
