"""Whether a chat template can be used: it is tried before it becomes a setting."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from mlx_gui.control.workers.errands import run_errand
from mlx_gui.control.workers.process import WorkerSettings
from mlx_gui.core.errors import InvalidRequest, WorkerOutOfMemory
from mlx_gui.core.model import Model
from mlx_gui.core.template_trial import TemplateTrial

_WITHIN_S = 20.0
"""A process is started in it, and the template is compiled. By itself it runs for a quarter."""


@dataclass(frozen=True, slots=True)
class TemplateTrials:
    """Tries templates in a process of its own each, in the sandbox in which models use them."""

    workers: Callable[[], WorkerSettings]

    async def prompt(
        self, model: Model, source: str, arguments: Mapping[str, Any], *, param: str
    ) -> str:
        """What `source` makes of a short conversation, with `arguments`, for `model`.

        Raises InvalidRequest with the line and the reason where it makes nothing of it, as a fault
        of the field `param`, and WorkerFailed where it could not be tried.
        """
        asked = {
            "source": source,
            "folder": model.path,
            "arguments": msgspec.json.encode(dict(arguments)).decode(),
        }
        try:
            async with asyncio.timeout(_WITHIN_S):
                result = await run_errand("try-template", asked, self.workers())
        except TimeoutError:
            trial = TemplateTrial(reason="it runs for too long")
        except WorkerOutOfMemory:
            trial = TemplateTrial(reason="it needs too much memory")
        else:
            trial = msgspec.json.decode(result, type=TemplateTrial)
        if trial.prompt is None:
            raise _refused(trial, param)
        return trial.prompt


def _refused(trial: TemplateTrial, param: str) -> InvalidRequest:
    where = "" if trial.line is None else f", for its line {trial.line}"
    reason = (trial.reason or "").rstrip(".")
    return InvalidRequest(
        f"The chat template cannot be used{where}: {reason}.",
        hint="It is Jinja, and gets `messages`, `tools`, `add_generation_prompt` and the model's "
        "special tokens.",
        param=param,
        details={} if trial.line is None else {"line": trial.line},
    )
