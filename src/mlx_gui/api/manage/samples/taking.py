"""A sample of this very moment."""

import time

from mlx_gui.api.manage.present import present_memory
from mlx_gui.api.manage.samples.translate import to_sample
from mlx_gui.api.services import Services
from mlx_gui.store.samples import Sample


def present_sample(services: Services) -> Sample:
    """The memory as last sampled, and the requests of now."""
    snapshot = services.models.run_loop.snapshot()
    return to_sample(
        present_memory(services),
        at_s=time.time(),
        active=sum(view.active for view in snapshot.models.values()),
        queued=len(snapshot.queue),
    )
