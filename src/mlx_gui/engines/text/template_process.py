"""Templates that may take long in one piece run in a process of their own, which can be ended.

So whatever a template does, its request is answered soon, and nothing else of the worker waits or
runs out of memory for it. Templates of models do little and run here.
"""

import json
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from mlx_gui.engines.apart import FAILED, ApartProcess, TooMuch
from mlx_gui.engines.text.template import MAX_S, TemplateFailed, Templates, check_source
from mlx_gui.engines.text.template_costs import Heavy

_GRACE_S = 0.5
"""So much longer than it may run: by itself it ends with a better reason."""
_MEMORY_BYTES = 1_000_000_000


class TemplateRunner:
    """Renders templates, those of `own` sources in this process while that is quick.

    For one thread. `begin` is called with each request: all that is rendered for it shares the time
    that one rendering may take.
    """

    def __init__(self, own: Collection[str]) -> None:
        self._own = frozenset(own)
        self._here = Templates(gently=True)
        self._apart: ApartProcess | None = None
        self._until_s: float | None = None

    def begin(self) -> None:
        """From here on it is another request."""
        self._until_s = time.monotonic() + MAX_S

    def render(self, source: str, variables: Mapping[str, Any]) -> str:
        """The text. Raises TemplateFailed with what the template raised, or why it was stopped.

        Raises WorkerFailed when no process can be started.
        """
        check_source(source)
        until_s = time.monotonic() + MAX_S if self._until_s is None else self._until_s
        if source in self._own:
            with suppress(Heavy):
                return self._here.render(source, variables, until_s=until_s)
        if self._apart is None:
            began_s = time.monotonic()
            self._apart = ApartProcess.start("template", memory_bytes=_MEMORY_BYTES)
            # Ours was the wait for it.
            until_s += time.monotonic() - began_s
        try:
            return _rendered(self._apart, source, variables, until_s=until_s)
        finally:
            if not self._apart.usable():
                self._apart.end()
                self._apart = None


def _rendered(
    apart: ApartProcess, source: str, variables: Mapping[str, Any], *, until_s: float
) -> str:
    asked = {"source": source, "variables": variables, "left_s": until_s - time.monotonic()}
    try:
        content = json.dumps(asked, default=str).encode()
    except RecursionError as problem:
        raise TemplateFailed("something in the request is nested too deeply") from problem
    try:
        kind, answer = apart.ask(content, until_s=until_s + _GRACE_S)
    except TooMuch as problem:
        raise TemplateFailed(str(problem)) from problem
    text = answer.decode(errors="surrogatepass")
    if kind == FAILED:
        raise TemplateFailed(text)
    return text
