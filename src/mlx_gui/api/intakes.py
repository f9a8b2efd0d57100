"""Which route takes what of bodies.

A route says so by the property `intake` of its class. One without it reads no body.
"""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

from mlx_gui.api.intake import ANYTHING, UNREAD, Intake


@runtime_checkable
class TakesBodies(Protocol):
    """A route whose class says what it takes."""

    @property
    def intake(self) -> Intake: ...


class Intakes:
    """What each of the `routes` takes; of two that match the first one counts, as everywhere."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._rows = tuple(
            (route.path_regex, route.methods or set[str](), _intake_of(route))
            for route in routes
            if isinstance(route, Route)
        )

    def of(self, method: str, path: str) -> Intake:
        """What is taken by the route that answers `method` at `path`."""
        for pattern, methods, intake in self._rows:
            if method in methods and pattern.match(path):
                return intake
        return ANYTHING


def _intake_of(route: Route) -> Intake:
    if isinstance(route, TakesBodies):
        return route.intake
    return UNREAD if isinstance(route, APIRoute) else ANYTHING
