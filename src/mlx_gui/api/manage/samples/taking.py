"""A sample of this very moment."""

import time
from collections.abc import Mapping
from dataclasses import replace

from mlx_gui.api.manage.present import present_memory
from mlx_gui.api.manage.samples.translate import to_sample
from mlx_gui.api.services import Services
from mlx_gui.control.requests.progress import TokensMade
from mlx_gui.store.samples import ModelParts, Sample

_NOTHING = ModelParts(0, 0, 0, 0)


def present_sample(services: Services) -> Sample:
    """The memory as last sampled, the requests of now, and the tokens since the last call."""
    snapshot = services.models.run_loop.snapshot()
    sample = to_sample(
        present_memory(services),
        at_s=time.time(),
        active=sum(view.active for view in snapshot.models.values()),
        queued=len(snapshot.queue),
    )
    return with_tokens(sample, services.requests.tracker.meter.take())


def with_tokens(sample: Sample, made: Mapping[str, TokensMade]) -> Sample:
    """`sample` with what models have made, also those that have left the memory meanwhile."""
    models = dict(sample.models)
    for model_id, tokens in made.items():
        parts = models.get(model_id, _NOTHING)
        models[model_id] = replace(parts, prompt_tokens=tokens.prompt, output_tokens=tokens.output)
    return replace(sample, models=models)
