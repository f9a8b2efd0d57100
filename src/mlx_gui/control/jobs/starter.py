"""The job that installs a starter model."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from mlx_gui.catalog.package_file import Progress
from mlx_gui.catalog.starters import STARTERS, Starter, clear_unfinished, ensure_starter
from mlx_gui.config import MODELS_FOLDER, Config
from mlx_gui.control.jobs.base import JobContext
from mlx_gui.core.errors import Conflict, NotFound


@dataclass(frozen=True, slots=True)
class InstallStarter:
    """Fetches the starter, converts it, and has it in the list of models."""

    name: ClassVar[str] = "install-starter"
    unit: ClassVar[str] = "bytes"
    goes_on: ClassVar[bool] = False

    model_id: str

    @property
    def title(self) -> str:
        return f"Install {self.model_id}"

    @property
    def installs(self) -> str:
        return self.model_id

    async def run(self, context: JobContext) -> None:
        """What an earlier run has left is thrown away: the registry's client has a cache."""
        config = context.tools.config()
        await ensure_starter(
            self._starter(),
            starter_folder(config),
            convert=partial(_convert, context),
            progress=context.report,
            offline=config.offline,
        )
        await context.tools.installed(self.model_id)

    async def discard(self, context: JobContext) -> None:
        clear_unfinished(starter_folder(context.tools.config()))

    def _starter(self) -> Starter:
        for starter in STARTERS:
            if starter.model_id == self.model_id:
                return starter
        raise NotFound(f"There is no starter model {self.model_id}.")


def starter_folder(config: Config) -> Path:
    """Our own folder if it is searched for models, else the first one that is. Raises Conflict."""
    folders = config.model_dirs
    if not folders:
        raise Conflict(
            "model_dirs names no folder, so a starter model has no place to go.",
            hint="Name one in model_dirs.",
        )
    own = config.data_dir / MODELS_FOLDER
    return own if own in folders else folders[0]


async def _convert(context: JobContext, source: Path, out: Path, _: Progress) -> None:
    await context.errand("convert-gguf", {"source": str(source), "out": str(out)})
