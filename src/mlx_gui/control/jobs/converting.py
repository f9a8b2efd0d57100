"""The job that makes a smaller model of one that is installed."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mlx_gui.catalog.importing import clear_work, is_placed, put_in_place, work_folder
from mlx_gui.control.jobs.base import JobContext
from mlx_gui.control.jobs.starter import starter_folder
from mlx_gui.control.jobs.steps import in_thread, to_its_end, undone_by
from mlx_gui.core.model import Kind, Model
from mlx_gui.core.quantization import QuantizationMode
from mlx_gui.kinds.checkpoint import DamagedFile, read_json_object
from mlx_gui.kinds.unserved import unserved_sense
from mlx_gui.store.errors import named_errors


@dataclass(frozen=True, slots=True)
class ConvertModel:
    """Packs the weights in the folder `path`, that of `source_id`, into fewer bits.

    The result appears whole, as the model `model_id`.
    """

    name: ClassVar[str] = "convert"
    unit: ClassVar[str] = "bytes"
    goes_on: ClassVar[bool] = False

    source_id: str
    path: str
    model_id: str
    bits: int
    group_size: int
    mode: QuantizationMode
    kind: Kind = "text"

    @property
    def title(self) -> str:
        return f"Convert {self.source_id} to {self.model_id}"

    @property
    def installs(self) -> str:
        return self.model_id

    async def run(self, context: JobContext) -> None:
        """It begins anew where an earlier run was interrupted."""
        root = starter_folder(context.tools.config())
        target = root / self.model_id
        work = work_folder(target, root)
        with named_errors(root):
            if not await asyncio.to_thread(is_placed, target, work=work):
                async with undone_by(lambda: clear_work(work)):
                    await self._put(context, target, work)
        await context.tools.installed(self.model_id)
        await asyncio.to_thread(clear_work, work)

    async def _put(self, context: JobContext, target: Path, work: Path) -> None:
        await in_thread(clear_work, work)
        await in_thread(work.mkdir, parents=True)
        await context.errand("quantize", self._arguments(str(work)))
        await to_its_end(asyncio.to_thread(put_in_place, work, target, work=work))

    async def discard(self, context: JobContext) -> None:
        root = starter_folder(context.tools.config())
        await asyncio.to_thread(clear_work, work_folder(root / self.model_id, root))

    def _arguments(self, out: str) -> dict[str, str]:
        return {
            "source": self.path,
            "out": out,
            "model_id": self.source_id,
            "bits": str(self.bits),
            "group_size": str(self.group_size),
            "mode": self.mode,
            "kind": self.kind,
        }


def sense_of(model: Model) -> str | None:
    """What `model` does besides writing text, by its config. In a thread: it reads a file."""
    try:
        return unserved_sense(read_json_object(Path(model.path) / "config.json"))
    except DamagedFile:
        return None
