"""What the machine is: asked of a short child once, then remembered."""

import asyncio
import platform
import sys
from collections.abc import Awaitable, Callable
from importlib import metadata

import msgspec
import psutil
import structlog

from mlx_gui.control.workers.errands import run_errand
from mlx_gui.control.workers.process import WorkerSettings
from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.mlx_library import mlx_library
from mlx_gui.version import __version__

log = structlog.get_logger(__name__)


class DeviceProbe:
    """The device's facts. `facts` is None until the first `ensure` has ended well."""

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        recall: Callable[[str], Awaitable[DeviceFacts | None]],
        remember: Callable[[str, DeviceFacts], Awaitable[None]],
    ) -> None:
        self.facts: DeviceFacts | None = None
        self._settings = settings
        self._recall = recall
        self._remember = remember
        self._asking = asyncio.Lock()

    async def ensure(self) -> DeviceFacts:
        """The facts, from memory if this machine and these versions were probed before.

        Raises the probe's error; the next call tries again.
        """
        if self.facts is not None:
            return self.facts
        async with self._asking:
            if self.facts is None:
                self.facts = await self._find_out()
            return self.facts

    async def _find_out(self) -> DeviceFacts:
        key = machine_key(self._settings.blas)
        recalled = await self._recall(key)
        if recalled is not None:
            return recalled
        try:
            facts = await probe_once(self._settings)
        except MlxGuiError as error:
            log.error("probe_failed", reason=error.message)
            raise
        log.info("device_probed", backend=facts.backend, name=facts.name)
        # Without a fast BLAS the answer is worth asking for again: one may be installed any day.
        if facts.backend != "cpu" or facts.blas is None or facts.blas.library is not None:
            await self._remember(key, facts)
        return facts


async def probe_once(settings: WorkerSettings) -> DeviceFacts:
    """What a fresh probe child finds. Raises WorkerFailed when it ends without an answer."""
    return msgspec.json.decode(await run_errand("probe", {}, settings), type=DeviceFacts)


def machine_key(blas: str) -> str:
    """What the facts depend on, as one string: another key means to probe again."""
    parts = [
        f"mlx-gui={__version__}",
        f"mlx={_version('mlx')}",
        f"library={mlx_library().owner}",
        f"mlx-lm={_version('mlx-lm')}",
        f"mlx-vlm={_version('mlx-vlm')}",
        f"mlx-audio={_version('mlx-audio')}",
        f"python={platform.python_version()}",
        f"platform={sys.platform}-{platform.machine()}",
        f"cores={psutil.cpu_count()}",
        f"memory={psutil.virtual_memory().total}",
        f"blas={blas}",
    ]
    return " ".join(parts)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"
